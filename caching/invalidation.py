"""The writer's side of the protocol: mark, commit, unmark, and the host's stamps changed on both sides of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable

from caching.conf import conf
from caching.epochs import clear_name, fresh_token, guard_names, wide_names
from caching.errors import HostFileError, MarkFailed, RedisUnavailable
from caching.keys import Key, Scope
from caching.registry import registry
from caching.runtime import runtime
from caching.scripts import MARK, UNMARK, WIDE_MARK, WIDE_UNMARK, Command, command
from caching.stamps import region_slot, scope_slot, slots_of

__all__ = ["Invalidation", "clear", "invalidate"]

# Records that one commit takes at most; a block of the table has 64.
_MAX_RECORDS = 48

logger = logging.getLogger("caching")


class Invalidation:
    """The marks of one commit: `begin` before it, then `finish`, or `abandon` when its outcome is unknown.

    Raises `MarkFailed` when the stamps that the host shares have become unusable.

    The order is the protocol: records in the host's table, marks in Redis, stamps, COMMIT, marks off, stamps, records
    off. A writer killed anywhere in between leaves marks and records that run out after `MARK_SECONDS`.
    """

    def __init__(self, items: Iterable[Key | Scope]) -> None:
        self._items = tuple(items)
        self._slots = [slots_of(item).key if isinstance(item, Key) else scope_slot(item) for item in self._items]
        self._commit_id = fresh_token()
        self._records: list[int] = []
        try:
            self._stamps = runtime.writers_stamps()
        except HostFileError as error:
            raise MarkFailed(f"The write was refused: {error}") from error

    def begin(self) -> None:
        """Place the marks.

        Raises `MarkFailed` when that is impossible; nothing has been written then and the caller rolls back.
        """
        if self._stamps is not None:
            try:
                self._records = self._stamps.pend(self._pending_slots())
            except HostFileError as error:
                raise MarkFailed(f"The write was refused: {error}") from error
        try:
            self._send([self._mark(item) for item in self._items])
        except RedisUnavailable as error:
            self._end(certain=True)
            raise MarkFailed("The write was refused, for its mark could not be placed in Redis. Retry.") from error
        self._bump()

    def _pending_slots(self) -> Iterable[int]:
        # The table has room for all writers of the host; one that changes very much announces whole regions.
        if len(self._slots) <= _MAX_RECORDS:
            return self._slots
        return {region_slot(item.region) for item in self._items}

    def finish(self) -> None:
        """Take the marks off after the commit. Never raises: what Redis does not hear runs out there by itself."""
        try:
            self._send([self._unmark(item) for item in self._items])
        except RedisUnavailable:
            logger.warning("Marks of %d keys could not be taken off in Redis; they run out.", len(self._items))
        finally:
            self._end(certain=True)
        for region, count in Counter(item.region for item in self._items).items():
            registry.get(region).counters.invalidations += count

    def abandon(self) -> None:
        """Leave the marks to run out: the commit may have happened or may be about to."""
        self._end(certain=False)

    def _end(self, *, certain: bool) -> None:
        self._bump()
        if self._stamps is not None:
            (self._stamps.unpend if certain else self._stamps.leave)(self._records)

    def _bump(self) -> None:
        if self._stamps is not None:
            self._stamps.bump(self._slots)

    def _send(self, commands: list[Command]) -> None:
        if runtime.redis is not None and commands:
            runtime.redis.execute(commands)

    def _mark(self, item: Key | Scope) -> Command:
        milliseconds = int(conf.MARK_SECONDS * 1000)
        if isinstance(item, Key):
            return MARK(list(guard_names(item)), self._commit_id, milliseconds)
        return WIDE_MARK(list(wide_names(item)), self._commit_id, milliseconds, fresh_token())

    def _unmark(self, item: Key | Scope) -> Command:
        if isinstance(item, Key):
            return UNMARK(list(guard_names(item)), self._commit_id)
        return WIDE_UNMARK(list(wide_names(item)), self._commit_id, fresh_token())


def invalidate(items: Iterable[Key | Scope]) -> None:
    """Make keys and scopes stale now, for changes that are committed already. Raises `MarkFailed` without Redis."""
    invalidation = Invalidation(items)
    invalidation.begin()
    invalidation.finish()


def clear(region: str | None = None, org: str | None = None) -> None:
    """Forget everything, a region, an organisation, or an organisation in a region, on all hosts: one small write.

    Raises `RedisUnavailable` (nothing is cleared then) and `UnknownRegion`.
    """
    regions = [registry.get(region).name] if region is not None else list(registry.regions)
    if runtime.redis is not None:
        runtime.redis.execute([command("SET", clear_name(region, org), fresh_token())])
    stamps = runtime.writers_stamps()
    if stamps is not None:
        stamps.bump(scope_slot(Scope(each, org)) if org is not None else region_slot(each) for each in regions)
