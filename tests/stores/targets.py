"""The stores that the suite runs on: how the server of each is started, and which tests are about it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks.postgres import PostgresServer
from tests.faults.servers import Server
from tests.servers.cluster import Cluster
from tests.servers.mongod import Mongod
from tests.servers.rest_front import Front
from tests.servers.sentinels import Trio
from tests.stores.replays import Interruption

__all__ = ["COHERENCE", "STORES", "WHOLE", "Started", "Store"]

WHOLE: Final = ("tests",)

# What asks no database, or one of its own: the models of the protocol, the benchmarks, this folder.
_ELSEWHERE: Final = tuple(f"--ignore=tests/{name}" for name in ("benchmarks", "model", "stores"))

# Proof and stress write to a SQLite file of their own, unless they are given a MongoDB.
_WITHOUT_PROCESSES: Final = tuple(f"--ignore=tests/{name}" for name in ("prove", "stress"))

# What is about Redis: faults of its servers, the proof, the stress, and every test that runs with `tiers`.
COHERENCE: Final = ("tests/caching", "tests/faults", "tests/prove", "tests/stress")

# What a site says when it has noticed.
_DATABASE_AWAY: Final = frozenset({"database_away"})
_REDIS_AWAY: Final = frozenset({"redis_left_alone"})
_REDIS_BACK: Final = frozenset({"redis_answers"})

# Nothing here outlives the run; what a commit waits for is not what is tested.
_POSTGRES: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


@dataclass(frozen=True, slots=True)
class Started:
    """A server that runs: its version, what tells the tests where it is, and how it is stopped within a replay.

    `site` tells a site where it is, if that is told otherwise than to the tests.
    """

    version: str
    environment: Mapping[str, str]
    interruption: Interruption | None = None
    site: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """One row of the table. `start` leaves what ends the server on the stack; `tests` are paths for pytest.

    Where `is_ordinary`, `make test` runs these tests on it: they are run here only for who asks for the store.
    """

    name: str
    tests: tuple[str, ...]
    start: Callable[[ExitStack], Started]
    is_ordinary: bool = False


def _sqlite(_: ExitStack) -> Started:
    return Started(sqlite3.sqlite_version, {})


def _postgresql(stack: ExitStack) -> Started:
    server = PostgresServer(Path(tempfile.gettempdir()), _POSTGRES)
    stack.callback(server.end)
    interruption = Interruption(server.stop, server.start, _DATABASE_AWAY)
    return Started(server.version, {"DATABASE_URL": server.url}, interruption)


def _redis(stack: ExitStack) -> Started:
    server = stack.enter_context(Server())
    version = server.client.info("server").get("valkey_version", "")
    interruption = Interruption(server.kill, server.start, _REDIS_AWAY, _REDIS_BACK)
    # The tests start servers of their own.
    return Started(version, {}, interruption, {"REDIS_URL": f"redis://127.0.0.1:{server.port}/0"})


def _cluster(stack: ExitStack) -> Started:
    cluster = stack.enter_context(Cluster())
    lost = cluster.nodes[0]
    version = lost.client.info("server").get("valkey_version", "")
    servers = ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)
    interruption = Interruption(lost.kill, lost.start, _REDIS_AWAY, _REDIS_BACK)
    return Started(version, {"TEST_REDIS": "cluster"}, interruption, {"REDIS_URL": f"redis+cluster://{servers}"})


def _sentinel(stack: ExitStack) -> Started:
    trio = Trio()
    stack.callback(trio.end)
    first, second = trio.servers
    version = first.client.info("server").get("valkey_version", "")

    def take_over() -> None:
        # The site is to find the one that took over; who was killed comes back as its replica.
        trio.promoted(second)
        first.start()

    interruption = Interruption(first.kill, take_over, _REDIS_AWAY, _REDIS_BACK)
    return Started(version, {"TEST_REDIS": "sentinel"}, interruption, {"REDIS_URL": trio.url()})


def _mongodb(stack: ExitStack) -> Started:
    # As the documents say for every server: what a killed writer has locked is free again sooner.
    server = stack.enter_context(Mongod("transactionLifetimeLimitSeconds=10"))
    return Started(
        server.version, {"DATABASE_URL": server.url()}, Interruption(server.kill, server.start, _DATABASE_AWAY)
    )


def _rest(stack: ExitStack) -> Started:
    server = stack.enter_context(Server())
    front = Front(server.port)
    stack.callback(front.close)
    site = {"UPSTASH_REDIS_REST_URL": front.url, "UPSTASH_REDIS_REST_TOKEN": front.token}
    version = f"upstash-redis {metadata.version('upstash-redis')}"
    interruption = Interruption(front.kill, front.start, _REDIS_AWAY, _REDIS_BACK)
    return Started(version, {"TEST_REDIS": "rest"}, interruption, site)


# A store with a server of its own is one more function above, and one more line here.
STORES: Final = {
    store.name: store
    for store in (
        Store("sqlite", WHOLE, _sqlite, is_ordinary=True),
        Store("postgresql", (*WHOLE, *_ELSEWHERE, *_WITHOUT_PROCESSES), _postgresql),
        Store("mongodb", (*WHOLE, *_ELSEWHERE), _mongodb),
        Store("valkey", COHERENCE, _redis, is_ordinary=True),
        Store("sentinel", WHOLE, _sentinel),
        Store("cluster", WHOLE, _cluster),
        Store("rest", WHOLE, _rest),
    )
}
