"""Loads what will be asked for next before anybody asks, and keeps account of how often that was right."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import msgspec
from django.db import DEFAULT_DB_ALIAS

from caching.activity import Batch
from caching.conf import conf
from caching.following import Follows
from caching.keys import Key
from caching.loading import load_keys
from caching.logs import logger
from caching.observer import Consumer
from caching.odds import Odds, Subject
from caching.registry import registry
from caching.rhythm import expected_reads
from caching.runtime import runtime
from caching.stamps import Slots, slots_of
from caching.tiers.local import Entry, LocalKey, LocalTier

if TYPE_CHECKING:
    from caching.regions import Region

__all__ = ["Prefetcher"]

# Guesses less likely than this cost the database more than they save.
_LEAST_CHANCE: Final = 0.5
# Keys of which it is known that they are read, and whose end is waited for.
_MOST_WATCHED: Final = 2000
# Loads of one round; the others wait for the next, and the observer for no long batch.
_MOST_AT_ONCE: Final = 50
_MINUTE: Final = 60.0
# So long before an hour begins, what it will bring is loaded.
_AHEAD_SECONDS: Final = 300.0
# An organisation that reads less than this in an hour need not be prepared for.
_BUSY_READS: Final = 20.0


class _Watched(msgspec.Struct):
    """A key that was read, or is expected to be.

    Its value is good while `slots` hold `stamps`, until `ends` by the clock's `now`. `guess` is what says that it will
    be asked for, and is not judged yet; None: it was.
    """

    slots: Slots
    stamps: tuple[int, int, int]
    ends: float
    guess: Subject | None = None


class Prefetcher(Consumer):
    """Guesses, loads and judges, once in a round.

    Three guesses: that a value which was read and has become stale or has expired will be read again; that what
    `Follows` something read will be read; and that an organisation that was busy in the same hour of earlier weeks will
    be, so that all it declares as hot is loaded. Guesses are followed while at least half of their kind, region and
    organisation came true, and judged by what happens even when they are not followed: so a guess that becomes right is
    noticed without a load. No more than `PREFETCH_PER_MINUTE` values are loaded in any minute.
    """

    def __init__(self) -> None:
        self._odds = Odds()
        self._watched: OrderedDict[LocalKey, _Watched] = OrderedDict()
        self._spent: deque[tuple[float, int]] = deque()
        self._hour = -1
        self._complaints: set[str] = set()
        #: What is left to be prepared for the hour to come: organisations in regions, and keys of those.
        self._planned: deque[tuple[str, str]] = deque()
        self._prepared: deque[LocalKey] = deque()

    def observe(self, batch: Batch) -> None:
        tier = runtime.local
        if not conf.PREFETCH or tier is None:
            self._watched.clear()
            return
        now = tier.now()
        reads = {*batch.hits, *batch.found, *batch.missed, *batch.noticed}
        self._judge_reads(reads)
        guesses = {**dict(self._ended(tier, now)), **dict(self._following(reads, tier, now))}
        self._watch(reads, tier, now)
        chances = {key: self._odds.chance(guess) for key, guess in guesses.items()}
        wanted = sorted((key for key in chances if chances[key] >= _LEAST_CHANCE), key=lambda key: -chances[key])
        self._load(wanted[: self._left(now)], tier, now)
        self._load(list(self._next_prepared(self._left(now))), tier, now)

    def chance(self, kind: str, region: str, org: str) -> float:
        """Return the chance, as it is known now, that a guess of that kind comes true.

        Kinds are `stale`, `expired`, `hour`, and `after`, with the context behind it if there is one.
        """
        return self._odds.chance((kind, region, org))

    # --- judging ------------------------------------------------------------------------------------------------------

    def _judge_reads(self, reads: Iterable[LocalKey]) -> None:
        for key in reads:
            watched = self._watched.get(key)
            if watched is not None and watched.guess is not None:
                self._odds.judge(watched.guess, came_true=True)
                watched.guess = None

    def _ended(self, tier: LocalTier, now: float) -> Iterator[tuple[LocalKey, Subject]]:
        for key, watched in list(self._watched.items()):
            stamps = tier.stamps.note(watched.slots)
            is_stale = stamps != watched.stamps
            if not is_stale and now < watched.ends:
                continue
            if watched.guess is not None:
                # Whatever was guessed, nobody asked for the value while it was good.
                self._odds.judge(watched.guess, came_true=False)
                if not is_stale:
                    # It was not read in all its time; nothing says that it will be.
                    del self._watched[key]
                    continue
            watched.guess = ("stale" if is_stale else "expired", key[0], key[2])
            watched.stamps = stamps
            # For as long as a value would live that is loaded now.
            watched.ends = now + registry.get(key[0]).local_ttl
            yield key, watched.guess

    # --- watching and guessing ----------------------------------------------------------------------------------------

    def _watch(self, reads: Iterable[LocalKey], tier: LocalTier, now: float) -> None:
        for key in reads:
            entry = _entry(key, tier, now)
            if entry is not None and _allows(key[0]):
                self._remember(key, _watched(entry))
        while len(self._watched) > _MOST_WATCHED:
            self._watched.popitem(last=False)

    def _following(self, reads: Iterable[LocalKey], tier: LocalTier, now: float) -> Iterator[tuple[LocalKey, Subject]]:
        follows = [(region, each) for region in registry.regions.values() for each in region.follows]
        for key in reads:
            for region, each in follows:
                if each.region == key[0] and _allows(region.name):
                    try:
                        follower, context = _follower(key, region.name, each, tier)
                        slots = slots_of(Key(region.name, key[2], follower[3:], key[1])) if follower else None
                    except Exception as error:
                        self._complain(region.name, error)
                        continue
                    guess = (f"after {context}".rstrip(), region.name, key[2])
                    if follower is not None and slots and self._may_guess(follower, guess, tier, now):
                        ends = now + region.local_ttl
                        self._remember(follower, _Watched(slots, tier.stamps.note(slots), ends, guess))
                        yield follower, guess

    def _complain(self, region: str, error: Exception) -> None:
        # Declarations are the projects' own: one that fails keeps nothing else from being loaded.
        if region not in self._complaints:
            self._complaints.add(region)
            logger.warning(
                "What region %(region)s follows is not loaded ahead: %(error)s",
                {"region": region, "error": error},
                extra={"event": "follows_failed"},
            )

    def _may_guess(self, key: LocalKey, guess: Subject, tier: LocalTier, now: float) -> bool:
        if _entry(key, tier, now) is not None:
            return False
        before = self._watched.get(key)
        if before is None:
            return True
        if before.guess is None or before.guess == guess or not before.guess[0].startswith("after"):
            return False
        # The context has changed, and nobody has asked before it did.
        self._odds.judge(before.guess, came_true=False)
        return True

    def _remember(self, key: LocalKey, watched: _Watched) -> None:
        self._watched[key] = watched
        self._watched.move_to_end(key)

    # --- the hour to come ---------------------------------------------------------------------------------------------

    def _next_prepared(self, count: int) -> Iterator[LocalKey]:
        self._plan()
        if not self._prepared and self._planned:
            region, org = self._planned.popleft()
            warm_keys = registry.get(region).warm_keys
            if warm_keys is not None and self._odds.chance(("hour", region, org)) >= _LEAST_CHANCE:
                names = warm_keys([org], DEFAULT_DB_ALIAS)
                self._prepared.extend((region, DEFAULT_DB_ALIAS, *name) for name in names)
        for _ in range(min(count, len(self._prepared))):
            yield self._prepared.popleft()

    def _plan(self) -> None:
        minute = int((runtime.clock.wall() + _AHEAD_SECONDS) // 60)
        if minute // 60 != self._hour:
            self._hour = minute // 60
            expected = expected_reads(minute)
            self._planned.extend(name for name, reads in expected.items() if reads >= _BUSY_READS and _allows(name[0]))

    # --- loading ------------------------------------------------------------------------------------------------------

    def _left(self, now: float) -> int:
        while self._spent and self._spent[0][0] <= now - _MINUTE:
            self._spent.popleft()
        left = conf.PREFETCH_PER_MINUTE - sum(count for _, count in self._spent)
        return int(max(0, min(left, _MOST_AT_ONCE)))

    def _load(self, keys: list[LocalKey], tier: LocalTier, now: float) -> None:
        for (_, name, alias), some in groupby(sorted(keys, key=_where), key=_where):
            # Only now: a list that was just loaded has brought its items.
            region, local_keys = registry.get(name), [key for key in some if _entry(key, tier, now) is None]
            if not local_keys:
                continue
            self._spent.append((now, len(local_keys)))
            load_keys([Key(name, org, parts, alias) for _, _, org, *parts in local_keys])
            for key in local_keys:
                entry = _entry(key, tier, tier.now())
                if entry is not None:
                    self._foresee(region, key, entry)

    def _foresee(self, region: Region[Any], key: LocalKey, entry: Entry) -> None:
        entry.watch(foreseen=True)
        region.counters.prefetched += 1
        before = self._watched.get(key)
        watched = _watched(entry)
        watched.guess = (before.guess if before is not None else None) or ("hour", key[0], key[2])
        self._remember(key, watched)


def _where(key: LocalKey) -> tuple[bool, str, str]:
    return not registry.get(key[0]).is_composed, key[0], key[1]


def _allows(region: str) -> bool:
    return region in registry.regions and bool((conf.REGIONS.get(region) or {}).get("prefetch", True))


def _entry(key: LocalKey, tier: LocalTier, now: float) -> Entry | None:
    entry = tier.entries.get(key)
    return entry if entry is not None and now < entry.expires and tier.is_valid(entry) else None


def _watched(entry: Entry) -> _Watched:
    return _Watched(
        Slots(entry.key_slot, entry.scope_slot, entry.region_slot),
        (entry.key_stamp, entry.scope_stamp, entry.region_stamp),
        entry.expires,
    )


def _follower(key: LocalKey, region: str, follows: Follows, tier: LocalTier) -> tuple[LocalKey | None, str]:
    """Return the key that follows, and in what context."""
    if follows.parts is None and follows.context is None:
        return (region, *key[1:]), ""
    entry = tier.entries.get(key)
    snapshot = registry.get(key[0]).value(entry) if entry is not None else None
    if snapshot is None:
        return None, ""
    parts = key[3:] if follows.parts is None else follows.parts(snapshot)
    context = "" if follows.context is None else follows.context(snapshot)
    return (None if parts is None else (region, key[1], key[2], *parts)), context
