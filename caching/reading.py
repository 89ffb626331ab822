"""The reader's side of the protocol, for any number of keys of one region: what one miss does, many do together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db import DataError
from django.db import Error as DatabaseTrouble

from caching import direct
from caching.conf import conf
from caching.envelope import Envelope
from caching.errors import RedisUnavailable
from caching.exchange import Exchange, Lifetime, lifetime_left
from caching.flights import NOTHING, Landing, Seat
from caching.keys import Key
from caching.registry import registry
from caching.runtime import runtime
from caching.sharing import Sharing
from caching.snapshots import encode
from caching.stats import Counters
from caching.steps import InLoader, Join, Load, Loaded, Pause, Steps
from caching.tiers.local import Entry
from caching.transactions import dirty_keys, open_notes
from caching.ttl import lead

if TYPE_CHECKING:
    from caching.regions import Region

__all__ = ["Reading"]

# How often the loser of a lease looks whether the winner has filled.
_LOOK_AGAIN_SECONDS: Final = 0.01


class Reading(Sharing):
    """One read of some keys of one region and database.

    `steps` is the logic; it returns an entry for every key. What local memory has is taken from there. The rest joins
    the flights that other threads and tasks lead, or leads its own. Then the order is the protocol: note the stamps,
    look for pending writers of the host, ask Redis, take the lease (which no one gets while a writer is pending), load,
    fill, and keep a local copy only of what came from Redis or was accepted by it, under the stamps noted at first.

    An expired value that nothing made stale may stand in, if the region says so, while the database fails or is slow.
    """

    kind = "value"
    #: Whether what Redis has under the keys is what is read.
    finds_directly: ClassVar[bool] = True

    def __init__(self, region: Region[Any], keys: Sequence[Key], *, counters: Counters, local: bool = True) -> None:
        super().__init__(region, counters, local=local)
        self._keys = list(dict.fromkeys(keys))
        self._exchange = Exchange(region, counters, self._noted, self._tier)
        self._expired: dict[Key, Entry] = {}
        self._held: list[Key] = []

    # --- three ways to read -------------------------------------------------------------------------------------------

    def steps(self, *, decode: bool = False, directly: bool = True) -> Steps[dict[Key, Entry]]:
        """Find an entry for every key; with `decode`, with its snapshot if Redis has it.

        Plain hits are taken `directly` from Redis, unless the caller has tried that.
        """
        began = time.perf_counter_ns()
        dirty: set[Key] = set()
        if open_notes and self._keys:
            dirty = yield InLoader(partial(dirty_keys, self._keys[0].alias, self._keys))
        if self._uses_local:
            self._find_here([key for key in self._keys if key not in dirty])
        wanted = [key for key in self._keys if key not in self._entries]
        if len(wanted) > 1 and directly and self.finds_directly and self._uses_local:
            # One key alone was looked for by whoever reads it.
            found = yield from direct.hits(self._region, [key.local for key in wanted], decode=decode)
            hits = {key: entry for key, entry in zip(wanted, found, strict=True) if entry is not None}
            self._entries.update(hits)
            self._counters.redis_hits += len(hits)
            self._tell(found=hits)
            wanted = [key for key in wanted if key not in hits]
        if wanted:
            yield from self._find(wanted, dirty)
            self._count(time.perf_counter_ns() - began, len(wanted))
            self._tell_of(wanted)
        return self._entries

    def flying(self) -> Steps[None]:
        """Go on with flights that another read began and handed over."""
        self._led = set(self._keys)
        yield from self._fly(self._keys, set(), patient=True)

    def refreshing(self) -> Steps[None]:
        """Load anew what has not expired yet, unless somebody else is about to, or a writer is."""
        led, _ = self._flights.board(self.kind, self._keys)
        self._led = set(led)
        try:
            barred = self._note(led)
            yield from self._refresh([key for key in led if key not in barred])
        except RedisUnavailable:
            self._counters.errors += 1
        finally:
            self._land()

    def _refresh(self, keys: list[Key]) -> Steps[None]:
        if keys and runtime.redis is not None:
            yield from self._exchange.look(keys)
            self._exchange.unwanted.update(keys)
            yield from self._exchange.take_leases(keys)
            keys = list(self._exchange.leases)
        if keys:
            self._region.counters.refreshed += len(keys)
            yield from self._load(keys, set())

    def _find_here(self, keys: Iterable[Key]) -> None:
        for key in keys:
            entry = runtime.find(key.local)
            if entry is not None:
                self._entries[key] = entry
                self._counters.local_hits += 1

    # --- the protocol -------------------------------------------------------------------------------------------------

    def _obtain(self, keys: list[Key], dirty: set[Key], patient: bool) -> Steps[dict[Key, Seat]]:
        barred = (dirty | self._note(keys)) & set(keys)
        self._counters.bypassed += len(barred)
        free = [key for key in keys if key not in barred]
        self._find_expired(free)
        answered = runtime.redis is not None and bool(free) and (yield from self._look(free))
        late = [key for key in free if key in self._expired and key not in self._entries]
        handed_over = {} if patient else self._hand_over(late)
        missing = [key for key in keys if key not in self._entries and key not in handed_over]
        if answered:
            yield from self._take_leases([key for key in missing if key not in barred])
        loading = [key for key in missing if key not in self._held]
        if loading:
            yield from self._load(loading, barred)
        if self._held:
            yield from self._wait_for_others()
        return handed_over

    def _find_expired(self, keys: Iterable[Key]) -> None:
        if self._region.stale_for:
            for key in keys:
                entry = runtime.find_usable(key.local) if self._uses_local else None
                if entry is not None:
                    self._expired[key] = entry

    def _count(self, nanoseconds: int, keys: int) -> None:
        counters = self._counters
        if self.loaded:
            counters.miss_ns += nanoseconds
            counters.miss_samples += keys
        else:
            counters.redis_ns += nanoseconds
            counters.redis_samples += keys
        runtime.statistics.share_soon()

    def _tell_of(self, wanted: list[Key]) -> None:
        loaded = self._from_database
        # What another read loaded is known of one key alone; of several it is not told which.
        missed = set(wanted) if self.loaded and len(wanted) == 1 else loaded.intersection(wanted)
        self._tell(found=[key for key in wanted if key not in missed], missed=missed)

    def _tell(self, found: Iterable[Key] = (), missed: Iterable[Key] = ()) -> None:
        # What nobody asked for is no request.
        if self._counters is self._region.counters:
            runtime.activity.found.extend(key.local for key in found)
            runtime.activity.missed.extend(key.local for key in missed)
        elif conf.PREFETCH and self._region.name in registry.followed:
            # An item of a list: what follows it is loaded once somebody asks for the item itself.
            for key in chain(found, missed):
                self._entries[key].watch()

    # --- Redis --------------------------------------------------------------------------------------------------------

    def _look(self, keys: Sequence[Key]) -> Steps[bool]:
        try:
            found = yield from self._exchange.look(keys)
        except RedisUnavailable:
            self._counters.errors += 1
            return False
        for key, envelope in found.items():
            self._accept(key, envelope)
        return True

    def _accept(self, key: Key, envelope: Envelope) -> None:
        life = lifetime_left(self._region, envelope)
        entry = Entry(envelope.body)
        entry.version = envelope.version
        # Redis itself ends what may not stand in, so that clocks that differ do no harm.
        if life.fresh <= 0 and envelope.hard > envelope.soft:
            self._exchange.unwanted.add(key)
            if life.usable > 0:
                entry.may_be_kept = True
                self._expired[key] = entry
            return
        self._entries[key] = entry
        self._counters.redis_hits += 1
        self._keep(key, entry, life)
        if lead(life.cost) >= life.fresh > 0:
            self._early.append(key)

    def _take_leases(self, keys: list[Key]) -> Steps[None]:
        if not keys:
            return
        try:
            self._exchange.unwanted.update(self._expired)
            held = yield from self._exchange.take_leases(keys)
        except RedisUnavailable:
            self._counters.errors += 1
            return
        now = runtime.clock.now()
        self._held = [key for key in held if not self._flights.is_stuck(key, now)]

    def _wait_for_others(self) -> Steps[None]:
        waiting, self._held = self._held, []
        clock = runtime.clock
        soft = self._region.soft_timeout
        expired = all(key in self._expired for key in waiting)
        patience = clock.now() + (min(soft, conf.LEASE_WAIT_SECONDS) if expired and soft else conf.LEASE_WAIT_SECONDS)
        while True:
            answered = yield from self._look(waiting)
            waiting = [key for key in waiting if key not in self._entries]
            if not (answered and waiting) or clock.now() >= patience:
                break
            yield Pause(_LOOK_AGAIN_SECONDS)
        for key in waiting:
            self._flights.gave_up(key, clock.now() + conf.LEASE_SECONDS)
        if waiting:
            yield from self._load(waiting, set(waiting))

    # --- database -----------------------------------------------------------------------------------------------------

    def _load(self, keys: list[Key], barred: set[Key]) -> Steps[None]:
        loaded: Loaded = yield Load(self._region, keys)
        if not loaded.may_fill:
            self._private.update(keys)
        if loaded.error is not None:
            yield from self._give_leases_back()
            self._stand_in_or_raise(keys, loaded)
            return
        try:
            self._entries.update({key: Entry(encode(value), value) for key, value in loaded.values.items()})
        except Exception:
            yield from self._give_leases_back()
            raise
        self.loaded = True
        self._from_database.update(keys)
        self._counters.misses += len(keys)
        if not loaded.may_fill:
            self._counters.refused += len(keys)
            yield from self._give_leases_back()
        elif runtime.redis is None:
            for key in keys:
                if key not in barred:
                    self._keep(key, self._entries[key], self._local_life(key, loaded.seconds))
        elif self._exchange.leases:
            yield from self._fill(loaded.seconds)

    def _local_life(self, key: Key, cost: float) -> Lifetime:
        region, entry = self._region, self._entries[key]
        ttl = region.local_ttl if entry.value is None else region.local_life(key.local, entry.body)
        return Lifetime(ttl, ttl + region.stale_for, cost, ttl)

    def _fill(self, cost: float) -> Steps[None]:
        leased = set(self._exchange.leases)
        try:
            accepted = yield from self._exchange.fill(self._entries, cost)
        except RedisUnavailable:
            self._counters.errors += 1
            return
        self._counters.refused += len(leased - accepted.keys())
        for key, life in accepted.items():
            self._keep(key, self._entries[key], life)

    def _give_leases_back(self) -> Steps[None]:
        try:
            yield from self._exchange.give_leases_back()
        except RedisUnavailable:
            self._counters.errors += 1

    def _keep(self, key: Key, entry: Entry, life: Lifetime) -> None:
        entry.may_be_kept = True
        if not self._uses_local:
            entry.expires = runtime.clock.now() + min(life.fresh, life.local)
        elif self._tier is not None and key in self._noted:
            self._region.keep(key, entry, self._noted[key], life, self._tier)

    # --- fail-safe ----------------------------------------------------------------------------------------------------

    def _stand_in_or_raise(self, keys: list[Key], loaded: Loaded) -> None:
        error = loaded.error
        assert error is not None  # noqa: S101 -- for the type checker
        if not isinstance(error, DatabaseTrouble) or not all(key in self._expired for key in keys):
            self._tell_others(keys, error, own=not loaded.may_fill)
            raise error
        for key in keys:
            self._stand_in(key)

    def _tell_others(self, keys: list[Key], error: Exception, *, own: bool) -> None:
        # An error of this caller's own transaction is nobody else's, and one of a row is of those alone who want it.
        trouble = isinstance(error, DatabaseTrouble) and not isinstance(error, DataError)
        if not own and (trouble or len(keys) == 1):
            for key in keys:
                if trouble and key in self._expired:
                    self._entries[key] = self._expired[key].stand_in()
                    self._from_database.add(key)
                else:
                    self._errors[key] = error

    def _stand_in(self, key: Key) -> None:
        self._entries[key] = self._expired[key].stand_in()
        self.loaded = True
        self._from_database.add(key)
        self._counters.misses += 1
        self._counters.stale += 1

    def _landings(self, joined: dict[Key, Seat]) -> Steps[dict[Key, Landing]]:
        soft, landings = self._region.soft_timeout, {}
        if soft is not None and self._region.stale_for:
            landings = yield Join(joined, min(soft, conf.LEASE_SECONDS))
            yield from self._find_what_stands_in([key for key in joined if key not in landings])
        left = {key: seat for key, seat in joined.items() if key not in landings and key not in self._entries}
        if left:
            more: dict[Key, Landing] = yield Join(left, conf.LEASE_SECONDS)
            landings = {**landings, **more}
        return landings

    def _find_what_stands_in(self, keys: list[Key]) -> Steps[None]:
        # As good as a hit: it is looked for only now, after all that was waited for.
        barred = self._note(keys)
        free = [key for key in keys if key not in barred]
        self._find_expired(free)
        unknown = [key for key in free if key not in self._expired]
        if unknown and runtime.redis is not None:
            yield from self._look(unknown)
        for key in free:
            if key in self._expired and key not in self._entries:
                self._stand_in(key)

    def _hand_over(self, late: Iterable[Key]) -> dict[Key, Seat]:
        seats: dict[Key, Seat] = {}
        if self._region.soft_timeout is not None:
            for key in late:
                if key in self._led:
                    seat = self._flights.hand_over(self.kind, key)
                    if runtime.refresher.take_over(self._region, self.kind, key):
                        self._led.discard(key)
                        seats[key] = seat
        return seats

    def _wait_a_little(self, seats: dict[Key, Seat]) -> Steps[None]:
        landings: dict[Key, Landing] = yield Join(seats, self._region.soft_timeout or 0.0)
        for key in seats:
            landing = landings.get(key, NOTHING)
            if landing.error is not None and not isinstance(landing.error, DatabaseTrouble):
                raise landing.error
            if landing.entry is None or not landing.fresh:
                self._stand_in(key)
                continue
            self._entries[key] = landing.entry
            self.loaded |= landing.loaded
            self._counters.misses += landing.loaded
            self._counters.redis_hits += not landing.loaded
