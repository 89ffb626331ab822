"""How the site keeps its connections to PostgreSQL, unless `DATABASE_URL` says otherwise, and what a pooler changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import Error, connections

__all__ = ["check_sessions", "with_pool"]

_CONNECT_SECONDS: Final = 5
# Who waits for another's lock is told as soon as on SQLite; what a dead client has left open ends by itself.
_SESSION: Final = "-c lock_timeout=20s -c idle_in_transaction_session_timeout=5min"
# While the server is away each request that needs it waits so long, in a thread that could answer from the cache.
_POOL_SECONDS: Final = 2
# The pool doubles its pauses between attempts, up to minutes; one that has given up is made anew by who comes next.
_RECONNECT_SECONDS: Final = 1
_PARENTS: Final[list[dict[str, Any]]] = []


def with_pool(database: dict[str, Any], most: int) -> None:
    """Complete an entry of DATABASES: a pool of up to `most` connections in each process, and time-outs.

    With `most` 0 each thread keeps a connection of its own. An address that has `conn_max_age` gets neither the pool
    nor the settings of the session: it may lead to a pooler, which has its own.
    """
    options = database.setdefault("OPTIONS", {})
    options.setdefault("connect_timeout", _CONNECT_SECONDS)
    if "CONN_MAX_AGE" in database:
        return
    options.setdefault("options", _SESSION)
    if most:
        # Django's pool wants no kept connections beside it.
        database["CONN_MAX_AGE"] = 0
        options["pool"] = {
            "min_size": 1,
            "max_size": most,
            "timeout": _POOL_SECONDS,
            "reconnect_timeout": _RECONNECT_SECONDS,
        }


@register(Tags.database)
def check_sessions(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check what a pooler takes from sessions without a word."""
    of_postgresql = [alias for alias in databases or () if connections[alias].vendor == "postgresql"]
    return [message for alias in of_postgresql for message in _sessions(alias)]


def _sessions(alias: str) -> Iterator[CheckMessage]:
    connection: Any = connections[alias]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout'), pg_backend_pid()")
            lock_timeout, session = cursor.fetchone()
    except Error:
        # A server that cannot be reached is reported by whoever needs it.
        return
    if lock_timeout == "0":
        yield Warning(
            f"Who waits for another's lock in the database {alias!r} waits for as long as that lasts.",
            hint="A pooler drops the settings of sessions: make them the user's, by ALTER ROLE (docs/stores.md).",
            id="restaurant.W001",
        )
    # A pooler has told a number of its own when the connection began.
    told = getattr(getattr(connection.connection, "info", None), "backend_pid", session)
    if told != session and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        yield Warning(
            f"There is a pooler before the database {alias!r}, and cursors of the server may be read by others there.",
            hint="Add ?conn_max_age=0&disable_server_side_cursors=true to DATABASE_URL, unless it keeps sessions.",
            id="restaurant.W002",
        )


def _leave_to_parent() -> None:
    """Forget the pools in a child: it would talk to the server through the sockets of its parent."""
    # Kept, so that nothing of them is closed here.
    _PARENTS.append(dict(_pools()))
    _pools().clear()


def _pools() -> dict[str, Any]:
    # Loaded by Django, if at all; for that a driver must be installed.
    base = sys.modules.get("django.db.backends.postgresql.base")
    return base.DatabaseWrapper._connection_pools if base is not None else {}


os.register_at_fork(after_in_child=_leave_to_parent)
