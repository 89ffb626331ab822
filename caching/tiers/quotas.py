"""How much of local memory one region or one organisation may hold: those who hold more lose entries of their own."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping
from typing import Any, Final

from caching.conf import conf
from caching.tiers.entry import Entry, LocalKey
from caching.tiers.folded import (
    FOLDED_BYTES,
    PLACE_OF_ORG,
    PLACE_OF_REGION,
    FoldedEntries,
    org_mark,
    org_number,
    org_number_of,
)
from caching.tiers.sieve import Sieve

__all__ = ["FOLDED", "LARGE", "ORG", "REGION", "SMALL", "Holder", "Quotas"]

#: Where a key in local memory has the region and the organisation.
REGION: Final = 0
ORG: Final = 2

#: How an entry is held: as a record, expanded though it may be folded, or expanded as it may not.
FOLDED, SMALL, LARGE = range(3)

# Organisations share this many counters, at 12 bytes; each is counted for itself from that part of its quota on. With a
# share of a thousandth, the least that is sensible, that part is four times what a counter holds on average.
_COUNTERS: Final = 16_384
_LOOKED_AT: Final = 4
# Those whose counter has fallen to this part are no longer counted for themselves.
_FORGOTTEN_AT: Final = 16

_NO_LIMIT: Final = sys.maxsize


class Holder:
    """What one region (`place` is `REGION`) or organisation (`ORG`) holds, by kind, and what it may.

    `hand` is the bucket of the last record that went for it; `hands` are the keys of the small and the large entry at
    which the search for the next one goes on.
    """

    __slots__ = ("bytes", "bytes_by_kind", "entries", "entries_by_kind", "hand", "hands", "most", "name", "place")

    def __init__(self, place: int, name: str, most_bytes: int, most_entries: int) -> None:
        self.place = place
        self.name = name
        self.most = most_bytes, most_entries
        self.reset()

    def reset(self) -> None:
        self.bytes = self.entries = 0
        self.bytes_by_kind = [0, 0, 0]
        self.entries_by_kind = [0, 0, 0]
        self.hand = 0
        self.hands: dict[int, LocalKey] = {}

    def add(self, kind: int, entries: int, size: int) -> None:
        self.entries += entries
        self.bytes += size
        self.entries_by_kind[kind] += entries
        self.bytes_by_kind[kind] += size

    def owns(self, entry: Entry) -> bool:
        return bool(entry.key[self.place] == self.name)

    def pop_folded(self, folded: FoldedEntries, spared: bytes | None) -> bytes | None:
        """Remove one of its records, but not the one spared, and return it."""
        if self.place == ORG:
            place: int = PLACE_OF_ORG
            marks: tuple[bytes, ...] = (org_mark(self.name),)
        else:
            place, marks = PLACE_OF_REGION, folded.marks_of(self.name)
        record, self.hand = folded.pop_marked(place, marks, self.hand, spared)
        return record

    def victim(self, kind: int, sieve: Sieve, entries: Mapping[LocalKey, Entry], spared: Entry | None) -> Entry | None:
        """Return its small or large entry to go next, but not the one spared; it stays until it is removed."""
        hand = entries.get(self.hands.get(kind, ()))
        if hand is not None and hand.may_fold is not (kind == SMALL):
            # It stands in the other queue by now.
            hand = None
        victim = sieve.victim_among(self.owns, hand, spared)
        if victim is not None and victim.newer is not None:
            self.hands[kind] = victim.newer.key
        else:
            self.hands.pop(kind, None)
        return victim

    @property
    def is_over(self) -> bool:
        most_bytes, most_entries = self.most
        return self.bytes > most_bytes or self.entries > most_entries

    def kinds_to_evict(self) -> Iterator[int]:
        """Yield the kinds it has, the one to give way first: as when all is short, the larger half, folded ones first.

        Few records among many of others are not looked for, as long as there are enough expanded ones.
        """
        is_short_of_entries = self.entries > self.most[1]
        all_of, by_kind = (
            (self.entries, self.entries_by_kind) if is_short_of_entries else (self.bytes, self.bytes_by_kind)
        )
        if 2 * by_kind[LARGE] > all_of:
            yield LARGE
        if 4 * by_kind[FOLDED] >= all_of and self.entries_by_kind[FOLDED]:
            yield FOLDED
        if self.entries_by_kind[SMALL]:
            yield SMALL
        if self.entries_by_kind[FOLDED]:
            yield FOLDED
        if self.entries_by_kind[LARGE]:
            yield LARGE


class Quotas:
    """Who holds how much of local memory. Whoever uses it holds the tier's lock.

    Regions with a quota are counted exactly. Organisations may be as many as entries, so they share a fixed array of
    counters by a hash of their names, which hold at least what each of them does. Only one whose counter has reached
    a quarter of its quota is counted for itself: exactly, by one walk over all there is, and from then on.

    `of_orgs` says whether organisations have a quota; without one they are not counted.
    """

    def __init__(
        self, regions: Mapping[str, tuple[int | None, int | None]], org_limits: tuple[int, int] | None
    ) -> None:
        self._regions = {
            name: Holder(REGION, name, _limit(most_bytes), _limit(most_entries))
            for name, (most_bytes, most_entries) in regions.items()
        }
        self.of_orgs = org_limits is not None
        self._org_limits = org_limits or (_NO_LIMIT, _NO_LIMIT)
        self._orgs: dict[int, Holder] = {}
        self._counted_bytes = array("q")
        self._counted_entries = array("i")
        self.clear()

    @classmethod
    def from_settings(cls) -> Quotas | None:
        """Return the quotas of the project's settings, or None when it has none."""
        regions = {
            name: limits
            for name, options in conf.REGIONS.items()
            if (limits := (options.get("local_max_bytes"), options.get("local_max_entries"))) != (None, None)
        }
        share = conf.LOCAL_ORG_SHARE
        if share >= 1:
            return cls(regions, None) if regions else None
        # One entry at least, however small the share.
        return cls(regions, (int(conf.LOCAL_MAX_BYTES * share), max(1, int(conf.LOCAL_MAX_ENTRIES * share))))

    def clear(self) -> None:
        """Nobody holds anything."""
        for holder in self._regions.values():
            holder.reset()
        self._orgs.clear()
        if self.of_orgs:
            self._counted_bytes = array("q", bytes(8 * _COUNTERS))
            self._counted_entries = array("i", bytes(4 * _COUNTERS))

    def account(self, region: str, whose: Entry | bytes, entries: int, size: int) -> None:
        """Count so many entries and bytes more, or less, of the region and the organisation of an entry or record."""
        kind = FOLDED if isinstance(whose, bytes) else SMALL if whose.may_fold else LARGE
        holder = self._regions.get(region)
        if holder is not None:
            holder.add(kind, entries, size)
        if self.of_orgs:
            number = org_number_of(whose) if isinstance(whose, bytes) else org_number(whose.key[ORG])
            index = number % len(self._counted_bytes)
            self._counted_bytes[index] += size
            self._counted_entries[index] += entries
            holder = self._orgs.get(number)
            if holder is not None:
                holder.add(kind, entries, size)

    def most_bytes(self, key: LocalKey) -> int:
        """Return how many bytes one entry of that key may have."""
        holder = self._regions.get(key[REGION])
        of_org = self._org_limits[0]
        return of_org if holder is None else min(holder.most[0], of_org)

    def over(self, key: LocalKey, entries: Mapping[LocalKey, Entry], folded: FoldedEntries) -> Iterator[Holder]:
        """Yield the region and the organisation of a key if they hold more than they may, of all that is held."""
        holder = self._regions.get(key[REGION])
        if holder is not None and holder.is_over:
            yield holder
        if self.of_orgs:
            number = org_number(key[ORG])
            holder = self._orgs.get(number)
            if holder is None and self._counts(number, _LOOKED_AT):
                holder = self._count(key[ORG], entries, folded)
            if holder is not None and holder.is_over:
                yield holder

    def largest_orgs(self, most: int) -> list[tuple[str, int, int]]:
        """Return the organisations that hold most, of those counted for themselves: (name, bytes, entries)."""
        holders = sorted(self._orgs.values(), key=lambda holder: holder.bytes, reverse=True)
        return [(holder.name, holder.bytes, holder.entries) for holder in holders[:most] if holder.entries]

    def _counts(self, number: int, part: int) -> bool:
        # Whether the counter has reached that part of what one organisation may hold.
        most_bytes, most_entries = self._org_limits
        index = number % len(self._counted_bytes)
        return part * self._counted_bytes[index] >= most_bytes or part * self._counted_entries[index] >= most_entries

    def _count(self, org: str, entries: Mapping[LocalKey, Entry], folded: FoldedEntries) -> Holder:
        for number in [number for number in self._orgs if not self._counts(number, _FORGOTTEN_AT)]:
            del self._orgs[number]
        holder = self._orgs[org_number(org)] = Holder(ORG, org, *self._org_limits)
        for entry in entries.values():
            if holder.owns(entry):
                holder.add(SMALL if entry.may_fold else LARGE, 1, entry.size)
        for record in folded.marked(PLACE_OF_ORG, org_mark(org)):
            holder.add(FOLDED, 1, FOLDED_BYTES + len(record))
        return holder


def _limit(most: Any) -> int:
    return _NO_LIMIT if most is None else int(most)
