"""The host's stamps: one 8-byte store tells every worker process of the host that a key is stale."""

from __future__ import annotations

import mmap
import secrets
import threading
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from caching.clock import Clock
from caching.conf import conf
from caching.errors import HostFileError
from caching.hostfile import BLOCKS, HEADER_BYTES, HostFile, host_file_path
from caching.keys import Key, Scope

__all__ = ["SLOTS", "Slots", "Stamps", "key_name_slot", "region_slot", "scope_name_slot", "scope_slot", "slots_of"]

SLOTS: Final = 65_536
_RECORDS: Final = 64
_STAMP_BYTES: Final = SLOTS * 8
_TABLE_BYTES: Final = BLOCKS * _RECORDS * 8
_SLOT_BITS: Final = 16


class Slots(NamedTuple):
    """Where the stamps of one key stand: its own, its organisation's in the region, its region's."""

    key: int
    scope: int
    region: int


def _slot(name: str) -> int:
    # Python's own hash differs between processes.
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()[:2], "little")


def key_name_slot(name: str) -> int:
    """Return the own slot of the key with that `name`."""
    return _slot("k:" + name)


# One organisation's keys share them.
@lru_cache(maxsize=512)
def scope_name_slot(name: str) -> int:
    """Return the slot of the scope with that `name`."""
    return _slot("s:" + name)


def scope_slot(scope: Scope) -> int:
    return scope_name_slot(scope.name)


@lru_cache(maxsize=512)
def region_slot(region: str) -> int:
    return _slot("r:" + region)


def slots_of(key: Key) -> Slots:
    """Return the slots that make a copy of `key` stale when one of them changes."""
    return Slots(key_name_slot(key.name), scope_slot(key.scope), region_slot(key.region))


def _record(deadline: float, slot: int) -> int:
    return int(deadline * 1000) << _SLOT_BITS | slot


class Stamps:
    """65,536 random 64-bit stamps and a table of pending writers, in a file shared by the host's processes.

    A copy in local memory is valid only while its slots hold the stamps it was filled under. A writer takes records
    (`pend`), then changes the stamps (`bump`), commits, changes them again and gives the records back; a reader notes
    the stamps, then asks whether records stand, then loads. `docs/decisions.md` says which orders fail and how.
    """

    def __init__(self, clock: Clock, *, shared: bool = True) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._free: deque[int] = deque()
        self._blocks_without_file = 0
        self._file: HostFile | None = None
        stamps = secrets.token_bytes(_STAMP_BYTES)
        if shared:
            self._file = HostFile(
                host_file_path("stamps"), layout=b"stamps1", size=_STAMP_BYTES + _TABLE_BYTES, fill=stamps
            )
            content = self._file.view[HEADER_BYTES:]
            self._claims = self._file.claims
        else:
            content = memoryview(mmap.mmap(-1, _STAMP_BYTES + _TABLE_BYTES))
            self._claims = memoryview(bytearray(BLOCKS))
            content[:_STAMP_BYTES] = stamps
        #: The stamps themselves; read by index on every local hit.
        self.values = content[:_STAMP_BYTES].cast("Q")
        self._table = content[_STAMP_BYTES:].cast("Q")

    # --- stamps -------------------------------------------------------------------------------------------------------

    def note(self, slots: Slots) -> tuple[int, int, int]:
        """Return the stamps now in the slots."""
        values = self.values
        return values[slots.key], values[slots.scope], values[slots.region]

    def bump(self, slots: Iterable[int]) -> None:
        """Make every copy under these slots stale, in all processes of the host, at once."""
        values = self.values
        for slot in slots:
            # A random stamp, not a counter: no lock is needed and none ever returns.
            values[slot] = secrets.randbits(64)

    # --- pending writers ----------------------------------------------------------------------------------------------

    def pend(self, slots: Iterable[int]) -> list[int]:
        """Announce a writer of these slots; returns the records to give back with `unpend`.

        A record runs out after `MARK_SECONDS`, so a writer that was killed delays nobody longer.
        Raises `HostFileError` when the table is full.
        """
        deadline = self._clock.now() + conf.MARK_SECONDS
        taken: list[int] = []
        try:
            for slot in slots:
                record = self._take()
                taken.append(record)
                self._table[record] = _record(deadline, slot)
        except HostFileError:
            self.unpend(taken)
            raise
        return taken

    def renew(self, records: Iterable[int]) -> None:
        """Let records that are still held run out `MARK_SECONDS` from now."""
        deadline = self._clock.now() + conf.MARK_SECONDS
        for record in records:
            self._table[record] = _record(deadline, self._table[record] & (SLOTS - 1))

    def unpend(self, records: Iterable[int]) -> None:
        """Give records back: the writer has changed the stamps after its commit."""
        with self._lock:
            for record in records:
                self._table[record] = 0
                self._free.append(record)

    def leave(self, records: Iterable[int]) -> None:
        """Let records run out by themselves: nobody knows whether their commit arrived."""
        with self._lock:
            self._free.extend(records)

    def is_pending(self, slots: Slots) -> bool:
        """Whether a writer of the key, its scope or its region is between its mark and the end of its commit."""
        return bool(self.pending_slots().intersection(slots))

    def pending_slots(self) -> set[int]:
        """Return the slots of all writers that are under way on this host."""
        # As `HostFile.claimed_blocks`. Almost always nothing is pending: counting bytes costs far less than looking.
        raw = self._table[: (self._claims.tobytes().rfind(b"\1") + 1) * _RECORDS].tobytes()
        if raw.count(b"\0") == len(raw):
            return set()
        now = int(self._clock.now() * 1000)
        records = memoryview(raw).cast("Q")
        return {record & (SLOTS - 1) for record in records if record >> _SLOT_BITS > now}

    def _take(self) -> int:
        with self._lock:
            while True:
                now = int(self._clock.now() * 1000)
                for _ in range(len(self._free)):
                    record = self._free.popleft()
                    # A killed predecessor's commit, or one of ours whose outcome is unknown, may be on its way still.
                    if self._table[record] >> _SLOT_BITS <= now:
                        return record
                    self._free.append(record)
                self._claim()

    def _claim(self) -> None:
        if self._file is not None:
            block = self._file.claim_block()
        elif self._blocks_without_file < BLOCKS:
            block = self._blocks_without_file
            self._blocks_without_file += 1
            self._claims[block] = 1
        else:
            raise HostFileError(f"More than {BLOCKS * _RECORDS} keys are being written at once.")
        self._free.extend(range(block * _RECORDS, (block + 1) * _RECORDS))

    # --- the file -----------------------------------------------------------------------------------------------------

    def is_current(self) -> bool:
        """Whether other processes that start now would share these stamps (somebody may have removed the file)."""
        return self._file is None or self._file.is_current()

    def after_fork_in_child(self) -> bool:
        """Whether these stamps still serve: in a file, locks and records are the parent's, and the child opens it anew.

        Memory without a file has no other name, and stays shared with the parent.
        """
        self._lock = threading.Lock()
        return self._file is None
