"""Switches one part of the protocol off, so that the proof can show that it would notice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from caching import exchange, marks
from caching.invalidation import Invalidation
from caching.scripts import _NOW, Script
from caching.stamps import SLOTS, Stamps

__all__ = ["SABOTAGES", "install"]


def _no_mark() -> None:
    """Nothing happens before the commit: neither records nor marks nor stamps."""
    Invalidation.begin = lambda self: None  # type: ignore[method-assign]
    _nothing_is_renewed()


def _nothing_is_renewed() -> None:
    # Marks placed anew would make up for those that are missing.
    Invalidation.refresh = Invalidation.keep = lambda self: None  # type: ignore[method-assign]


def _no_stamps() -> None:
    """Stamps never change."""
    Stamps.bump = lambda self, slots: None  # type: ignore[method-assign]


def _no_lease() -> None:
    """Every miss gets a lease, and every fill is accepted."""
    exchange.LEASE = Script("redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 'taken'")  # type: ignore[misc]
    exchange.FILL = Script(  # type: ignore[misc]
        "if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end return 1"
    )


def _no_unmark() -> None:
    """Nothing happens after the commit: marks and records run out by themselves, stamps stay."""

    def finish(self: Invalidation) -> None:
        self._stop_keeping()
        if self._stamps is not None:
            self._stamps.leave(self._records)

    Invalidation.finish = finish  # type: ignore[method-assign]
    _nothing_is_renewed()


def _second_writer() -> None:
    """There is room for one pending writer per key: the next takes its place, and who leaves takes it away."""
    marks.MARK = Script(  # type: ignore[misc]
        _NOW + "redis.call('DEL', KEYS[1], KEYS[2], KEYS[3]) redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[1])"
    )
    marks.UNMARK = Script("redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])")  # type: ignore[misc]
    marks.WIDE_MARK = Script(  # type: ignore[misc]
        _NOW
        + "redis.call('DEL', KEYS[2]) redis.call('SET', KEYS[1], ARGV[3]) "
        + "redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])"
    )
    marks.WIDE_UNMARK = Script(  # type: ignore[misc]
        "redis.call('DEL', KEYS[2]) redis.call('SET', KEYS[1], ARGV[2])"
    )
    pend, unpend = Stamps.pend, Stamps.unpend

    written: dict[int, int] = {}

    def alone(self: Stamps, slots: Iterable[int]) -> list[int]:
        wanted = list(slots)
        _erase(self, set(wanted))
        records = pend(self, wanted)
        written.update(zip(records, wanted, strict=True))
        return records

    def for_all(self: Stamps, records: Iterable[int]) -> None:
        mine = list(records)
        # By what it wrote, for another writer may have erased it since.
        _erase(self, {written.pop(record) for record in mine})
        unpend(self, mine)

    Stamps.pend, Stamps.unpend = alone, for_all  # type: ignore[method-assign]
    _nothing_is_renewed()


def _erase(stamps: Stamps, slots: set[int]) -> None:
    table: Any = stamps._table
    for index, record in enumerate(table):
        if record and record & (SLOTS - 1) in slots:
            table[index] = 0


def _no_invalidation() -> None:
    """Nobody is told of any write, neither before its commit nor after it."""
    Invalidation.begin = Invalidation.finish = lambda self: None  # type: ignore[method-assign]
    _nothing_is_renewed()


SABOTAGES: dict[str, Callable[[], None]] = {
    "invalidation": _no_invalidation,
    "mark": _no_mark,
    "stamps": _no_stamps,
    "lease": _no_lease,
    "unmark": _no_unmark,
    "second-writer": _second_writer,
}


def install(name: str) -> None:
    """Switch off the part called `name` in this process; nothing when it is empty."""
    if name:
        SABOTAGES[name]()
