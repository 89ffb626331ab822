"""Takes what a source tells of writes around Django, and makes stale what they changed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, Protocol

import msgspec
from django.db import Error, connections

from caching.around.changes import Change, lost, stale
from caching.around.tables import Followed, followed_tables
from caching.errors import CachingError
from caching.invalidation import invalidate
from caching.logs import logger
from caching.marks import Item
from caching.registry import registry
from caching.transactions import in_transaction

__all__ = ["Engine", "Follower", "Source", "State", "Told", "engine_of"]

#: Whether a table tells of its writes what this release needs.
State = Literal["installed", "outdated", "missing"]

#: What a pause between two tries begins with, and is doubled to.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0

#: How long one look waits for something to be told.
_WAIT_SECONDS: Final = 1.0

#: More changes of one table at once clear its regions: reading each row would take longer than filling anew.
_MOST_CHANGES: Final = 1000


class Told(msgspec.Struct, frozen=True):
    """What a source tells of a table (None: of any): a row that was written, or None for rows that nobody knows."""

    table: str | None
    change: Change | None = None


class Source(Protocol):
    """Tells of writes in a database. Each method raises a `DatabaseError` when the place in what is told was lost."""

    def open(self) -> bool:
        """Begin to listen. Returns whether all is told that was written since the last time."""

    def wait(self, seconds: float) -> Sequence[Told]:
        """Return what was written since the last call; waits so long for something."""

    def handled(self, *, told: bool) -> None:
        """Hear that what was told until now, if anything, has been acted on."""

    def close(self) -> None:
        """End the connection; never raises."""


class Engine(Protocol):
    """The module of a kind of database. Its functions raise `CachingError` for a database of another kind."""

    def states(self, alias: str) -> dict[str, State]:
        """Return the state of each table that is followed."""

    def install(self, alias: str) -> list[str]:
        """Let the tables tell of their writes; returns their names. Doing it twice does no harm."""

    def remove(self, alias: str) -> list[str]:
        """Undo what `install` did; returns the names of the tables."""

    def source(self, alias: str) -> Source:
        """Return what tells of writes."""


def engine_of(alias: str) -> Engine:
    """Return the module for the database; that of PostgreSQL, which refuses it, for one that cannot be followed."""
    if connections[alias].vendor == "mongodb":
        # Installed, for this connection is one of it.
        from caching.around import mongodb

        return mongodb
    from caching.around import postgresql

    return postgresql


class Follower:
    """Follows the writes in one database, from one thread: `step` by step, or until it is told to end by `run`."""

    def __init__(self, source: Source, alias: str) -> None:
        self._source = source
        self._alias = alias
        self._tables = followed_tables(alias)
        self._is_following = False
        #: How many writes were followed, and how often all that depends on the database was cleared.
        self.followed = 0
        self.cleared = 0

    def step(self, seconds: float = _WAIT_SECONDS) -> int:
        """Act on what is told within the time; returns how many writes that were.

        The first step, and the first after an error, listens, and clears what may have been written unheard. Raises
        `DatabaseError` when the database, or Redis and the outbox, are out of reach, which the next step makes up for;
        `CachingError` inside a transaction, and where a source says that it cannot be followed.
        """
        if in_transaction(self._alias):
            raise CachingError(
                "Writes around Django cannot be followed inside a transaction, which may read what was before them: "
                "end it first, and leave AUTOCOMMIT on."
            )
        try:
            if not self._is_following:
                self._begin()
                return 0
            told = self._source.wait(seconds)
            self._invalidate(self._stale(told))
            self._source.handled(told=bool(told))
        except (Error, CachingError):
            self.close()
            raise
        self.followed += len(told)
        return len(told)

    def run(self, ended: threading.Event) -> None:
        """Follow until `ended` is set; after an error begin anew, with pauses that double up to 10 seconds."""
        pause = _FIRST_PAUSE
        while not ended.is_set():
            try:
                self.step()
                pause = _FIRST_PAUSE
            except Error as error:
                logger.warning(
                    "Writes around Django are not followed: %(error)s. Trying again.",
                    {"error": error},
                    extra={"event": "writes_not_followed"},
                )
                ended.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        self.close()

    def close(self) -> None:
        """End the connections; the next step begins anew."""
        self._is_following = False
        self._source.close()
        connections[self._alias].close()

    def _begin(self) -> None:
        # In this order: what is written from now on is told.
        if not self._source.open():
            self._invalidate(lost(self._tables.values()))
            self.cleared += 1
        self._is_following = True

    def _stale(self, told: Sequence[Told]) -> set[Item]:
        if any(each.table is None for each in told):
            return lost(self._tables.values())
        counts = Counter(each.table for each in told)
        items: set[Item] = set()
        for each in told:
            table: Followed | None = self._tables.get(each.table or "")
            if table is None:
                # No region of this release depends on it.
                continue
            if each.change is None or counts[each.table] > _MOST_CHANGES:
                items |= lost([table])
            else:
                items |= stale(table, each.change, self._alias)
        return items

    def _invalidate(self, items: set[Item]) -> None:
        if items:
            # Lists last: who hears of a list first would make it anew of an item of whose change it has not heard.
            invalidate(sorted(items, key=_is_composed), using=self._alias)


def _is_composed(item: Item) -> bool:
    return item.region is not None and registry.get(item.region).is_composed
