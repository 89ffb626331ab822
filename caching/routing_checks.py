"""System checks of routers: whether cached models are loaded from where they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, router

from caching.registry import registry
from caching.routing import reads_from

__all__ = ["check_routers"]


@register(Tags.caches)
def check_routers(**_: Any) -> list[CheckMessage]:
    """Check where the routers send the models that regions depend on."""
    return list(_routers())


def _routers() -> Iterator[CheckMessage]:
    for model in registry.dependencies.models:
        name, home = model._meta.label, router.db_for_write(model)
        with reads_from(home):
            seen = router.db_for_read(model)
        if seen != home:
            yield Error(
                f"{name} is written to the database {home!r}, but loads that fill the cache would be of {seen!r}.",
                hint="Let django.db.router be Django's own, with the project's routers in DATABASE_ROUTERS.",
                id="caching.E034",
            )
        elif home != DEFAULT_DB_ALIAS:
            yield Warning(
                f"A router sends the writes of {name}, on which cache regions depend, to the database {home!r}, and "
                f"regions are read from {DEFAULT_DB_ALIAS!r} unless they are told otherwise.",
                hint=f"Read its regions with using={home!r}, or call the primary {DEFAULT_DB_ALIAS!r}.",
                id="caching.W034",
            )
