"""Lists made of items: a list caches identifiers with row versions, the items come from their own region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import Error as DatabaseTrouble

from caching.dependencies import On
from caching.exchange import Lifetime
from caching.flights import Seat
from caching.keys import Key
from caching.reading import Reading
from caching.regions import Region
from caching.runtime import runtime
from caching.snapshots import Snapshot
from caching.stats import Counters
from caching.steps import Load, Steps
from caching.tiers.local import UNDECODED, Entry

__all__ = ["ListRegion", "Listing", "Refs"]

S = TypeVar("S", bound=Snapshot)

# A list changes under the reader only while orders are written at that moment, and each attempt reads anew.
_ATTEMPTS = 5

# Where the count stands in the body of a list.
_COUNT_FROM = len(b'{"count":')


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

    is_composed = True

    def __init__(self, name: str, items: Region[S], **options: Any) -> None:
        self.items = items
        declared = list(options.pop("fresh_on", ()))
        named = {on.model for on in declared}
        derived = [On(on.model, org=on.org) for on in items.fresh_on if on.model not in named]
        super().__init__(name, Refs, fresh_on=[*declared, *derived], **options)

    def read(
        self,
        keys: Sequence[Key],
        *,
        use_cache: bool = True,
        counted: bool = True,
        decode: bool = False,  # noqa: ARG002 -- a list is made of what is decoded when somebody wants it
        directly: bool = True,  # noqa: ARG002 -- Redis has no lists
    ) -> Steps[dict[Key, Entry]]:
        if use_cache:
            return (yield from _Composing(self, keys, counters=self.counters if counted else Counters()).steps())
        entries = {}
        for key in keys:
            entries[key] = yield from self.from_database(key)
        return entries

    def flying(self, kind: str, key: Key) -> Steps[None]:
        return self._reading(kind, key).flying()

    def refreshing(self, key: Key) -> Steps[None]:
        # With Redis the list's own value ends there; without, the composed list here.
        kind = Reading.kind if runtime.redis is not None else _Composing.kind
        return self._reading(kind, key).refreshing()

    def _reading(self, kind: str, key: Key) -> Reading:
        # Nobody asked: these are no requests.
        if kind == _Composing.kind:
            return _Composing(self, [key], counters=Counters())
        return Reading(self, [key], counters=Counters(), local=False)

    def mended(self, key: Key, refs: Refs, parts: list[Entry], outdated: list[int]) -> Steps[Entry]:
        keys = self.item_keys(key, refs)
        fresh = yield from self.items.read([keys[index] for index in outdated], use_cache=False)
        for index in outdated:
            parts[index] = fresh[keys[index]]
        if self.outdated(refs, parts):
            return (yield from self.from_database(key))
        return self.compose(refs, parts)

    def from_database(self, key: Key) -> Steps[Entry]:
        refs, parts = Refs(count=0, items=()), []
        for _ in range(_ATTEMPTS):
            loaded = yield Load(self, [key])
            refs = loaded.checked()[key]
            keys = self.item_keys(key, refs)
            fresh = (yield from self.items.read(keys, use_cache=False)) if keys else {}
            parts = [fresh[each] for each in keys]
            if not self.outdated(refs, parts):
                break
        # Under writes without end the last attempt is as good as any: all of it was read after the caller asked.
        return self.compose(refs, [part for part in parts if self.items.value(part) is not None])

    def item_keys(self, key: Key, refs: Refs) -> list[Key]:
        return [Key(self.items.name, key.org, (item,), key.alias) for item, _ in refs.items]

    def outdated(self, refs: Refs, parts: Sequence[Entry]) -> list[int]:
        return [
            index
            for index, ((_, version), part) in enumerate(zip(refs.items, parts, strict=True))
            if part.version != version and self._version(part) != version
        ]

    def _version(self, part: Entry) -> object:
        # Only Redis knows it without looking. What is no row has none.
        return part.version if part.version is not None else getattr(self.items.value(part), "version", None)

    def compose(self, refs: Refs, parts: Sequence[Entry]) -> Entry:
        """Return the list; its items are decoded when somebody wants more than the body."""
        body = b'{"count":%d,"results":[%b]}' % (refs.count, b",".join([part.body for part in parts]))
        return Entry(body, parts=tuple(parts))

    def refs(self, listed: Entry) -> Refs:
        """Return what a list's own value says."""
        refs: Refs = super().value(listed)  # type: ignore[assignment]
        return refs

    def value(self, entry: Entry) -> Listing[S]:
        """Return the list."""
        if entry.value is UNDECODED:
            count = int(entry.body[_COUNT_FROM : entry.body.index(b",")])
            items: Any = [self.items.value(part) for part in entry.parts]
            listing: Listing[S] = Listing(count=count, results=tuple(items))
            if runtime.local is None:
                entry.value = listing
            else:
                runtime.local.decoded(entry, listing)
            return listing
        value: Listing[S] = entry.value
        return value

    def life(self, entry: Entry, listed: Entry) -> Lifetime:
        """Return how long a list may be kept: what it is made of has its age, and it must not outlive that."""
        end = min([listed.expires, *[part.expires for part in entry.parts]])
        left = end - runtime.clock.now()
        return Lifetime(left, left + self.stale_for, 0.0, left)


