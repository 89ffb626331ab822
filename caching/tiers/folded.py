"""Small entries of local memory as packed records: a sixth of the memory for those that are not asked for always."""

from __future__ import annotations

from math import floor
from struct import Struct
from typing import Final

from caching.tiers.entry import UNDECODED, Entry, LocalKey
from caching.tiers.packed import PackedRecords

__all__ = [
    "FOLDED_BYTES",
    "PLACE_OF_ORG",
    "PLACE_OF_REGION",
    "FoldedEntries",
    "org_mark",
    "org_number",
    "org_number_of",
]

#: What a folded entry takes beside its record: its share of a bucket, and what the allocator cannot use. Measured.
FOLDED_BYTES: Final = 14

# Digest, length, number of the region, slots of key and scope, sum of the stamps, `until`, from there to `expires`,
# `usable`; then, where organisations have quotas, the number of the organisation; then the body.
_LAYOUT: Final = Struct("<16sHHHHQIHI")
_HEAD: Final = _LAYOUT.size
_NUMBER: Final = Struct("<Q")
#: Where a record has the number of its region, and of its organisation.
PLACE_OF_REGION: Final = 18
PLACE_OF_ORG: Final = _HEAD

# Times are counted in ticks since the table was made: 32 bits last for four years.
_TICKS_PER_SECOND: Final = 32
_MOST_TICKS: Final = 2**32 - 1
_MOST_TICKS_TO_EXPIRES: Final = 2**16 - 1

_STAMP_MASK: Final = 2**64 - 1
_ORG_MASK: Final = 2**64 - 1


def org_number(org: str) -> int:
    """Return a number of 64 bits that, in this process, is likely enough to be this organisation's alone."""
    # The interpreter's own keyed hash, which it remembers for each string.
    return hash(org) & _ORG_MASK


def org_mark(org: str) -> bytes:
    """Return what records of that organisation have at `PLACE_OF_ORG`, in a table with organisations."""
    return _NUMBER.pack(org_number(org))


def org_number_of(record: bytes) -> int:
    """Return the number of the organisation whose entry that record was, in a table with organisations."""
    number: int = _NUMBER.unpack_from(record, PLACE_OF_ORG)[0]
    return number


class FoldedEntries(PackedRecords):
    """Packed records of entries: all that an entry has but its snapshot and its key.

    Instead of three stamps a record has their sum, modulo 2**64. A stamp changes to a random number; so, whichever of
    them change, and even if two slots of the key are the same one, the sum is what it was with a probability of 2**-63
    at most. That a single stamp becomes what it was has 2**-64.

    Times are rounded down, to 1/32 of a second: nothing that is folded lives longer for it.

    `with_orgs` says that records tell their organisation, which takes 8 bytes of each.
    """

    __slots__ = ("_birth", "_body", "_end", "_numbers", "_regions", "_with_orgs")

    def __init__(self, now: float, *, with_orgs: bool = False) -> None:
        super().__init__()
        self._with_orgs = with_orgs
        self._body = _HEAD + _NUMBER.size if with_orgs else _HEAD
        # Whole: times that are unfolded and folded again stay the same.
        self._birth = floor(now)
        self._end = self._birth + _MOST_TICKS / _TICKS_PER_SECOND
        self._regions: list[tuple[str, int]] = []
        self._numbers: dict[tuple[str, int], int] = {}

    def fold(self, entry: Entry) -> bytes | None:
        """Return the record of a placed entry without parts, to be put; None when its key is of unusual types."""
        digest = self.digest(entry.key)
        if digest is None:
            return None
        body = entry.body
        number = self._numbers.get((entry.key[0], entry.region_slot))
        if number is None:
            number = self._number(entry.key[0], entry.region_slot)
        stamps = (entry.key_stamp + entry.scope_stamp + entry.region_stamp) & _STAMP_MASK
        birth, until, expires, usable = self._birth, entry.until, entry.expires, entry.usable
        if entry.unasked:
            # Its first hit goes unnoticed, but for an early end of its time it shall not be taken.
            until = expires
        if not birth <= until <= expires <= usable <= self._end:
            usable = min(max(usable, birth), self._end)
            expires = min(max(expires, birth), usable)
            until = min(max(until, birth), expires)
        first = int((until - birth) * _TICKS_PER_SECOND)
        to_expires = int((expires - birth) * _TICKS_PER_SECOND) - first
        if to_expires > _MOST_TICKS_TO_EXPIRES:
            to_expires = _MOST_TICKS_TO_EXPIRES
        last = int((usable - birth) * _TICKS_PER_SECOND)
        slots = entry.key_slot, entry.scope_slot
        if self._with_orgs:
            body = org_mark(entry.key[2]) + body
        return _LAYOUT.pack(digest, _HEAD + len(body), number, *slots, stamps, first, to_expires, last) + body

    def unfold(self, key: LocalKey, record: bytes, stamps: memoryview) -> Entry | None:
        """Return the entry as it was, but for its snapshot; None when one of its stamps has changed."""
        _, _, number, key_slot, scope_slot, stamp_sum, until, to_expires, usable = _LAYOUT.unpack_from(record)
        region_slot = self._regions[number][1]
        key_stamp, scope_stamp, region_stamp = stamps[key_slot], stamps[scope_slot], stamps[region_slot]
        if (key_stamp + scope_stamp + region_stamp) & _STAMP_MASK != stamp_sum:
            return None
        birth = self._birth
        # Nothing that may not be kept is folded.
        return Entry(
            record[self._body :], UNDECODED, (), None, True, key,
            key_slot, scope_slot, region_slot, key_stamp, scope_stamp, region_stamp,
            birth + until / _TICKS_PER_SECOND,
            birth + (until + to_expires) / _TICKS_PER_SECOND,
            birth + usable / _TICKS_PER_SECOND,
        )  # fmt: skip

    def region_of(self, record: bytes) -> str:
        """Return the region whose entry that record was."""
        number: int = _LAYOUT.unpack_from(record)[2]
        return self._regions[number][0]

    def marks_of(self, region: str) -> tuple[bytes, ...]:
        """Return what the records of a region have at `PLACE_OF_REGION`."""
        return tuple(number.to_bytes(2, "little") for number, (name, _) in enumerate(self._regions) if name == region)

    def _number(self, region: str, slot: int) -> int:
        self._regions.append((region, slot))
        return self._numbers.setdefault((region, slot), len(self._regions) - 1)
