"""Times to live that follow what is seen of each key: how often its value changes, and how often it is read."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from caching.activity import Batch
from caching.conf import conf
from caching.observer import Consumer
from caching.runtime import runtime
from caching.tiers.entry import LocalKey

if TYPE_CHECKING:
    from caching.tuning import Bounds, Tuned

__all__ = ["Adaptive", "Lives", "TtlReport", "adapted_ttl", "ttl_report"]

#: How many keys of each region have which time to live (seconds, rounded).
Lives = dict[str, dict[float, int]]

# A record takes some 300 bytes; of keys that are loaded more rarely than so many others nothing is known.
_MOST_KEYS: Final = 10_000
# What was seen counts half with each load that follows: the last two or three lives of a value decide.
_MEMORY: Final = 0.5
# An absence of hours tells no more than one of so many times the longest life.
_LONGEST_LIVES: Final = 2
# A key of which it is likelier than this that nobody reads it within the longest life is not worth keeping.
_UNREAD: Final = 0.5


class _Record(msgspec.Struct, gc=False):
    """One key: when (clock's `now`) and what it was last, and what was seen of it, discounted."""

    region: str
    loaded: float
    digest: int
    changes: float
    reads: float
    seconds: float
    ttl: float


class TtlReport(msgspec.Struct, frozen=True, kw_only=True):
    """The times to live, in seconds, that so many keys of a region were given by who loaded them last, and why.

    `adaptive` is False for money. `least`, `median` and `most` are those in use, within `bounds`; the declared time as
    long as no key was loaded. They are Redis' when there is one, and local memory's else.
    """

    adaptive: bool
    least: float
    median: float
    most: float
    bounds: Bounds
    keys: int
    raised: int
    lowered: int
    why: str


def adapted_ttl(
    declared: float, bounds: Bounds, *, changes: float, reads: float, seconds: float, may_lower: bool
) -> float:
    """Return how many seconds a value may live, of which so much was seen in so many seconds.

    Changes and reads are taken for Poisson, each rate with a Gamma prior of one event in the `declared` time, so the
    times to the next ones are Lomax distributed. A value lives for the median time to its next change: as long as it is
    likelier than not that it is still right, even if nobody could say so. Without a change seen that is as long as it
    was watched, and the declared time: the Alex protocol (Cate, 1992). It is not lowered for changes, of which every
    reader is told anyway.

    What is likelier not to be read within the longest life than to be lives for the least time if that `may_lower` it,
    and else for the declared one: long lives are for those who come back.
    """
    least, most = bounds
    usual = min(max(declared, least), most)
    watched = declared + seconds
    if (watched / (watched + most)) ** (1 + reads) > _UNREAD:
        return least if may_lower else usual
    return min(most, max(usual, watched * (2 ** (1 / (1 + changes)) - 1)))


class Adaptive(Consumer):
    """What this process has seen of the keys it loaded last, of all regions together, and their times to live.

    A load tells whether the value is another one since the last, and that it is wanted. The observer adds hits. With
    each load what was seen before counts half: rates change (exponential forgetting, as Kulhavý and Zarrop, 1993).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By the hash of the key: no part of a key is kept, and two that collide share a time to live.
        self._records: OrderedDict[int, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def loaded(self, region: Tuned, key: LocalKey, body: bytes, declared: float) -> float:
        """Return how long a value may live that was just loaded, instead of the `declared` seconds."""
        now, name, digest = runtime.clock.now(), hash(key), hash(body)
        bounds = region.bounds_of(declared)
        with self._lock:
            record = self._records.get(name)
            if record is None:
                record = self._records[name] = _Record(region.name, now, digest, 0.0, 0.0, 0.0, declared)
                if len(self._records) > _MOST_KEYS:
                    self._records.popitem(last=False)
            else:
                self._records.move_to_end(name)
                record.changes = record.changes * _MEMORY + (digest != record.digest)
                record.reads = record.reads * _MEMORY + 1
                record.seconds = record.seconds * _MEMORY + min(now - record.loaded, bounds[1] * _LONGEST_LIVES)
                record.loaded, record.digest = now, digest
            record.ttl = adapted_ttl(
                declared,
                bounds,
                changes=record.changes,
                reads=record.reads,
                seconds=record.seconds,
                # Only Redis frees what has ended; local memory keeps it until somebody looks or room is short.
                may_lower=runtime.redis is not None,
            )
            return record.ttl

    def observe(self, batch: Batch) -> None:
        with self._lock:
            for counts in (batch.hits, batch.found):
                for key, count in counts.items():
                    record = self._records.get(hash(key))
                    if record is not None:
                        record.reads += count

    def lives(self) -> Lives:
        """Return the times to live that this process gave the values of each region last."""
        found: dict[str, Counter[float]] = {}
        with self._lock:
            for record in self._records.values():
                found.setdefault(record.region, Counter())[_rounded(record.ttl)] += 1
        return {region: dict(lives) for region, lives in found.items()}


def ttl_report(region: Tuned, lives: Mapping[float, int]) -> TtlReport | None:
    """Return what operators read of a region's times to live, of which so many values have each.

    None when they are the declared ones.
    """
    if not conf.ADAPTIVE_TTL:
        return None
    declared = _rounded(region.local_ttl if runtime.redis is None else region.redis_ttl)
    if region.money:
        return _report(declared, (declared, declared), {}, f"Money: always {declared:g} s.", adaptive=False)
    bounds = region.bounds_of(declared)
    return _report(declared, bounds, lives, _why(declared, bounds, lives))


def _rounded(seconds: float) -> float:
    # Three digits are all that anybody reads, and make few of many.
    return float(f"{seconds:.3g}")


def _report(
    declared: float, bounds: Bounds, lives: Mapping[float, int], why: str, *, adaptive: bool = True
) -> TtlReport:
    return TtlReport(
        adaptive=adaptive,
        least=min(lives, default=declared),
        median=median(Counter(lives).elements()) if lives else declared,
        most=max(lives, default=declared),
        bounds=bounds,
        keys=sum(lives.values()),
        raised=_raised(declared, lives),
        lowered=_lowered(declared, lives),
        why=why,
    )


def _raised(declared: float, lives: Mapping[float, int]) -> int:
    return sum(count for life, count in lives.items() if life > declared)


def _lowered(declared: float, lives: Mapping[float, int]) -> int:
    return sum(count for life, count in lives.items() if life < declared)


def _why(declared: float, bounds: Bounds, lives: Mapping[float, int]) -> str:
    keys, raised, lowered = sum(lives.values()), _raised(declared, lives), _lowered(declared, lives)
    if not keys:
        return f"Nothing was loaded yet: {declared:g} s."
    said = []
    if raised:
        said.append(
            f"{raised / keys:.0%} of the keys were read again and had not changed: "
            f"raised to {max(lives):.0f} s at most (bound: {bounds[1]:g} s)"
        )
    if lowered:
        said.append(f"{lowered / keys:.0%} were hardly read again: lowered to {min(lives):g} s")
    if raised + lowered < keys:
        share = 1 - (raised + lowered) / keys
        said.append(f"{share:.0%} changed too often, or were seen too little: {declared:g} s as declared")
    return "; ".join(said) + "."