class _Composing(Reading):
    """A read of lists: each is composed of its own value and its items, and kept as a whole in local memory."""

    kind = "list"
    # Redis has a list's own value, of which it is composed.
    finds_directly = False

    _region: ListRegion[Any]

    def _obtain(self, keys: list[Key], dirty: set[Key], patient: bool) -> Steps[dict[Key, Seat]]:
        barred = dirty | self._note(keys)
        self._find_expired([key for key in keys if key not in barred])
        handed_over = {} if patient else self._hand_over(list(self._expired))
        for key in keys:
            if key not in handed_over:
                yield from self._compose_or_stand_in(key, may_keep=key not in barred)
        return handed_over

    def _refresh(self, keys: list[Key]) -> Steps[None]:
        self._region.counters.refreshed += len(keys)
        for key in keys:
            yield from self._compose(key, may_keep=True)

    def _compose_or_stand_in(self, key: Key, *, may_keep: bool) -> Steps[None]:
        try:
            yield from self._compose(key, may_keep=may_keep)
        except DatabaseTrouble:
            if key not in self._expired:
                raise
            self._stand_in(key)

    def _compose(self, key: Key, *, may_keep: bool) -> Steps[None]:
        region, scratch = self._region, Counters()
        reads = [Reading(region, [key], counters=scratch, local=False)]
        try:
            listed = (yield from reads[0].steps())[key]
            refs = region.refs(listed)
            keys = region.item_keys(key, refs)
            reads.append(Reading(region.items, keys, counters=Counters()))
            found = (yield from reads[1].steps()) if refs.items else {}
        except Exception:
            for each in reads:
                if each.shared_error is not None:
                    self._errors[key] = each.shared_error
            raise
        parts = [found[each] for each in keys]
        outdated = region.outdated(refs, parts)
        if outdated:
            self._entries[key] = yield from region.mended(key, refs, parts, outdated)
            # Who knows in which transaction that was read.
            self._private.add(key)
        else:
            entry = self._entries[key] = region.compose(refs, parts)
            kept = may_keep and all(part.may_be_kept for part in (listed, *parts))
            if any(part.stale for part in (listed, *parts)):
                entry.may_be_kept = kept
                self._entries[key] = entry.stand_in()
                self._counters.stale += 1
            elif kept:
                self._keep(key, entry, region.life(entry, listed))
            if any(each.is_private for each in reads):
                self._private.add(key)
        self._tally(key, scratch, loaded=any(each.loaded for each in reads))

    def _tally(self, key: Key, scratch: Counters, *, loaded: bool) -> None:
        # The items' reads are no requests of their own; the list is answered by a tier if no part needed the database.
        counters = self._counters
        for name in ("bypassed", "refused", "rejected", "errors"):
            setattr(counters, name, getattr(counters, name) + getattr(scratch, name))
        if loaded:
            self.loaded = True
            self._from_database.add(key)
            counters.misses += 1
        else:
            counters.redis_hits += 1
