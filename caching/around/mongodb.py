"""MongoDB: a change stream over the collections, whose position is kept in the database."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Any, Final

import msgspec
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, router
from pymongo.change_stream import ChangeStream as Stream
from pymongo.errors import OperationFailure, PyMongoError

from caching.around.changes import Change
from caching.around.follower import State, Told
from caching.around.tables import Followed, followed_tables
from caching.conf import conf
from caching.models import FollowedPosition
from caching.mongodb.compiler import LOCK
from caching.runtime import runtime

__all__ = ["ChangeStream", "install", "remove", "source", "states"]

# What happens to a row; anything else happens to its collection.
_ROW: Final = frozenset({"insert", "update", "replace", "delete"})

# So often the position is kept while there is nothing to tell: keeping it is a write as well.
_KEPT_SECONDS: Final = 60.0


# --- images of documents before a change ------------------------------------------------------------------------------


def states(alias: str) -> dict[str, State]:
    """Return, for each collection that is followed, whether changes tell what was there before."""
    found = {each["name"]: each.get("options", {}) for each in _database(alias).list_collections()}
    return {
        table: "installed" if found.get(table, {}).get("changeStreamPreAndPostImages", {}).get("enabled") else "missing"
        for table in followed_tables(alias)
    }


def install(alias: str) -> list[str]:
    """Let MongoDB keep what was there before a change, which it does for as long as its `expireAfterSeconds` says."""
    return _keep_images(alias, enabled=True)


def remove(alias: str) -> list[str]:
    """Let MongoDB keep no images any more, and forget the position; returns the collections."""
    _positions(alias).delete()
    return _keep_images(alias, enabled=False)


def source(alias: str) -> ChangeStream:
    """Return what tells of writes."""
    return ChangeStream(alias)


def _keep_images(alias: str, *, enabled: bool) -> list[str]:
    with _as_database_errors():
        database = _database(alias)
        there = set(database.list_collection_names())
        tables = [table for table in followed_tables(alias) if table in there]
        for table in tables:
            database.command({"collMod": table, "changeStreamPreAndPostImages": {"enabled": enabled}})
    return tables


def _database(alias: str) -> Any:
    connection: Any = connections[alias]
    connection.ensure_connection()
    return connection.database


@contextmanager
def _as_database_errors() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise DatabaseError(type(error).__name__) from error


# --- the position -----------------------------------------------------------------------------------------------------


def _positions(alias: str) -> Any:
    kept_in = alias if router.allow_migrate_model(alias, FollowedPosition) else DEFAULT_DB_ALIAS
    return FollowedPosition.objects.using(kept_in).filter(pk=_name(alias))


def _name(alias: str) -> str:
    # Hosts that share no Redis hear for themselves, and a release that follows other columns does not go on where this
    # one was.
    followed = [(each.table, each.told, each.watched) for each in followed_tables(alias).values()]
    return blake2b(repr((conf.PREFIX, platform.node(), alias, followed)).encode(), digest_size=16).hexdigest()


class ChangeStream:
    """A source: what was told while nobody listened is told later, while the server's oplog reaches back so far."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._tables = followed_tables(alias)
        self._stream: Stream[Any] | None = None
        self._kept: Any = None
        self._kept_at = 0.0

    def open(self) -> bool:
        """Listen from the position that was kept. Returns False when there is none, or the server forgot it."""
        self.close()
        token = _positions(self._alias).values_list("token", flat=True).first()
        with _as_database_errors():
            if token is not None:
                # A server that refuses it does not know any more what came behind.
                with suppress(OperationFailure, msgspec.DecodeError):
                    self._stream = self._watch(msgspec.json.decode(token))
                    return True
            self._stream = self._watch(None)
        return False

    def _watch(self, token: Any) -> Stream[Any]:
        stream: Stream[Any] = _database(self._alias).watch(
            [{"$match": {"$or": [{"ns.coll": {"$in": list(self._tables)}}, {"operationType": "dropDatabase"}]}}],
            full_document="updateLookup",
            full_document_before_change="whenAvailable",
            resume_after=token,
            max_await_time_ms=1000,
        )
        return stream

    def wait(self, seconds: float) -> Sequence[Told]:
        """Return what was told; waits for at least one answer of the server, in rounds of a second."""
        stream = self._stream
        if stream is None:
            raise DatabaseError("The change stream is closed.")
        told: list[Told] = []
        until = runtime.clock.now() + seconds
        with _as_database_errors():
            try:
                while (event := stream.try_next()) is not None or (not told and runtime.clock.now() < until):
                    if event is not None:
                        told.extend(self._told(event))
            except OperationFailure:
                _positions(self._alias).delete()
                raise
        if not stream.alive:
            # The database was dropped.
            _positions(self._alias).delete()
            raise DatabaseError("The change stream has ended.")
        return told

    def handled(self, *, told: bool) -> None:
        """Keep the position: what was told until now has been acted on."""
        token = self._stream.resume_token if self._stream is not None else None
        is_due = told or self._kept is None or runtime.clock.now() > self._kept_at + _KEPT_SECONDS
        if token is None or not is_due:
            return
        FollowedPosition.objects.using(_positions(self._alias).db).update_or_create(
            pk=_name(self._alias), defaults={"token": msgspec.json.encode(token).decode()}
        )
        self._kept, self._kept_at = token, runtime.clock.now()

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(PyMongoError):
                stream.close()

    def _told(self, event: Mapping[str, Any]) -> Iterator[Told]:
        name = event.get("ns", {}).get("coll")
        if event["operationType"] not in _ROW:
            yield Told(name)
        elif name in self._tables:
            change = _change(self._tables[name], event)
            if change is not None:
                yield Told(name, change)


def _change(table: Followed, event: Mapping[str, Any]) -> Change | None:
    """Return the change; None where nothing but a lock of ours was written."""
    kind = event["operationType"]
    old, new = event.get("fullDocumentBeforeChange"), event.get("fullDocument")
    if kind == "update":
        described = event["updateDescription"]
        paths = [*described["updatedFields"], *described["removedFields"]]
        paths += [each["field"] for each in described.get("truncatedArrays", ())]
        changed = {path.partition(".")[0] for path in paths}
        if changed == {LOCK}:
            return None
    else:
        changed = set(table.watched)
    # Where the image was not kept, columns are missing, and what needs them clears instead.
    before = None if kind == "insert" else _columns(table, old)
    # A document that is gone by now is told of once more, as deleted.
    after = None if kind == "delete" or new is None else _columns(table, new)
    return Change(before, after, frozenset(changed.intersection(table.watched)))


def _columns(table: Followed, document: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if document is None else {column: document.get(column) for column in table.told}
