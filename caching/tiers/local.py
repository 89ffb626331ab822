"""Local memory: bounded, shared by all threads of the process, valid only under the host's stamps."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from caching.clock import Clock
from caching.conf import conf
from caching.keys import Scope
from caching.stamps import Stamps
from caching.tiers.entry import UNDECODED, Entry, LocalKey
from caching.tiers.folded import FOLDED_BYTES, FoldedEntries
from caching.tiers.quotas import FOLDED, SMALL, Holder, Quotas
from caching.tiers.scopes import KnownEpochs, ScopeEpochs
from caching.tiers.sieve import Sieve

__all__ = ["UNDECODED", "Entry", "KnownEpochs", "LocalKey", "LocalTier"]

# Entry object, dictionary slot, key tuple: measured on CPython 3.11.
_ENTRY_BYTES: Final = 650
# A decoded snapshot takes about this many times the bytes of its JSON.
_SNAPSHOT_FACTOR: Final = 3

# Entries that may be folded are kept expanded, ready for a hit of a microsecond, up to this many ...
_MOST_EXPANDED: Final = 1024
# ... and to this share of the bytes that local memory may hold.
_EXPANDED_SHARE: Final = 8
# Of a larger body an entry's own bytes are a small part.
_MOST_FOLDED_BODY: Final = 512
# One in so many hits on folded entries expands its entry: what is asked for often is soon among the expanded, and a
# walk over all there are drives few of those out.
_HITS_TO_EXPAND: Final = 16

# Epochs of more scopes than this are forgotten together, and learnt again with the next read of each.
_MOST_EPOCHS: Final = 100_000


def _size_of(entry: Entry) -> int:
    body = len(entry.body)
    if entry.parts:
        # It keeps them, though they may be evicted; its own snapshot is made of theirs.
        return _ENTRY_BYTES + body + sum(map(_size_of, entry.parts))
    return _ENTRY_BYTES + body * (1 if entry.value is UNDECODED else 1 + _SNAPSHOT_FACTOR)


class LocalTier:
    """Entries by key. Of many small ones most are folded: packed records, found with a little more work.

    `entries` are the expanded ones. It is read directly by the regions' hit path, which checks clock and stamps itself;
    everything else goes through the methods. `folded` are the others; a key is in one of both. `bytes`, `bytes_of` and
    `entries_of` count both. After `trusted_until`, by the clock's `now`, the file of stamps must be looked at again.

    When room is short, whichever has more of what is short gives way: the large entries or all the small ones, of which
    the folded go first. A region or an organisation that has more than its quota gives way by itself, and before that.
    Who looks, without a lock, may find an entry in neither place while it moves: that is a miss.
    """

    def __init__(self, clock: Clock, stamps: Stamps) -> None:
        self.clock = clock
        self.stamps = stamps
        # One look-up less on every hit.
        self.now = clock.now
        self.values = stamps.values
        self.entries: dict[LocalKey, Entry] = {}
        self._quotas = Quotas.from_settings()
        self.folded = self._no_folded()
        self.trusted_until = 0.0
        self.evictions = 0
        self.bytes = 0
        self.bytes_of: Counter[str] = Counter()
        self.entries_of: Counter[str] = Counter()
        self.evictions_of: Counter[str] = Counter()
        self._lock = threading.Lock()
        # Settings that change make another tier.
        self._most_entries: int = conf.LOCAL_MAX_ENTRIES
        self._most_bytes: int = conf.LOCAL_MAX_BYTES
        # The entries by whether they may be folded.
        self._small = Sieve()
        self._large = Sieve()
        self._unfolded = 0
        self._epochs = ScopeEpochs(stamps.values)

    def is_valid(self, entry: Entry) -> bool:
        """Whether the entry is of use and no writer has changed its stamps."""
        values = self.values
        return (
            self.now() < entry.usable
            and values[entry.key_slot] == entry.key_stamp
            and values[entry.scope_slot] == entry.scope_stamp
            and values[entry.region_slot] == entry.region_stamp
        )

    def known_epochs(self, scope: Scope) -> KnownEpochs | None:
        """Return the scope's upper epochs, unless a clear has changed the stamps they were learnt under."""
        return self._epochs.get(scope)

    def learn_epochs(self, scope: Scope, known: KnownEpochs) -> None:
        """Remember the scope's upper epochs."""
        if len(self._epochs) >= _MOST_EPOCHS:
            self._epochs = ScopeEpochs(self.values)
        self._epochs.put(scope, known)

    def put(self, entry: Entry, *, may_fold: bool = False) -> None:
        """Keep a placed entry, unless its stamps have changed already; makes room by evicting others.

        `may_fold` says that the region can tell the snapshot from the body alone.
        """
        self.put_many((entry,), may_fold=may_fold)

    def put_many(self, entries: Iterable[Entry], *, may_fold: bool = False) -> None:
        """Do what `put` does for entries that came together, in less time."""
        values, now = self.values, self.now()
        with self._lock:
            for entry in entries:
                # `is_valid`, whose call would be a tenth of what a batch takes.
                if (
                    now < entry.usable
                    and values[entry.key_slot] == entry.key_stamp
                    and values[entry.scope_slot] == entry.scope_stamp
                    and values[entry.region_slot] == entry.region_stamp
                ):
                    self._put(entry, may_fold)

    def unfold(self, key: LocalKey) -> Entry | None:
        """Return the valid entry of a key whose entry is folded, and drop one that is not valid.

        Its stamps and times are those it had, so nothing lives longer. Most of these entries are for the caller alone.
        """
        # One object throughout: `clear` puts another in its place.
        folded = self.folded
        record = folded.find(key)
        if record is None:
            return None
        entry = folded.unfold(key, record, self.values)
        now = self.now()
        if entry is None or now >= entry.usable:
            with self._lock:
                self._remove_record(record)
            return None
        self._unfolded += 1
        # What is to be loaded anew before its time is expanded at once: that shall happen once.
        if not self._unfolded % _HITS_TO_EXPAND or entry.until <= now < entry.expires:
            with self._lock:
                self._expand(entry, record)
        return entry

    def decoded(self, entry: Entry, value: Any) -> None:
        """Keep the decoded snapshot beside the bytes, unless another thread has done so. May evict entries."""
        if not entry.size:
            # Not kept: nobody counts it.
            entry.value = value
            return
        with self._lock:
            if entry.value is not UNDECODED:
                return
            entry.value = value
            if self.entries.get(entry.key) is entry:
                grown = _size_of(entry) - entry.size
                entry.size += grown
                self._queue(entry).bytes += grown
                self._account(entry.key[0], entry, 0, grown)
                if self._quotas is not None:
                    self._keep_quotas(entry.key)
                self._make_room()

    def discard(self, entry: Entry) -> None:
        """Drop an entry that was found stale or expired."""
        with self._lock:
            if self.entries.get(entry.key) is entry:
                self._drop(entry)
            elif self.folded.count:
                # It may have been folded since; that of any other entry is another record.
                self._remove_record(self.folded.fold(entry))

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self.entries.clear()
            self.folded = self._no_folded()
            if self._quotas is not None:
                self._quotas.clear()
            self._small, self._large = Sieve(), Sieve()
            self.bytes_of.clear()
            self.entries_of.clear()
            self._epochs = ScopeEpochs(self.values)
            self.bytes = 0

    def take_evictions(self) -> Counter[str]:
        """Return how many entries of each region were evicted since the last call: a new tier's count begins at 0."""
        with self._lock:
            taken, self.evictions_of = self.evictions_of, Counter()
        return taken

    def largest_orgs(self, most: int) -> list[tuple[str, int, int]]:
        """Return the organisations that hold most, the largest first: name, bytes, entries.

        Exact, but only those of at least a quarter of their quota are sure to be there; without `LOCAL_ORG_SHARE`
        nobody counts.
        """
        with self._lock:
            return self._quotas.largest_orgs(most) if self._quotas is not None else []

    # --- under the lock: putting, folding and expanding ---------------------------------------------------------------

    def _put(self, entry: Entry, may_fold: bool) -> None:
        body, key, small, quotas = len(entry.body), entry.key, self._small, self._quotas
        size = _size_of(entry)
        most_bytes, most_entries = self._most_bytes, self._most_entries
        if size > most_bytes or most_entries < 1 or (quotas is not None and size > quotas.most_bytes(key)):
            return
        entries, folded = self.entries, self.folded
        previous = entries.get(key)
        if previous is not None:
            # First: it may be the same entry, and stands in the queue that `may_fold` told of.
            self._unlink(previous)
        may_fold = may_fold and body <= _MOST_FOLDED_BODY and entry.may_be_kept and not entry.parts
        record = None
        if may_fold and previous is None and self._is_crowded(size):
            # At once: hits will tell which of so many are worth expanding.
            record = self._put_record(entry)
            may_fold = record is not None
        if record is None:
            entry.may_fold, entry.size = may_fold, size
            self._link(entry)
            if previous is None and folded.count:
                self._remove_record(folded.find(key))
        if quotas is not None:
            self._keep_quotas(key, entry, record)
        if (
            small.count > _MOST_EXPANDED
            or small.bytes * _EXPANDED_SHARE > most_bytes
            or self.bytes > most_bytes
            or len(entries) + folded.count > most_entries
        ):
            self._make_room(spared=entry)

    def _put_record(self, entry: Entry) -> bytes | None:
        folded = self.folded
        record = folded.fold(entry)
        if record is not None:
            previous = folded.put(record)
            if previous is not None:
                self._account(folded.region_of(previous), previous, -1, -FOLDED_BYTES - len(previous))
            self._account(entry.key[0], record, 1, FOLDED_BYTES + len(record))
        return record

    def _remove_record(self, record: bytes | None) -> bool:
        if record is None or not self.folded.remove(record):
            return False
        self._account(self.folded.region_of(record), record, -1, -FOLDED_BYTES - len(record))
        return True

    def _fold(self, entry: Entry) -> None:
        # In this order: who looks meanwhile finds it in one place or the other.
        record = self._put_record(entry)
        self._drop(entry)
        if record is None:
            entry.may_fold = False
            self._link(entry)

    def _expand(self, entry: Entry, record: bytes) -> None:
        # Unless another thread has expanded or replaced it, or it was evicted. A key that is equal, but not of the same
        # types, may be there though this one's record is, too.
        if entry.key in self.entries or not self._remove_record(record):
            return
        entry.size = _ENTRY_BYTES + len(entry.body)
        entry.may_fold = True
        self._link(entry)
        if self._quotas is not None:
            self._keep_quotas(entry.key, entry)
        self._make_room(spared=entry)

    # --- under the lock: room -----------------------------------------------------------------------------------------

    def _is_crowded(self, size: int) -> bool:
        # With one more entry of that size.
        small = self._small
        return small.count >= _MOST_EXPANDED or (small.bytes + size) * _EXPANDED_SHARE > self._most_bytes

    def _make_room(self, spared: Entry | None = None) -> None:
        small, large = self._small, self._large
        most_entries, most_bytes = self._most_entries, self._most_bytes
        while (small.count > _MOST_EXPANDED or small.bytes * _EXPANDED_SHARE > most_bytes) and (
            surplus := small.victim(spared)
        ) is not None:
            self._fold(surplus)
        while True:
            entries = len(self.entries) + self.folded.count
            if entries > most_entries:
                evicted = self._evict(spared, large_first=2 * large.count > entries)
            elif self.bytes > most_bytes:
                evicted = self._evict(spared, large_first=2 * large.bytes > self.bytes)
            else:
                return
            if not evicted:
                return

    def _evict(self, spared: Entry | None, *, large_first: bool) -> bool:
        victim = self._large.victim(spared) if large_first else None
        record = self.folded.pop() if victim is None else None
        if record is None and victim is None:
            victim = self._small.victim(spared) or self._large.victim(spared)
        return self._evicted(record, victim)

    def _keep_quotas(self, key: LocalKey, spared: Entry | None = None, spared_record: bytes | None = None) -> None:
        if self._quotas is not None:
            for holder in self._quotas.over(key, self.entries, self.folded):
                while holder.is_over and self._evict_of(holder, spared, spared_record):
                    pass

    def _evict_of(self, holder: Holder, spared: Entry | None, spared_record: bytes | None) -> bool:
        record = victim = None
        for kind in holder.kinds_to_evict():
            if kind == FOLDED:
                record = holder.pop_folded(self.folded, spared_record)
            else:
                victim = holder.victim(kind, self._small if kind == SMALL else self._large, self.entries, spared)
            if self._evicted(record, victim):
                return True
        return False

    def _evicted(self, record: bytes | None, victim: Entry | None) -> bool:
        if record is not None:
            region = self.folded.region_of(record)
            self._account(region, record, -1, -FOLDED_BYTES - len(record))
        elif victim is not None:
            region = victim.key[0]
            self._drop(victim)
        else:
            return False
        self.evictions += 1
        self.evictions_of[region] += 1
        return True

    # --- under the lock: the books ------------------------------------------------------------------------------------

    def _queue(self, entry: Entry) -> Sieve:
        return self._small if entry.may_fold else self._large

    def _link(self, entry: Entry) -> None:
        self.entries[entry.key] = entry
        (self._small if entry.may_fold else self._large).add(entry)
        self._account(entry.key[0], entry, 1, entry.size)

    def _unlink(self, entry: Entry) -> None:
        self._queue(entry).remove(entry)
        self._account(entry.key[0], entry, -1, -entry.size)

    def _drop(self, entry: Entry) -> None:
        self._unlink(entry)
        del self.entries[entry.key]

    def _no_folded(self) -> FoldedEntries:
        return FoldedEntries(self.clock.now(), with_orgs=self._quotas is not None and self._quotas.of_orgs)

    def _account(self, region: str, whose: Entry | bytes, entries: int, size: int) -> None:
        self.entries_of[region] += entries
        self.bytes_of[region] += size
        self.bytes += size
        if self._quotas is not None:
            self._quotas.account(region, whose, entries, size)
