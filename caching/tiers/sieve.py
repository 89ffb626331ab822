"""Which entry goes when one must: SIEVE (Zhang et al., NSDI 2024)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from caching.tiers.entry import Entry

__all__ = ["Sieve"]


class Sieve:
    """Entries by age, and a hand that walks from the oldest to the newest and spares, once, what was visited.

    A hit costs one store (`entry.visited`): no lock and no reordering. `count` is how many entries there are, `bytes`
    their sizes added up. Whoever changes it holds a lock.
    """

    __slots__ = ("_hand", "_newest", "_oldest", "bytes", "count")

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0
        self._newest: Entry | None = None
        self._oldest: Entry | None = None
        self._hand: Entry | None = None

    def __iter__(self) -> Iterator[Entry]:
        entry = self._oldest
        while entry is not None:
            yield entry
            entry = entry.newer

    def add(self, entry: Entry) -> None:
        """Add an entry as the newest."""
        entry.older, self._newest = self._newest, entry
        if entry.older is None:
            self._oldest = entry
        else:
            entry.older.newer = entry
        self.count += 1
        self.bytes += entry.size

    def remove(self, entry: Entry) -> None:
        """Remove an entry that is here."""
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
        self.count -= 1
        self.bytes -= entry.size

    def victim(self, spared: Entry | None = None) -> Entry | None:
        """Return the entry to go next, which stays until it is removed; None if there is none but the one spared."""
        if self.count == 0 or (self.count == 1 and self._oldest is spared):
            return None
        hand = self._hand or self._oldest
        while hand is not None and (hand.visited or hand is spared):
            hand.visited = False
            hand = hand.newer or self._oldest
        self._hand = hand
        return hand

    def victim_among(
        self, is_one: Callable[[Entry], bool], start: Entry | None, spared: Entry | None = None
    ) -> Entry | None:
        """Return the entry of some that is to go next, as `victim` does, by a hand that stands at `start`.

        The others, and the hand of all, stay as they are.
        """
        entry = start or self._oldest
        # Twice around, for who reads may visit one again meanwhile: then the first it comes to.
        steps = 2 * self.count
        while entry is not None and steps > -self.count:
            steps -= 1
            if entry is not spared and is_one(entry):
                if not entry.visited or steps < 0:
                    return entry
                entry.visited = False
            entry = entry.newer or self._oldest
        return None
