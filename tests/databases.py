"""Databases that a test opens beside its own, of a kind of its own choosing, under an alias that all threads know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection as tested
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from caching.keys import digest

__all__ = ["beside", "drop", "opened", "sqlite"]


class _Unlisted(dict[str, Any]):
    """Knows one alias that it does not list: Django's test cases forbid all that were listed, and are not theirs."""

    def __init__(self, settings: dict[str, Any], alias: str, database: dict[str, Any]) -> None:
        super().__init__(settings | {alias: database})
        self._alias = alias

    def __iter__(self) -> Iterator[str]:
        return (alias for alias in super().__iter__() if alias != self._alias)


@contextmanager
def opened(alias: str, database: dict[str, Any]) -> Iterator[None]:
    """Open `database`, an entry of DATABASES, under the alias; other threads close their own connections."""
    before = connections.settings
    complete = connections.configure_settings({"default": {}, alias: database})[alias]
    connections.settings = _Unlisted(before, alias, complete)
    try:
        yield
    finally:
        connection: Any = connections[alias]
        connection.close()
        if getattr(connection, "pool", None):
            connection.close_pool()
        del connections[alias]
        connections.settings = before


def sqlite(alias: str, path: Path) -> BaseDatabaseWrapper:
    """Return a connection to a SQLite file, whatever the tests run on: for `connections[alias]` of this thread."""
    engine = "django.db.backends.sqlite3"
    options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL;"}
    database = {"ENGINE": engine, "NAME": str(path), "OPTIONS": options}
    complete = connections.configure_settings({"default": {}, alias: database})[alias]
    connection: BaseDatabaseWrapper = load_backend(engine).DatabaseWrapper(complete, alias)
    return connection


def beside(alias: str, path: Path) -> BaseDatabaseWrapper:
    """Return a connection to a second database, for `connections[alias]` of this thread; `drop` ends it.

    A SQLite file; with MongoDB another database of its server, for SQLite has no such ids as its rows.
    """
    if tested.vendor != "mongodb":
        return sqlite(alias, path)
    name = f"beside_{digest(str(path))}"
    complete = connections.configure_settings({"default": {}, alias: {**tested.settings_dict, "NAME": name}})[alias]
    connection: BaseDatabaseWrapper = load_backend(complete["ENGINE"]).DatabaseWrapper(complete, alias)
    return connection


def drop(connection: Any) -> None:
    """Close what `beside` returned, and leave nothing of that database on a server."""
    if connection.vendor == "mongodb":
        connection.ensure_connection()
        connection.connection.drop_database(connection.settings_dict["NAME"])
    connection.close()
    if connection.vendor == "mongodb":
        connection.close_pool()
