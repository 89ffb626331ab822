"""The restaurant in a scratch place: Django set up, its tables made, and the data that every row is measured on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.place import Place

__all__ = ["django_in", "site_in"]


@contextmanager
def site_in(place: Place) -> Iterator[None]:
    """Do what `django_in` does, and write the world."""
    with django_in(place):
        from benchmarks.world import world_create

        world_create()
        yield


@contextmanager
def django_in(place: Place) -> Iterator[None]:
    """Make this process one of the site's in `place`, for good; the cache's threads end before the place's servers."""
    os.environ.update(place.environment())
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from caching.runtime import runtime

    call_command("migrate", verbosity=0)
    try:
        yield
    finally:
        runtime.reset()
        connections.close_all()
