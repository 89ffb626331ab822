"""What this process wrote and Redis has not heard of: its whole host reads that from the database until it has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from caching.clock import Clock
from caching.conf import conf
from caching.epochs import fresh_token
from caching.stamps import Stamps, region_slot

__all__ = ["Undelivered"]


@dataclass
class _Held:
    # One for each region and database: regions are few, and a writer may change thousands of keys while Redis is away.
    under_way: int = 0
    turn: int = 0
    until: float = 0.0
    records: list[int] = field(default_factory=list)
    stamps: Stamps | None = None


class Undelivered:
    """The regions of which the outbox holds rows of this process, or will when a COMMIT under way has arrived.

    A record in the host's table stands for each: all processes of the host go around Redis in such a region, and fill
    nothing. Records run out after `MARK_SECONDS` unless `renew` is called, and are given back by `settle`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str], _Held] = {}
        #: By which the rows of this process are known in the outbox.
        self.writer = fresh_token()

    @property
    def regions(self) -> set[str]:
        """The names of the regions that are bypassed."""
        with self._lock:
            return {region for _, region in self._held}

    def begin(self, alias: str, regions: Iterable[str], stamps: Stamps | None) -> None:
        """Bypass these regions, before rows for them are inserted. Raises `HostFileError` when the table is full."""
        places = [(alias, region) for region in regions]
        with self._lock:
            for place in places:
                self._held.setdefault(place, _Held())
            self._renew(stamps)
            for place in places:
                self._held[place].under_way += 1
                self._held[place].turn += 1

    def end(self, alias: str, regions: Iterable[str], *, certain: bool) -> None:
        """The rows are committed, or were rolled back; if that is not `certain`, they may appear later."""
        with self._lock:
            for region in regions:
                held = self._held[alias, region]
                held.under_way -= 1
                held.turn += 1
                if not certain:
                    held.until = self._clock.now() + conf.MARK_SECONDS

    def renew(self, stamps: Stamps | None) -> None:
        """Let the records stand for another `MARK_SECONDS`, in the file that the host shares now.

        Raises `HostFileError` when its table is full.
        """
        with self._lock:
            self._renew(stamps)

    def _renew(self, stamps: Stamps | None) -> None:
        for held in self._held.values():
            if held.stamps is not None:
                held.stamps.renew(held.records)
        if stamps is not None:
            for (_, region), held in self._held.items():
                if held.stamps is not stamps:
                    held.records, held.stamps = stamps.pend([region_slot(region)]), stamps

    def settle(self, holds: Callable[[str, str, str], bool]) -> None:
        """End the bypass where nothing waits any more; `holds(alias, writer, region)` asks the database.

        What `holds` raises leaves the rest as it is.
        """
        with self._lock:
            now = self._clock.now()
            # A COMMIT under way has rows that nobody sees yet.
            asked = [
                (*place, held.turn) for place, held in self._held.items() if not held.under_way and held.until <= now
            ]
        for alias, region, turn in asked:
            if not holds(alias, self.writer, region):
                self._give_back(alias, region, turn)

    def _give_back(self, alias: str, region: str, turn: int) -> None:
        with self._lock:
            held = self._held.get((alias, region))
            # Another write of the region may have begun, or even ended, while the database was asked.
            if held is None or held.turn != turn:
                return
            del self._held[alias, region]
            if held.stamps is not None:
                held.stamps.unpend(held.records)
