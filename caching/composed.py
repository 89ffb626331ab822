"""Lists made of items: a list caches identifiers with row versions, the items come from their own region."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

from caching.dependencies import On
from caching.exchange import Lifetime
from caching.keys import Key
from caching.noting import note_stamps
from caching.reading import Reading
from caching.regions import Region
from caching.runtime import runtime
from caching.snapshots import Snapshot
from caching.stats import Counters
from caching.steps import InLoader, Load, Steps
from caching.tiers.local import Entry
from caching.transactions import dirty_keys, open_notes

__all__ = ["ListRegion", "Listing", "Refs"]

S = TypeVar("S", bound=Snapshot)

# A list changes under the reader only while orders are written at that moment, and each attempt reads anew.
_ATTEMPTS = 5


class Refs(Snapshot, frozen=True):
    """What a list caches: how many rows it is a part of, and (id, version) of the rows it shows, in order."""

    count: int
    items: tuple[tuple[UUID, int], ...]


class Listing(Snapshot, Generic[S], frozen=True):
    """What a read of a list returns; sent as `{"count": 2, "results": [...]}`."""

    count: int
    results: tuple[S, ...]


class ListRegion(Region[Any], Generic[S]):
    """A region whose lists are composed of the snapshots of another one, which have a `version`.

    `load(org, *parts, using=alias)` returns `Refs`. Only the composed list is kept in local memory, under the stamps of
    the list's own key: whatever makes an item stale makes the organisation's lists stale, unless `fresh_on` says more
    exactly which. An item whose version is not the list's is read again from the database, then the list.
    """

    def __init__(self, name: str, items: Region[S], **options: Any) -> None:
        self.items = items
        declared = list(options.pop("fresh_on", ()))
        named = {on.model for on in declared}
        derived = [On(on.model, org=on.org) for on in items.fresh_on if on.model not in named]
        super().__init__(name, Refs, fresh_on=[*declared, *derived], **options)

    def read(self, keys: Sequence[Key], *, use_cache: bool = True, counted: bool = True) -> Steps[dict[Key, Entry]]:
        counters = self.counters if counted else Counters()
        entries = {}
        for key in keys:
            entries[key] = yield from self._composed(key, counters) if use_cache else self._from_database(key)
        return entries

    def _composed(self, key: Key, counters: Counters) -> Steps[Entry]:
        dirty: set[Key] = set()
        if open_notes:
            dirty = yield InLoader(lambda: dirty_keys(key.alias, [key]))
        entry = runtime.find(key.local) if not dirty else None
        if entry is not None:
            counters.local_hits += 1
            return entry
        began = time.perf_counter_ns()
        tier = runtime.local
        noted, pending = note_stamps([key])
        scratch = Counters()
        lists = Reading(self, [key], counters=scratch, local=False)
        listed = (yield from lists.steps())[key]
        refs: Refs = self.value(listed)  # type: ignore[assignment]
        reading = Reading(self.items, self._item_keys(key, refs), counters=Counters())
        found = (yield from reading.steps()) if refs.items else {}
        parts = [found[each] for each in self._item_keys(key, refs)]
        outdated = self._outdated(refs, parts)
        if outdated:
            entry = yield from self._mended(key, refs, parts, outdated)
        else:
            entry = self._compose(refs, parts)
            if tier is not None and key not in pending and all(part.may_be_kept for part in (listed, *parts)):
                self.keep(key, entry, noted[key], self._life(entry), tier)
        self._count(counters, scratch, lists.loaded or reading.loaded, time.perf_counter_ns() - began)
        return entry

    def _mended(self, key: Key, refs: Refs, parts: list[Entry], outdated: list[int]) -> Steps[Entry]:
        keys = self._item_keys(key, refs)
        fresh = yield from self.items.read([keys[index] for index in outdated], use_cache=False)
        for index in outdated:
            parts[index] = fresh[keys[index]]
        if self._outdated(refs, parts):
            return (yield from self._from_database(key))
        return self._compose(refs, parts)

    def _from_database(self, key: Key) -> Steps[Entry]:
        refs, parts = Refs(count=0, items=()), []
        for _ in range(_ATTEMPTS):
            loaded = yield Load(self, [key])
            refs = loaded.checked()[key]
            keys = self._item_keys(key, refs)
            fresh = (yield from self.items.read(keys, use_cache=False)) if keys else {}
            parts = [fresh[each] for each in keys]
            if not self._outdated(refs, parts):
                break
        # Under writes without end the last attempt is as good as any: all of it was read after the caller asked.
        return self._compose(refs, [part for part in parts if self.items.value(part) is not None])

    def _item_keys(self, key: Key, refs: Refs) -> list[Key]:
        return [Key(self.items.name, key.org, (item,), key.alias) for item, _ in refs.items]

    def _outdated(self, refs: Refs, parts: Sequence[Entry]) -> list[int]:
        values = map(self.items.value, parts)
        return [
            index
            for index, ((_, version), value) in enumerate(zip(refs.items, values, strict=True))
            if getattr(value, "version", None) != version
        ]

    def _compose(self, refs: Refs, parts: Sequence[Entry]) -> Entry:
        body = b'{"count":%d,"results":[%b]}' % (refs.count, b",".join(part.body for part in parts))
        results = tuple(self.items.value(part) for part in parts)
        return Entry(body, Listing(count=refs.count, results=results), parts=tuple(parts))

    def _life(self, entry: Entry) -> Lifetime:
        # Local copies of items have their age: a list made of them must not outlive them (a part that local memory did
        # not take has no end).
        end = min((getattr(part, "expires", math.inf) for part in entry.parts), default=math.inf)
        left = min(self.local_ttl, end - runtime.clock.now())
        return Lifetime(left, left, 0.0)

    def _count(self, counters: Counters, scratch: Counters, loaded: bool, nanoseconds: int) -> None:
        # The items' reads are no requests of their own; the list is answered by a tier if no part needed the database.
        for name in ("joined", "stale", "refreshed", "bypassed", "refused", "rejected", "errors"):
            setattr(counters, name, getattr(counters, name) + getattr(scratch, name))
        kind = "miss" if loaded else "redis"
        for name, more in ((f"{kind}_ns", nanoseconds), (f"{kind}_samples", 1)):
            setattr(counters, name, getattr(counters, name) + more)
        if loaded:
            counters.misses += 1
        else:
            counters.redis_hits += 1
        runtime.statistics.share_soon()
