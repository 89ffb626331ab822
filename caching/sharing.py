"""How a read shares flights with the others of its process; what it does in those it leads, its kind knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from caching.flights import NOTHING, Landing, Seat, in_task
from caching.keys import Key
from caching.noting import Noted, note_stamps
from caching.runtime import runtime
from caching.stats import Counters
from caching.steps import Steps
from caching.tiers.local import Entry

if TYPE_CHECKING:
    from caching.regions import Region

__all__ = ["Sharing"]

# Flights that a read waits for before it loads for itself: the one it finds, and the one after that.
_FLIGHTS_WAITED_FOR: Final = 2


class Sharing(ABC):
    """A read that joins the flights others lead and leads its own.

    `_obtain` finds an entry for each key of a flight, or hands flights over to the refresher and returns the seats.
    """

    #: Of its flights.
    kind: ClassVar[str]

    def __init__(self, region: Region[Any], counters: Counters, *, local: bool) -> None:
        self._region = region
        self._counters = counters
        # Of this moment: what is kept in a tier that was dropped meanwhile is kept for nobody.
        self._tier = runtime.local
        self._uses_local = local
        self._flights = runtime.flights
        self._entries: dict[Key, Entry] = {}
        self._noted: dict[Key, Noted] = {}
        self._led: set[Key] = set()
        self._in_vain: set[Key] = set()
        self._alone: set[Key] = set()
        self._early: list[Key] = []
        self._from_database: set[Key] = set()
        #: Loaded in a transaction, or under an old snapshot: right for this caller alone.
        self._private: set[Key] = set()
        #: What loads raised, if others would meet it, too.
        self._errors: dict[Key, Exception] = {}
        #: Whether the database was asked, by this read or by the flight it joined.
        self.loaded = False

    @property
    def is_private(self) -> bool:
        """Whether something was loaded in a transaction, or under an old snapshot."""
        return bool(self._private)

    @property
    def shared_error(self) -> Exception | None:
        """What a load raised, if others would meet it, too."""
        return next(iter(self._errors.values()), None)

    @abstractmethod
    def _obtain(self, keys: list[Key], dirty: set[Key], patient: bool) -> Steps[dict[Key, Seat]]: ...

    @abstractmethod
    def _landings(self, joined: dict[Key, Seat]) -> Steps[dict[Key, Landing]]: ...

    @abstractmethod
    def _wait_a_little(self, seats: dict[Key, Seat]) -> Steps[None]: ...

    def _note(self, keys: Iterable[Key]) -> set[Key]:
        noted, pending = note_stamps(keys)
        self._noted.update(noted)
        return pending

    def _find(self, wanted: list[Key], dirty: set[Key]) -> Steps[None]:
        # Nobody else may have what only this transaction sees.
        alone = [key for key in wanted if key in dirty]
        shared = [key for key in wanted if key not in dirty]
        for waited_for in range(_FLIGHTS_WAITED_FOR):
            led, joined = self._flights.board(self.kind, shared)
            self._led = set(led)
            try:
                # The flight that was missed by a moment may have left its result.
                self._find_again(led)
                if alone or self._led:
                    yield from self._fly([*alone, *(key for key in led if key in self._led)], dirty)
            finally:
                self._land()
            left = (yield from self._join(joined, waited_before=waited_for > 0)) if joined else []
            alone = [key for key in left if key in self._alone]
            shared = [key for key in left if key not in self._alone]
        if alone or shared:
            yield from self._fly([*alone, *shared], dirty)

    def _find_again(self, led: Iterable[Key]) -> None:
        if self._uses_local:
            for key in led:
                entry = runtime.find(key.local)
                if entry is not None:
                    self._entries[key] = entry
                    self._counters.local_hits += 1
                    self._led.discard(key)
                    self._flights.land(self.kind, key, partial(self._landing_here, key, entry))

    def _join(self, joined: dict[Key, Seat], *, waited_before: bool) -> Steps[list[Key]]:
        landings = yield from self._landings(joined)
        left = []
        for key, seat in joined.items():
            if key in self._entries:
                continue
            landing = landings.get(key)
            or_fresh = waited_before and key not in self._in_vain
            if landing is None:
                # The next flight it joins may be the same one, which began before it came.
                self._in_vain.add(key)
                if seat.by_task and not in_task():
                    # A thread that waits for a task keeps it from loading, perhaps.
                    self._alone.add(key)
            if landing is None or not (landing.accepted or (or_fresh and landing.fresh)):
                left.append(key)
            elif landing.error is not None:
                self._errors[key] = landing.error
                raise landing.error
            elif landing.entry is not None:
                self._entries[key] = landing.entry
                self.loaded |= landing.loaded
                counters = self._counters
                counters.joined += 1
                counters.stale += landing.entry.stale
                counters.misses += landing.loaded
                counters.redis_hits += not landing.loaded
        return left

    def _fly(self, keys: list[Key], dirty: set[Key], *, patient: bool = False) -> Steps[None]:
        try:
            handed_over = yield from self._obtain(keys, dirty, patient)
        finally:
            # Also when the caller was cancelled: those who wait must not wait for nobody.
            self._land()
        # Only now: the refresher leads flights of its own.
        early, self._early = self._early, []
        for key in early:
            runtime.refresher.refresh(self._region, key)
        if handed_over:
            yield from self._wait_a_little(handed_over)

    def _land(self) -> None:
        while self._led:
            key = self._led.pop()
            try:
                self._flights.land(self.kind, key, partial(self._landing, key))
            except BaseException:
                self._land()
                raise

    def _landing_here(self, key: Key, entry: Entry) -> Landing:
        stands = runtime.find(key.local) is entry
        return Landing(entry, accepted=stands, fresh=True, loaded=False, error=None)

    def _landing(self, key: Key) -> Landing:
        entry = self._entries.get(key)
        if entry is None:
            error = self._errors.get(key)
            if error is None:
                return NOTHING
            return Landing(None, accepted=self._is_unchanged(key), fresh=True, loaded=False, error=error)
        shared = key not in self._private
        return Landing(
            entry,
            accepted=shared and entry.may_be_kept and self._is_unchanged(key),
            fresh=shared and not entry.stale,
            loaded=key in self._from_database,
            error=None,
        )

    def _is_unchanged(self, key: Key) -> bool:
        noted, stamps = self._noted.get(key), runtime.stamps
        # As for a hit: who joined after Redis had answered may have seen a commit that only the listener tells of, and
        # after a tier was dropped the stamps prove nothing.
        tier = self._tier
        if noted is None or stamps is None or tier is None:
            return False
        trusted = tier.now() < tier.trusted_until or runtime.trust(tier)
        return trusted and tier is runtime.local and stamps.note(noted.slots) == noted.stamps
