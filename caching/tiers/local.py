"""Local memory: bounded, shared by all threads of the process, valid only under the host's stamps."""

from __future__ import annotations

import threading
from collections import Counter
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from caching.clock import Clock
from caching.conf import conf
from caching.keys import Scope
from caching.stamps import Slots, Stamps

__all__ = ["UNDECODED", "Entry", "KnownEpochs", "LocalTier"]

#: Stands for a snapshot nobody has asked for yet: the bytes were enough.
UNDECODED: Final = object()

# Entry object, dictionary slot, key tuple: measured on CPython 3.11.
_ENTRY_BYTES: Final = 600
# A decoded snapshot takes about this many times the bytes of its JSON.
_SNAPSHOT_FACTOR: Final = 3

# Epochs of more scopes than this are forgotten together, and learnt again with the next read of each.
_MOST_EPOCHS: Final = 100_000

LocalKey = tuple[Any, ...]


class Entry:
    """One value: its JSON, its snapshot (decoded at most once) and what it is valid under.

    `until` is the clock's `now` after which it is no plain hit, `expires` that after which it is too old, and `usable`
    that after which it may not even stand in while the database fails. `stale` marks what was handed out as such a
    stand-in. `may_be_kept` says that Redis had or accepted it (or that there is no Redis); `parts` are the entries a
    list is composed of; `visited` belongs to the eviction.
    """

    __slots__ = (
        "_etag", "body", "expires", "key", "key_slot", "key_stamp", "may_be_kept", "newer", "older", "parts",
        "region_slot", "region_stamp", "scope_slot", "scope_stamp", "size", "stale", "until", "usable", "value",
        "visited",
    )  # fmt: skip

    def __init__(self, body: bytes, value: Any = UNDECODED, *, parts: tuple[Entry, ...] = ()) -> None:
        self.body = body
        self.value = value
        self.parts = parts
        self.may_be_kept = False
        self.stale = False
        self._etag: str | None = None
        self.visited = False
        self.size = 0
        self.newer: Entry | None = None
        self.older: Entry | None = None

    @property
    def etag(self) -> str:
        """The strong HTTP entity tag of the body, in quotes."""
        if self._etag is None:
            self._etag = f'"{blake2b(self.body, digest_size=12).hexdigest()}"'
        return self._etag

    def place(
        self,
        key: LocalKey,
        slots: Slots,
        noted: tuple[int, int, int],
        until: float,
        expires: float | None = None,
        usable: float | None = None,
    ) -> None:
        """Bind the entry to its key, to the stamps noted before it was read, and to its times (default: all one)."""
        self.key = key
        self.key_slot, self.scope_slot, self.region_slot = slots
        self.key_stamp, self.scope_stamp, self.region_stamp = noted
        self.until = until
        self.expires = until if expires is None else expires
        self.usable = self.expires if usable is None else usable

    def stand_in(self) -> Entry:
        """Return a copy for a caller who gets no better one: marked stale, never kept."""
        copy = Entry(self.body, self.value, parts=self.parts)
        copy.stale = True
        copy.may_be_kept = self.may_be_kept
        return copy


class KnownEpochs(NamedTuple):
    """The epochs that clears change, as one server process had them, and the stamps noted before they were read.

    `upper` are those of everything, the region and the organisation.
    """

    run_id: bytes
    upper: tuple[bytes, ...]
    slots: Slots
    stamps: tuple[int, int, int]


