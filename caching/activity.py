"""What this process has just read and written: hot paths leave a note, and the observer makes sense of it later."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from caching.clock import Clock
from caching.keys import Key, Scope
from caching.registry import registry
from caching.tiers.entry import LocalKey

__all__ = ["Activity", "Batch"]

T = TypeVar("T")

# A queue that nobody empties, or not in time, forgets its oldest notes: they are samples.
_MOST_NOTES: Final = 4096


class Batch(msgspec.Struct, frozen=True):
    """What happened in `seconds`, by key.

    `hits` are local hits, estimated: some are noted, and together they are as many as the regions have counted.
    `found` are reads that Redis answered, `missed` those that the database did; `written` are keys that writers of this
    process have made stale, `widened` (region, organisation) of which they have made all stale.
    `noticed` are first hits on values that nobody had asked for when they were loaded: what prediction loaded, and
    items of lists that other regions follow.
    """

    seconds: float
    hits: Mapping[LocalKey, float]
    found: Mapping[LocalKey, int]
    missed: Mapping[LocalKey, int]
    noticed: Mapping[LocalKey, int]
    written: Mapping[LocalKey, int]
    widened: Mapping[tuple[str, str], int]

    def reads(self) -> dict[LocalKey, float]:
        """Return how often each key was read, whoever answered."""
        reads: dict[LocalKey, float] = dict(self.hits)
        for more in (self.found, self.missed):
            for key, count in more.items():
                reads[key] = reads.get(key, 0) + count
        return reads


class Activity:
    """Bounded queues of keys. Who appends takes no lock and looks at nothing: a hit pays for no more than that."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.hits: deque[LocalKey] = deque(maxlen=_MOST_NOTES)
        self.found: deque[LocalKey] = deque(maxlen=_MOST_NOTES)
        self.missed: deque[LocalKey] = deque(maxlen=_MOST_NOTES)
        self.noticed: deque[LocalKey] = deque(maxlen=_MOST_NOTES)
        self.written: deque[Key | Scope] = deque(maxlen=_MOST_NOTES)
        self._since = clock.now()
        self._counted: dict[str, int] = {}

    def take(self) -> Batch:
        """Return what was noted since the last call."""
        now = self._clock.now()
        seconds, self._since = now - self._since, now
        written = _taken(self.written)
        return Batch(
            seconds=seconds,
            hits=self._scaled(Counter(_taken(self.hits))),
            found=Counter(_taken(self.found)),
            missed=Counter(_taken(self.missed)),
            noticed=Counter(_taken(self.noticed)),
            written=Counter(item.local for item in written if isinstance(item, Key)),
            widened=Counter((item.region, item.org) for item in written if isinstance(item, Scope)),
        )

    def _scaled(self, sampled: Counter[LocalKey]) -> dict[LocalKey, float]:
        samples: Counter[str] = Counter()
        for key, count in sampled.items():
            samples[key[0]] += count
        factors = {}
        for name, region in registry.regions.items():
            counted = region.counters.local_hits
            # Counters begin anew when the settings change.
            more = counted - min(self._counted.get(name, 0), counted)
            if samples[name]:
                factors[name] = more / samples[name]
            if samples[name] or not more:
                self._counted[name] = counted
        return {key: count * factors.get(key[0], 1.0) for key, count in sampled.items()}


def _taken(queue: deque[T]) -> list[T]:
    return [queue.popleft() for _ in range(len(queue))]
