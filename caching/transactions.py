"""Which keys each open transaction dirties, and the wrapper around COMMIT that acts on them."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from caching.conf import conf
from caching.invalidation import Invalidation, invalidate
from caching.keys import Key, Scope
from caching.marks import Clear, Item
from caching.routing import reads_from
from caching.telemetry import tracing

__all__ = ["atomic", "dirty_keys", "in_transaction", "may_be_old", "note", "open_notes", "wrap_connection"]

_NOTES = "_caching_notes"
_WRAPPED = "_caching_wrapped"
_CURSORS = "_caching_cursors"


class Notes:
    """What one transaction makes stale; many keys of one scope become the scope."""

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.scopes: set[Scope] = set()
        self.clears: set[Clear] = set()
        self._count: Counter[Scope] = Counter()

    def add(self, item: Item) -> None:
        if isinstance(item, Clear):
            self.clears.add(item)
            return
        if isinstance(item, Key):
            if item in self.keys or item.scope in self.scopes:
                return
            self._count[item.scope] += 1
            if self._count[item.scope] <= conf.WIDE_MARK_ABOVE:
                self.keys.add(item)
                return
            item = item.scope
        if item not in self.scopes:
            self.scopes.add(item)
            # Most scopes come with no key before them; looking through all keys for each would take forever.
            if self._count[item]:
                self.keys = {key for key in self.keys if key.scope != item}

    def all(self) -> tuple[Item, ...]:
        return (*self.keys, *self.scopes, *self.clears)

    def covers(self, key: Key) -> bool:
        return key in self.keys or key.scope in self.scopes


#: The notes of all open transactions of this process: while it is empty, reads need not ask their connection.
open_notes: dict[int, Notes] = {}


@contextmanager
def atomic(using: str | None = None, *, durable: bool = False) -> Iterator[None]:
    """Open Django's `atomic`, which is a real transaction on every engine: on MongoDB by `caching.mongodb`.

    What is read in it decides about what is written, so no router sends its reads to a replica.
    """
    with transaction.atomic(using=using, durable=durable), reads_from(using or DEFAULT_DB_ALIAS):
        yield


def in_transaction(alias: str) -> bool:
    """Whether this thread has a transaction open: what it reads may be uncommitted or old, and must not fill."""
    connection = connections[alias]
    return connection.in_atomic_block or not connection.get_autocommit()


def may_be_old(alias: str) -> bool:
    """Whether what this thread reads may be of an earlier moment.

    SQLite keeps the snapshot of an unfinished query, and of a transaction that somebody began around Django. In such a
    transaction PostgreSQL shows what is not committed, and may keep a snapshot, too. MongoDB has a snapshot in a
    transaction alone.
    """
    connection = connections[alias]
    if connection.vendor == "postgresql":
        driver: Any = connection.connection
        # The driver's own note of what the server last said: no round trip. 0 is idle, in psycopg 3 and 2.
        return driver is not None and not driver.closed and driver.info.transaction_status != 0
    if connection.vendor != "sqlite":
        return False
    return bool(connection.__dict__.get(_CURSORS)) or bool(
        connection.connection and connection.connection.in_transaction
    )


def note(alias: str, items: Iterable[Item]) -> None:
    """Note what the open transaction dirties; without one the write has been committed, and acts at once."""
    connection = connections[alias]
    if not in_transaction(alias):
        invalidate(items, using=alias)
        return
    notes = connection.__dict__.get(_NOTES) or _remember(connection, Notes())
    for item in items:
        notes.add(item)


def dirty_keys(alias: str, keys: Iterable[Key]) -> set[Key]:
    """Return those of `keys` that the transaction open in this thread has dirtied."""
    notes: Notes | None = connections[alias].__dict__.get(_NOTES)
    return {key for key in keys if notes.covers(key)} if notes is not None else set()


def _remember(connection: BaseDatabaseWrapper, notes: Notes) -> Notes:
    # Until a rollback: who commits by hand may try a failed commit again, and it must not pass without marks.
    connection.__dict__[_NOTES] = open_notes[id(connection)] = notes
    return notes


def _forget(connection: BaseDatabaseWrapper) -> Notes | None:
    open_notes.pop(id(connection), None)
    notes: Notes | None = connection.__dict__.pop(_NOTES, None)
    return notes


def wrap_connection(connection: BaseDatabaseWrapper) -> None:
    """Wrap what begins and ends the connection's transactions; a connection is wrapped once and reconnects as it is."""
    _forget(connection)
    if connection.__dict__.get(_WRAPPED):
        return
    connection.__dict__[_WRAPPED] = True
    # A thread may die in the middle of a transaction, and nobody ends it.
    weakref.finalize(connection, open_notes.pop, id(connection), None)
    connection.commit = _committing(connection, connection.commit)  # type: ignore[method-assign]
    connection.set_autocommit = _turning_on(connection, connection.set_autocommit)  # type: ignore[method-assign]
    for name in ("rollback", "close"):
        setattr(connection, name, _ending(connection, getattr(connection, name)))
    if connection.vendor == "sqlite":
        connection.chunked_cursor = _remembering(connection, connection.chunked_cursor)  # type: ignore[method-assign]
        wrapped: Any = connection
        wrapped._savepoint = _beginning(connection, wrapped._savepoint)


