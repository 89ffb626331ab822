"""Rounds of the observer in which nobody but prediction takes part."""

from __future__ import annotations

from typing import Any

from pytest_django.fixtures import Settings

from caching.prefetch import Prefetcher
from caching.runtime import runtime
from tests.shop.models import Shop


def switch(settings: Settings, **more: Any) -> None:
    """Switch prediction on, and all else that observes off."""
    settings.CACHING = {**settings.CACHING, "PREFETCH": True, "HISTORY": None, **more}
    runtime.observer.consumers = [each for each in runtime.observer.consumers if isinstance(each, Prefetcher)]


def tick() -> None:
    """Let a second pass, and the observer go a round."""
    runtime.clock.sleep(1)
    runtime.observer.tick()


def rename(slug: str = "tea", name: str = "new") -> None:
    """Change a shop, as its manager would."""
    Shop.objects.filter(pk=slug).update(name=name)