class LocalTier:
    """Entries by key, evicted by SIEVE (Zhang et al., NSDI 2024): a hit costs one store, no lock and no reordering.

    `entries` is read directly by the regions' hit path, which checks clock and stamps itself; everything else goes
    through the methods. `trusted_until` is the clock's `now` after which the file of stamps must be looked at again.
    """

    def __init__(self, clock: Clock, stamps: Stamps) -> None:
        self.clock = clock
        self.stamps = stamps
        # One look-up less on every hit.
        self.now = clock.now
        self.values = stamps.values
        self.entries: dict[LocalKey, Entry] = {}
        self.trusted_until = 0.0
        self.evictions = 0
        self.bytes = 0
        self.bytes_of: Counter[str] = Counter()
        self.entries_of: Counter[str] = Counter()
        self.evictions_of: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._newest: Entry | None = None
        self._oldest: Entry | None = None
        self._hand: Entry | None = None
        self._epochs: dict[Scope, KnownEpochs] = {}

    def is_valid(self, entry: Entry) -> bool:
        """Whether the entry is of use and no writer has changed its stamps."""
        values = self.stamps.values
        return (
            self.clock.now() < entry.usable
            and values[entry.key_slot] == entry.key_stamp
            and values[entry.scope_slot] == entry.scope_stamp
            and values[entry.region_slot] == entry.region_stamp
        )

    def known_epochs(self, scope: Scope) -> KnownEpochs | None:
        """Return the scope's upper epochs, unless a clear has changed the stamps they were learnt under."""
        known = self._epochs.get(scope)
        if known is None:
            return None
        values = self.stamps.values
        _, scope_slot, region_slot = known.slots
        _, scope_stamp, region_stamp = known.stamps
        return known if values[scope_slot] == scope_stamp and values[region_slot] == region_stamp else None

    def learn_epochs(self, scope: Scope, known: KnownEpochs) -> None:
        """Remember the scope's upper epochs."""
        if len(self._epochs) >= _MOST_EPOCHS:
            self._epochs.clear()
        self._epochs[scope] = known

    def put(self, entry: Entry) -> None:
        """Keep a placed entry, unless its stamps have changed already; makes room by evicting others."""
        if not self.is_valid(entry):
            return
        entry.size = _ENTRY_BYTES + len(entry.body) * (1 if entry.value is UNDECODED else 1 + _SNAPSHOT_FACTOR)
        if entry.size > conf.LOCAL_MAX_BYTES or conf.LOCAL_MAX_ENTRIES < 1:
            return
        with self._lock:
            previous = self.entries.get(entry.key)
            if previous is not None:
                self._unlink(previous)
            self.entries[entry.key] = entry
            entry.older, self._newest = self._newest, entry
            if entry.older is None:
                self._oldest = entry
            else:
                entry.older.newer = entry
            self._account(entry, 1)
            while len(self.entries) > conf.LOCAL_MAX_ENTRIES or self.bytes > conf.LOCAL_MAX_BYTES:
                self._evict(entry)

    def decoded(self, entry: Entry, value: Any) -> None:
        """Keep the decoded snapshot beside the bytes, unless another thread has done so. May evict entries."""
        with self._lock:
            if entry.value is not UNDECODED:
                return
            entry.value = value
            if entry.size and self.entries.get(entry.key) is entry:
                grown = len(entry.body) * _SNAPSHOT_FACTOR
                entry.size += grown
                self.bytes += grown
                self.bytes_of[entry.key[0]] += grown
                while self.bytes > conf.LOCAL_MAX_BYTES:
                    self._evict()

    def discard(self, entry: Entry) -> None:
        """Drop an entry that was found stale or expired."""
        with self._lock:
            if self.entries.get(entry.key) is entry:
                self._unlink(entry)
                del self.entries[entry.key]

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self.entries.clear()
            self.bytes_of.clear()
            self.entries_of.clear()
            self._epochs.clear()
            self.bytes = 0
            self._newest = self._oldest = self._hand = None

    def take_evictions(self) -> Counter[str]:
        """Return how many entries of each region were evicted since the last call: a new tier's count begins at 0."""
        with self._lock:
            taken, self.evictions_of = self.evictions_of, Counter()
        return taken

    # --- SIEVE: a queue by age, and a hand that walks from the oldest to the newest -----------------------------------

    def _evict(self, spared: Entry | None = None) -> None:
        hand = self._hand or self._oldest
        while hand is not None and (hand.visited or hand is spared):
            hand.visited = False
            hand = hand.newer or self._oldest
        if hand is not None:
            self._hand = hand
            self._unlink(hand)
            del self.entries[hand.key]
            self.evictions += 1
            self.evictions_of[hand.key[0]] += 1

    def _unlink(self, entry: Entry) -> None:
        if self._hand is entry:
            self._hand = entry.newer
        if entry.newer is None:
            self._newest = entry.older
        else:
            entry.newer.older = entry.older
        if entry.older is None:
            self._oldest = entry.newer
        else:
            entry.older.newer = entry.newer
        entry.newer = entry.older = None
        self._account(entry, -1)

    def _account(self, entry: Entry, sign: int) -> None:
        region = entry.key[0]
        self.bytes += sign * entry.size
        self.bytes_of[region] += sign * entry.size
        self.entries_of[region] += sign
