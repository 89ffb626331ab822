"""Whether this process can do its work: for readiness probes, and for operators who ask on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, Literal

import msgspec
from django.db import Error, connections
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor

from caching.display import health as sentences
from caching.errors import HostFileError, RedisUnavailable
from caching.logs import described
from caching.outbox import aliases
from caching.reporting import CacheReport, cache_report
from caching.runtime import runtime
from caching.scripts import command

__all__ = ["Finding", "Health", "State", "assess", "database", "host_file", "migrations", "settle"]

State = Literal["fine", "degraded", "failed"]

_WORST_LAST: Final = ("fine", "degraded", "failed")
# How long a process that has just begun may need until it hears other hosts, and trusts Redis.
_SETTLE_SECONDS: Final = 1.0
_LOOK_AGAIN_SECONDS: Final = 0.02


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at: `failed` when the site cannot work so, `degraded` when it is slower.

    `text` says why, for operators: it may name files and databases.
    """

    name: str
    state: State
    text: str


class Health(msgspec.Struct, frozen=True):
    """All findings, and the worst state among them."""

    state: State
    findings: tuple[Finding, ...]


# --- what readiness is made of, too -----------------------------------------------------------------------------------


def database(alias: str) -> Finding:
    """Look whether a database answers."""
    connection = connections[alias]
    try:
        connection.ensure_connection()
        usable = connection.is_usable()
    except Error as error:
        return Finding("database", "failed", f"The database {alias} cannot be reached: {described(error)}.")
    if not usable:
        return Finding("database", "failed", f"The database {alias} does not answer.")
    return Finding("database", "fine", f"The database {alias} answers.")


#: Databases that have been seen with all migrations: nobody takes one back under a running process.
_migrated: set[str] = set()


def migrations(alias: str) -> Finding:
    """Look whether all migrations of this release were applied; that takes long, until it was seen once."""
    if alias not in _migrated:
        try:
            executor = MigrationExecutor(connections[alias])
            waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except (Error, InconsistentMigrationHistory) as error:
            return Finding("migrations", "failed", f"Migrations of {alias} cannot be read: {described(error)}.")
        if waiting:
            text = f"{len(waiting)} migrations wait for {alias}: run manage.py migrate --database {alias}."
            return Finding("migrations", "failed", text)
        _migrated.add(alias)
    return Finding("migrations", "fine", f"All migrations of {alias} are applied.")


def host_file() -> Finding:
    """Look at the file that the processes of the host share.

    Somebody else's file in its place fails: writes are refused. Where none can be made, local memory is off, and all
    the rest works.
    """
    try:
        stamps = runtime.writers_stamps()
    except HostFileError as error:
        return Finding("local memory", "failed", f"Writes are refused: {described(error)}")
    if stamps is None:
        text = "Local memory is off: no file can be shared by the processes of this host."
        return Finding("local memory", "degraded", text)
    return Finding("local memory", "fine", "The processes of this host share their file.")


# --- all --------------------------------------------------------------------------------------------------------------


def assess() -> Health:
    """Look at everything, after giving this process a second to hear of other hosts if it has just begun."""
    found = [host_file(), *(look(alias) for alias in aliases() for look in (database, migrations))]
    if runtime.redis is not None:
        settle()
        found.extend(_of_redis(cache_report(scope="process")))
    return Health(max((each.state for each in found), key=_WORST_LAST.index), tuple(found))


def settle() -> None:
    """Give a process that has just begun up to a second to find out whether Redis answers and tells of changes."""
    redis, clock = runtime.redis, runtime.clock
    until = clock.now() + _SETTLE_SECONDS
    if redis is not None:
        # The breaker hears of it.
        with suppress(RedisUnavailable):
            redis.execute([command("PING")])
    while clock.now() < until and not _is_settled():
        clock.sleep(_LOOK_AGAIN_SECONDS)


def _is_settled() -> bool:
    listener = runtime.listener
    return runtime.breaker.closed and (listener is None or listener.describe()["state"] != "connecting")


def _of_redis(report: CacheReport) -> Iterator[Finding]:
    judged: dict[str, Callable[[], State]] = {
        "breaker": lambda: "fine" if report.breaker and report.breaker.state == "closed" else "degraded",
        "listener": lambda: "fine" if report.listener and report.listener.state == "listening" else "degraded",
        "outbox": lambda: _outbox(report),
    }
    for part, judge in judged.items():
        if getattr(report, part) is not None:
            yield Finding("redis" if part == "breaker" else part, judge(), _sentence(report, part) or "Nothing waits.")


def _outbox(report: CacheReport) -> State:
    if report.outbox is None or report.outbox.depth is None:
        return "failed"
    return "degraded" if report.outbox.depth else "fine"


def _sentence(report: CacheReport, part: str) -> str:
    others = dict.fromkeys({"breaker", "listener", "outbox"} - {part})
    return " ".join(sentences(msgspec.structs.replace(report, **others)))
