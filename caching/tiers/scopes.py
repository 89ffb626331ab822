"""The epochs that this process knows of scopes: those of a few as they were learnt, the others as packed records."""

from __future__ import annotations

import threading
from struct import Struct
from typing import Final, NamedTuple

from caching.keys import Scope
from caching.stamps import Slots
from caching.tiers.packed import PackedRecords

__all__ = ["KnownEpochs", "ScopeEpochs"]

# A reader needs those of each organisation that is busy at the moment, in a few regions.
_MOST_UNPACKED: Final = 1024
# One in so many that are found packed is not packed from then on: those that are asked for often.
_FINDS_TO_UNPACK: Final = 16

# Digest, length, number of what is common to many scopes, slot of the scope, sum of the stamps of scope and region (see
# `FoldedEntries`); then the organisation's epoch.
_LAYOUT: Final = Struct("<16sHHHQ")
_STAMP_MASK: Final = 2**64 - 1
_MOST_NUMBERS: Final = 2**16


class KnownEpochs(NamedTuple):
    """The epochs that clears change, as one server process had them, and the stamps noted before they were read.

    `upper` are those of everything, the region and the organisation. Of slots and stamps those of scope and region
    matter: a clear changes no others.
    """

    run_id: bytes
    upper: tuple[bytes, ...]
    slots: Slots
    stamps: tuple[int, int, int]


class ScopeEpochs:
    """Known epochs by scope. Who looks takes no lock. `values` are the host's stamps."""

    def __init__(self, values: memoryview) -> None:
        self._values = values
        self._lock = threading.Lock()
        self._unpacked: dict[Scope, KnownEpochs] = {}
        self._packed = _PackedEpochs()
        self._found_packed = 0

    def __len__(self) -> int:
        """How many scopes there are; some, which are packed no more, are counted twice."""
        return len(self._unpacked) + self._packed.count

    def get(self, scope: Scope) -> KnownEpochs | None:
        """Return the epochs, unless a clear has changed the stamps they were learnt under."""
        known = self._unpacked.get(scope)
        if known is None:
            return self._unpack(scope) if self._packed.count else None
        values = self._values
        _, scope_slot, region_slot = known.slots
        _, scope_stamp, region_stamp = known.stamps
        return known if values[scope_slot] == scope_stamp and values[region_slot] == region_stamp else None

    def put(self, scope: Scope, known: KnownEpochs) -> None:
        """Remember the epochs."""
        with self._lock:
            self._unpacked[scope] = known
            if len(self._unpacked) > _MOST_UNPACKED:
                oldest = next(iter(self._unpacked))
                self._pack(oldest, self._unpacked[oldest])
                # Only now: a record of older epochs is replaced.
                del self._unpacked[oldest]

    def _pack(self, scope: Scope, known: KnownEpochs) -> None:
        if self._packed.is_full:
            # They are learnt again, each with the next read of its scope.
            self._packed = _PackedEpochs()
        record = self._packed.pack(scope, known)
        if record is not None:
            self._packed.put(record)

    def _unpack(self, scope: Scope) -> KnownEpochs | None:
        packed = self._packed
        record = packed.find((scope.region, scope.org))
        known = packed.unpack(record, self._values) if record is not None else None
        if known is not None:
            self._found_packed += 1
            if not self._found_packed % _FINDS_TO_UNPACK:
                self.put(scope, known)
        return known


class _Common(NamedTuple):
    """What many scopes have in common: the server process, the epochs of everything and of the region, its slot."""

    run_id: bytes
    upper: tuple[bytes, ...]
    region_slot: int


class _PackedEpochs(PackedRecords):
    """Packed records of known epochs."""

    __slots__ = ("_common", "_numbers")

    def __init__(self) -> None:
        super().__init__()
        self._common: list[_Common] = []
        self._numbers: dict[_Common, int] = {}

    @property
    def is_full(self) -> bool:
        """Whether another server process, or another epoch of a region, would find no number."""
        return len(self._common) >= _MOST_NUMBERS

    def pack(self, scope: Scope, known: KnownEpochs) -> bytes | None:
        """Return the record of a scope's epochs, to be put; None when it is named by unusual types."""
        digest = self.digest((scope.region, scope.org))
        if digest is None:
            return None
        *upper, last = known.upper
        _, scope_slot, region_slot = known.slots
        _, scope_stamp, region_stamp = known.stamps
        common = _Common(known.run_id, tuple(upper), region_slot)
        number = self._numbers.get(common)
        if number is None:
            number = self._numbers[common] = len(self._common)
            self._common.append(common)
        stamps = (scope_stamp + region_stamp) & _STAMP_MASK
        return _LAYOUT.pack(digest, _LAYOUT.size + len(last), number, scope_slot, stamps) + last

    def unpack(self, record: bytes, values: memoryview) -> KnownEpochs | None:
        """Return the epochs; None when a stamp has changed. The slot and the stamp of the key itself are not kept."""
        _, _, number, scope_slot, stamps = _LAYOUT.unpack_from(record)
        common = self._common[number]
        noted = values[scope_slot], values[common.region_slot]
        if sum(noted) & _STAMP_MASK != stamps:
            return None
        slots = Slots(scope_slot, scope_slot, common.region_slot)
        return KnownEpochs(common.run_id, (*common.upper, record[_LAYOUT.size :]), slots, (noted[0], *noted))
