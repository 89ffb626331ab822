"""A server, and a proxy before it, of each test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from tests.conftest import STORE, MovableClock
from tests.faults.hosts import Host
from tests.faults.proxy import Proxy
from tests.faults.servers import Server
from tests.faults.stage import Stage
from tests.servers.rest_front import TOKEN, Front


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
        if STORE == "rest":
            budget = settings.CACHING["REDIS_BUDGET_SECONDS"]
            over_rest = {"REDIS_ALIAS": None, "REST_URL": f"http://127.0.0.1:{port}", "REST_TOKEN": TOKEN}
            settings.CACHING = {**settings.CACHING, **over_rest, "REST_BUDGET_SECONDS": budget}

    return set_port


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def front(server: Server) -> Iterator[Front]:
    """A REST front before the server."""
    front = Front(server.port)
    yield front
    front.close()


@pytest.fixture
def proxy(request: pytest.FixtureRequest, server: Server) -> Iterator[Proxy]:
    """The way to the server; with TEST_REDIS=rest, to the front before it."""
    proxy = Proxy(request.getfixturevalue("front").port if STORE == "rest" else server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def set_stage(
    clock: MovableClock, configure: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Stage]]:
    """Make the stage of a story: this host behind the proxy, another one that reaches the server at `elsewhere`."""
    ends: list[Callable[[], None]] = []

    def make(server: Server, proxy: Proxy, elsewhere: int, *, budget: float) -> Stage:
        # Marks whose writer was not heard any more run out soon: the server's time cannot be moved.
        configure(proxy.port, elsewhere=elsewhere, REDIS_BUDGET_SECONDS=budget, MARK_SECONDS=0.5)
        way: dict[str, Any] = {"REDIS_ALIAS": "elsewhere"}
        if STORE == "rest":
            its_front = Front(elsewhere)
            ends.append(its_front.close)
            way = {"REST_URL": its_front.url}
        other = Host(**way, STAMPS_DIR=str(tmp_path_factory.mktemp("elsewhere")))
        stage = Stage(server, proxy, other, clock)
        ends.extend((stage.close, other.close))
        return stage

    yield make
    for end in ends:
        end()
