"""The stores that the suite runs on: how the server of each is started, and which tests are about it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.postgres import PostgresServer
from tests.servers.mongod import Mongod

__all__ = ["COHERENCE", "STORES", "WHOLE", "Started", "Store"]

WHOLE: Final = ("tests",)

# What is about Redis: faults of its servers, the proof, the stress, and every test that runs with `tiers`.
COHERENCE: Final = ("tests/caching", "tests/faults", "tests/prove", "tests/stress")

# Nothing here outlives the run; what a commit waits for is not what is tested.
_POSTGRES: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


@dataclass(frozen=True, slots=True)
class Started:
    """A server that runs: its version, and what tells the tests where it is."""

    version: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Store:
    """One row of the table. `start` leaves what ends the server on the stack; `tests` are paths for pytest."""

    name: str
    tests: tuple[str, ...]
    start: Callable[[ExitStack], Started]


def _sqlite(_: ExitStack) -> Started:
    return Started(sqlite3.sqlite_version, {})


def _postgresql(stack: ExitStack) -> Started:
    server = PostgresServer(Path(tempfile.gettempdir()), _POSTGRES)
    stack.callback(server.end)
    return Started(server.version, {"DATABASE_URL": server.url})


def _mongodb(stack: ExitStack) -> Started:
    server = stack.enter_context(Mongod())
    return Started(server.version, {"DATABASE_URL": server.url()})


# A store with a server of its own is one more function above, and one more line here.
STORES: Final = {
    store.name: store
    for store in (
        Store("sqlite", WHOLE, _sqlite),
        Store("postgresql", WHOLE, _postgresql),
        Store("mongodb", WHOLE, _mongodb),
    )
}
