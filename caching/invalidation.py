"""The writer's side of the protocol: mark, commit, unmark, and the host's stamps changed on both sides of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from caching import budget, outbox
from caching.conf import conf
from caching.epochs import fresh_token
from caching.errors import HostFileError, MarkFailed, RedisUnavailable
from caching.logs import described, logger
from caching.marks import Clear, Item, mark, regions_of, slots_to_bump, told, under_all_names, unmark
from caching.registry import registry
from caching.runtime import runtime
from caching.scripts import Command
from caching.stamps import region_slot
from caching.telemetry import tracing

__all__ = ["Invalidation", "clear", "invalidate"]

# Records that one commit takes at most; a block of the table has 64.
_MAX_RECORDS = 48


class Invalidation:
    """The marks of one commit: `begin` before it, then `finish`, or `abandon` when its outcome is unknown.

    Raises `MarkFailed` when the stamps that the host shares have become unusable.

    The order is the protocol: records in the host's table, marks in Redis, stamps, COMMIT, marks off, stamps, records
    off. A writer killed anywhere in between leaves marks and records that run out after `MARK_SECONDS`. What Redis does
    not hear goes into the outbox: before the COMMIT in its transaction, after it in one of its own that `commit` ends.
    """

    def __init__(
        self,
        items: Iterable[Item],
        connection: BaseDatabaseWrapper | None = None,
        commit: Callable[[], object] | None = None,
    ) -> None:
        self._items = tuple(under_all_names(items))
        # A clear guards no COMMIT.
        self._guarded = [item for item in self._items if not isinstance(item, Clear)]
        self._regions = {region for item in self._items for region in regions_of(item)}
        self._slots = [slot for item in self._items for slot in slots_to_bump(item)]
        self._connection = connection or connections[DEFAULT_DB_ALIAS]
        self._commit = commit
        self._commit_id = fresh_token()
        self._records: list[int] = []
        self._placed_at = 0.0
        self._in_outbox = False
        self._ended = False
        # The relay places anew the marks of a COMMIT that takes long.
        self._turn = threading.RLock()
        # In this order: the relay needs the tier.
        self._redis, self._relay = runtime.redis, runtime.relay
        try:
            self._stamps = runtime.writers_stamps()
        except HostFileError as error:
            raise MarkFailed(f"The write was refused: {error}") from error

    def begin(self) -> None:
        """Place the marks, or rows in the outbox.

        Raises `MarkFailed` when neither is possible; nothing has been written then and the caller rolls back.
        """
        try:
            self._place()
        except RedisUnavailable as error:
            self._into_outbox(error)
        self._bump()
        if self._relay is not None:
            self._relay.watch(self)

    def refresh(self) -> None:
        """Place the marks anew if this process was stopped since `begin` for so long that they may run out too soon.

        Raises `MarkFailed` as `begin` does.
        """
        if runtime.clock.now() > self._placed_at + conf.MARK_SECONDS / 2:
            with self._turn:
                try:
                    self._place()
                except RedisUnavailable as error:
                    self._into_outbox(error)
                self._bump()

    def keep(self) -> None:
        """Place the marks anew before they run out, from another thread than the one that commits."""
        with self._turn:
            if self._ended or runtime.clock.now() < self._placed_at + conf.MARK_SECONDS / 3:
                return
            with suppress(RedisUnavailable):
                self._place()
            self._bump()

    def finish(self) -> None:
        """Take the marks off after the commit. Never raises: what Redis does not hear goes into the outbox."""
        certain = False
        try:
            self._stop_keeping()
            certain = self._in_outbox or self._unmark()
        finally:
            self._end(certain=certain)
        # Once each, whatever its names.
        written = dict.fromkeys(self._guarded)
        for region, count in Counter(item.region for item in written).items():
            registry.get(region).counters.invalidations += count
        runtime.activity.written.extend(written)

    def abandon(self) -> None:
        """Leave the marks to run out: the commit may have happened or may be about to."""
        self._stop_keeping()
        self._end(certain=False)

    def tell(self) -> bool:
        """Make the items stale at once, for no commit of ours; return whether Redis has heard, too.

        Raises `MarkFailed` when the host's other processes cannot be told.
        """
        try:
            self._place()
            self._send([unmark(told(item), self._commit_id) for item in self._guarded])
        except RedisUnavailable:
            return False
        finally:
            self._end(certain=True)
        return True

    # --- the host -----------------------------------------------------------------------------------------------------

    def _pend(self) -> None:
        if self._stamps is None:
            return
        if self._records:
            self._stamps.renew(self._records)
            return
        # The table has room for all writers of the host; one that changes very much announces whole regions.
        whole = len(self._slots) > _MAX_RECORDS
        try:
            self._records = self._stamps.pend(map(region_slot, self._regions) if whole else self._slots)
        except HostFileError as error:
            raise MarkFailed(f"The write was refused: {error}") from error

    def _bump(self) -> None:
        if self._stamps is not None:
            self._stamps.bump(self._slots)

    def _end(self, *, certain: bool) -> None:
        self._bump()
        if self._stamps is not None:
            (self._stamps.unpend if certain else self._stamps.leave)(self._records)
            self._records = []
        if self._in_outbox and self._relay is not None:
            self._in_outbox = False
            self._relay.undelivered.end(self._connection.alias, self._regions, certain=certain)

    def _stop_keeping(self) -> None:
        if self._relay is not None:
            self._relay.unwatch(self)
        with self._turn:
            self._ended = True

    # --- Redis --------------------------------------------------------------------------------------------------------

    def _place(self) -> None:
        placed_at = runtime.clock.now()
        self._pend()
        if not self._in_outbox:
            marks = [mark(item, self._commit_id) for item in self._items]
            self._send(marks)
            self._wait_for_replicas(marks)
        self._placed_at = placed_at

    def _unmark(self) -> bool:
        try:
            self._send([unmark(told(item), self._commit_id) for item in self._guarded])
        except RedisUnavailable:
            return self._into_outbox_after_commit()
        return True

    def _send(self, commands: list[Command]) -> None:
        if self._redis is None or not commands:
            return
        try:
            with tracing.span(tracing.REDIS, tracing.only(self._regions), len(commands)):
                self._redis.execute(commands)
        except RedisUnavailable as error:
            # Whatever it refused: a Redis that takes no marks is not to be trusted before it has taken what waits.
            if runtime.breaker.closed and not budget.is_spent():
                runtime.breaker.trip(str(error))
            raise

    def _wait_for_replicas(self, commands: list[Command]) -> None:
        wanted = max((registry.get(region).wait_replicas for region in self._regions), default=0)
        if self._redis is None or not wanted:
            return
        known = self._redis.wait(wanted, commands)
        if known < wanted:
            raise RedisUnavailable(f"Only {known} of {wanted} replicas of Redis know of the write")

    # --- the outbox ---------------------------------------------------------------------------------------------------

    def _into_outbox(self, why: RedisUnavailable) -> None:
        try:
            self._insert(self._items)
        except (Error, HostFileError) as error:
            self._stop_keeping()
            self._end(certain=True)
            what = described(error)
            raise MarkFailed(f"The write was refused: {why}, and the outbox could not be used: {what}") from error

    def _into_outbox_after_commit(self) -> bool:
        try:
            self._insert(self._guarded)
            if self._commit is not None:
                self._commit()
        except (Error, HostFileError) as error:
            logger.warning(
                "Marks of %(keys)d keys could not be taken off in Redis and run out: %(error)s",
                {"keys": len(self._items), "error": error},
                extra={"event": "marks_run_out"},
            )
            if self._commit is not None:
                # Not rollback(), which would forget the callbacks of the transaction that was committed.
                with suppress(Error):
                    self._connection._rollback()  # type: ignore[attr-defined] # unknown to the stubs
            return False
        return True

    def _insert(self, items: Iterable[Item]) -> None:
        assert self._relay is not None  # noqa: S101 -- for the type checker; where there is a Redis, there is a relay
        undelivered, alias = self._relay.undelivered, self._connection.alias
        undelivered.begin(alias, self._regions, self._stamps)
        self._in_outbox = True
        outbox.insert(self._connection, items, commit_id=self._commit_id, writer=undelivered.writer)


def invalidate(items: Iterable[Item], *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Make keys, scopes and clears stale now, for changes that are committed already.

    What Redis does not hear waits in the outbox of the database `using`; while a transaction is open there, until its
    COMMIT. Raises `MarkFailed` when that is impossible, too.
    """
    # Imported late: transactions need this module.
    from caching import transactions

    items = tuple(items)
    invalidation = Invalidation(items, connections[using])
    if not transactions.in_transaction(using):
        invalidation.begin()
        invalidation.finish()
    elif not invalidation.tell():
        # A row inserted now would be seen at the COMMIT at the earliest.
        transactions.note(using, items)


def clear(region: str | None = None, org: str | None = None, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Forget everything, a region, an organisation, or an organisation in a region, on all hosts: one small write.

    Without Redis it waits in the outbox, as `invalidate` does. Raises `UnknownRegion` and `MarkFailed`.
    """
    invalidate([Clear(registry.get(region).name if region is not None else None, org)], using=using)
