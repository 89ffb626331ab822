"""A server, and a proxy before it, of each test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from tests.faults.proxy import Proxy
from tests.faults.servers import Server


@pytest.fixture
def configure(settings: Settings, fresh_cache: None) -> Callable[..., None]:
    """Make the server at a port the Redis tier, and that at `elsewhere` another host's; `caching` are settings."""

    def set_port(port: int, elsewhere: int | None = None, **caching: Any) -> None:
        settings.CACHES = {
            **settings.CACHES,
            **{
                alias: {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"redis://127.0.0.1:{each}/0"}
                for alias, each in {"redis": port, "elsewhere": elsewhere}.items()
            },
        }
        settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis", "REDIS_BUDGET_SECONDS": 5.0, **caching}

    return set_port


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()