def _committing(connection: BaseDatabaseWrapper, commit: Callable[[], Any]) -> Callable[[], None]:
    def commit_with_marks() -> None:
        notes: Notes | None = connection.__dict__.get(_NOTES)
        if notes is None:
            commit()
            return
        items = notes.all()
        with tracing.span(tracing.COMMIT, tracing.only(item.region for item in items), len(items)):
            commit_marked(notes, items)

    def commit_marked(notes: Notes, items: tuple[Item, ...]) -> None:
        _forget(connection)
        # Only a DatabaseError may leave this function before the commit: Django rolls back for no other.
        invalidation = None
        try:
            invalidation = Invalidation(items, connection, commit)
            invalidation.begin()
            invalidation.refresh()
        except DatabaseError:
            _remember(connection, notes)
            raise
        except BaseException:
            if invalidation is not None:
                invalidation.abandon()
            connection.rollback()
            raise
        try:
            commit()
        except BaseException:
            invalidation.abandon()
            _remember(connection, notes)
            raise
        # Before any on_commit callback, which may raise and so cancel those behind it.
        invalidation.finish()

    return commit_with_marks


def _turning_on(connection: BaseDatabaseWrapper, set_autocommit: Callable[..., None]) -> Callable[..., None]:
    def commit_before_autocommit(autocommit: bool, *args: Any, **kwargs: Any) -> None:
        # SQLite commits an open transaction when autocommit is turned on, without anybody calling commit().
        if autocommit and _NOTES in connection.__dict__:
            connection.commit()
        set_autocommit(autocommit, *args, **kwargs)

    return commit_before_autocommit


def _ending(connection: BaseDatabaseWrapper, end: Callable[[], Any]) -> Callable[[], None]:
    def end_and_forget() -> None:
        try:
            end()
        finally:
            _forget(connection)

    return end_and_forget


def _remembering(connection: BaseDatabaseWrapper, chunked_cursor: Callable[[], Any]) -> Callable[[], Any]:
    def cursor_remembered_until_closed() -> Any:
        cursor = chunked_cursor()
        cursors = connection.__dict__.setdefault(_CURSORS, weakref.WeakSet())
        cursors.add(cursor)
        close = cursor.close

        def close_and_forget() -> None:
            cursors.discard(cursor)
            close()

        cursor.close = close_and_forget
        return cursor

    return cursor_remembered_until_closed


def _beginning(connection: BaseDatabaseWrapper, savepoint: Callable[[str], None]) -> Callable[[str], None]:
    def begin_and_savepoint(sid: str) -> None:
        # With autocommit off, SQLite takes a savepoint outside a transaction for one: its release commits, unseen.
        if not connection.get_autocommit() and not connection.connection.in_transaction:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
        savepoint(sid)

    return begin_and_savepoint
