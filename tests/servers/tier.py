"""Makes a server of any shape the Redis tier of a test, by the URL that a site would give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.runtime import runtime
from restaurant.redis_url import redis_cache

__all__ = ["Lead", "lead"]

#: Gets the URL and settings of `CACHING`.
Lead = Callable[..., None]


@pytest.fixture
def lead(settings: Settings, fresh_cache: None) -> Iterator[Lead]:
    """Make the server of a URL the Redis tier."""

    def to(url: str, **caching: Any) -> None:
        runtime.reset()
        settings.CACHES = {**settings.CACHES, "redis": redis_cache(url)}
        # Generous, for a busy machine.
        settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis", "REDIS_BUDGET_SECONDS": 5.0, **caching}

    yield to
    runtime.reset()
