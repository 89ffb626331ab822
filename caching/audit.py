"""Compares hits with the database, and raises the alarm when the old bytes are served still after a while."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Any, Final

import msgspec
from django.db import Error as DatabaseTrouble
from django.dispatch import Signal

from caching.activity import Batch
from caching.composed import ListRegion
from caching.conf import conf
from caching.consistency import wait_seconds, within_seconds
from caching.errors import HostFileError
from caching.invalidation import invalidate
from caching.keys import Key, Scope
from caching.logs import logger
from caching.models import CacheEvent
from caching.noting import note_stamps
from caching.observer import Consumer
from caching.peeking import Served, peek
from caching.regions import Region
from caching.registry import registry
from caching.runtime import runtime
from caching.steps import drive
from caching.tiers.entry import LocalKey
from caching.transactions import in_transaction, may_be_old

__all__ = ["Auditor", "Judge", "Verdict", "Violation", "violation_found"]

#: Sent for each violation, with `violation`, after the key was evicted; for alerts. What receivers raise is logged.
violation_found = Signal()

# How often a hit is looked at that others write meanwhile, before it is left alone.
_MOST_LOOKS: Final = 3
# Database reads that were not needed may be made up for, those of so many seconds at most.
_SAVED_SECONDS: Final = 10.0
# A region whose invalidation is broken may have a violation every second; so many seconds apart they are recorded.
_RECORD_SECONDS: Final = 60.0


class Verdict(StrEnum):
    """`ABSENT`: there is no hit to judge. `UNDECIDED`: nobody can tell, for others write, or the database fails.

    `SUSPECT`: not what the database has; to be looked at again.
    """

    CONSISTENT = "consistent"
    VIOLATION = "violation"
    ABSENT = "absent"
    UNDECIDED = "undecided"
    SUSPECT = "suspect"


class Violation(msgspec.Struct, frozen=True):
    """The cache served what the database no longer had, for `seconds` or longer.

    `key` is its name, in which what users wrote is digested; `evicted` tells whether it could be made stale.
    """

    region: str
    org: str
    key: str
    seconds: float
    evicted: bool


class _Look(msgspec.Struct, frozen=True):
    """What was seen together: the stamps, then what the cache served, then what the database had, at `at`."""

    stamps: tuple[int, int, int] | None
    served: Served
    truth: bytes
    at: float


class _Suspect(msgspec.Struct):
    key: Key
    look: _Look
    due: float
    looks: int = 1


class Judge:
    """Looks at hits (`look`), and again, after a while, at those that were not what the database has (`judge`).

    The order is what makes it right: the stamps of the key, what the cache serves, what the database has. What differs
    may be a change on its way, or one that came between the two; so it is held, and looked at again in the same order.
    A violation is what is served unchanged then, while the database has what it had and not that, and no stamp of the
    key has changed: nobody has written it since, as far as this host was told. Where somebody has, it begins anew, a
    few times at most. Inside a transaction, and where the loader fails, it cannot tell; that is not counted.
    """

    def __init__(self) -> None:
        self._suspects: list[_Suspect] = []
        self._recorded: dict[str, float] = {}
        #: How often the database was asked.
        self.reads = 0

    @property
    def holds(self) -> int:
        """How many hits are to be looked at again."""
        return len(self._suspects)

    @property
    def due(self) -> float | None:
        """When the first of them is, by the clock's `now`."""
        return min((suspect.due for suspect in self._suspects), default=None)

    def look(self, key: Key) -> Verdict:
        """Compare what a hit on `key` would be with the database; what differs is held as a suspect."""
        seen = self._guarded(key, self._seen)
        if isinstance(seen, Verdict):
            return seen
        if seen.served.body == seen.truth:
            return self._judged(key, Verdict.CONSISTENT)
        if all(suspect.key != key for suspect in self._suspects):
            self._suspects.append(_Suspect(key, seen, runtime.clock.now() + wait_seconds()))
        return Verdict.SUSPECT

    def judge(self) -> list[tuple[Key, Verdict]]:
        """Look again at the suspects whose time has come; returns those on which there is a verdict now."""
        now = runtime.clock.now()
        due = [suspect for suspect in self._suspects if suspect.due <= now]
        self._suspects = [suspect for suspect in self._suspects if suspect.due > now]
        judged: list[tuple[Key, Verdict]] = []
        for suspect in due:
            verdict = self._look_again(suspect)
            if verdict is Verdict.SUSPECT:
                self._suspects.append(suspect)
            else:
                judged.append((suspect.key, verdict))
        return judged

    # --- one hit ------------------------------------------------------------------------------------------------------

    def _guarded(self, key: Key, see: Any) -> _Look | Verdict:
        try:
            if in_transaction(key.alias) or may_be_old(key.alias):
                return Verdict.UNDECIDED
            seen: _Look | Verdict = see(key)
        except Exception as error:
            logger.warning(
                "A hit of region %(region)s could not be audited: %(error)s",
                {"region": key.region, "error": error},
                extra={"event": "audit_failed"},
            )
            return Verdict.UNDECIDED
        return seen

    def _seen(self, key: Key) -> _Look | Verdict:
        region = registry.get(key.region)
        noted, pending = note_stamps([key])
        # Readers of this host pass Redis by while it has not heard of a write.
        served = None if pending else peek(region, key, noted)
        if served is None:
            return Verdict.ABSENT
        self.reads += 1
        truth = drive(region.read([key], use_cache=False))[key].body
        return _Look(noted[key].stamps if noted else None, served, truth, runtime.clock.now())

    def _look_again(self, suspect: _Suspect) -> Verdict:
        key, before = suspect.key, suspect.look
        now = self._guarded(key, self._seen)
        if now is Verdict.UNDECIDED:
            return Verdict.UNDECIDED
        elapsed = runtime.clock.now() - before.at
        if isinstance(now, Verdict) or now.served.body == now.truth:
            # Seen too late it proves nothing of the time that is promised.
            return self._judged(key, Verdict.CONSISTENT) if elapsed <= within_seconds() else Verdict.UNDECIDED
        if now.served == before.served and now.truth == before.truth and self._unwritten(key, before):
            self._alarm(key, elapsed)
            return self._judged(key, Verdict.VIOLATION)
        suspect.look, suspect.due = now, runtime.clock.now() + wait_seconds()
        suspect.looks += 1
        return Verdict.SUSPECT if suspect.looks <= _MOST_LOOKS else Verdict.UNDECIDED

    def _unwritten(self, key: Key, before: _Look) -> bool:
        # Last of all: a writer who came while we looked has changed them.
        noted, _ = note_stamps([key])
        return (noted[key].stamps if noted else None) == before.stamps

    def _judged(self, key: Key, verdict: Verdict) -> Verdict:
        counters = registry.get(key.region).counters
        counters.audited += 1
        counters.violations += verdict is Verdict.VIOLATION
        return verdict

    # --- the alarm ----------------------------------------------------------------------------------------------------

    def _alarm(self, key: Key, seconds: float) -> None:
        evicted = self._evict(registry.get(key.region), key)
        violation = Violation(key.region, key.org, key.name, seconds, evicted)
        logger.error(
            "Region %(region)s served an old value for %(seconds).1f s or longer: %(key)s. "
            + ("It was evicted." if evicted else "It could not be evicted: clear the region."),
            {"region": key.region, "seconds": seconds, "key": key.name},
            extra={"event": "consistency_violation"},
        )
        self._record(violation)
        violation_found.send_robust(sender=Judge, violation=violation)

    def _evict(self, region: Region[Any], key: Key) -> bool:
        items: list[Key | Scope] = [key]
        if isinstance(region, ListRegion):
            # Composed of an old item it would be old again.
            items.append(Scope(region.items.name, key.org))
        try:
            invalidate(items, using=key.alias)
        except (DatabaseTrouble, HostFileError):
            return False
        return True

    def _record(self, violation: Violation) -> None:
        now = runtime.clock.now()
        if now < self._recorded.get(violation.region, -_RECORD_SECONDS) + _RECORD_SECONDS:
            return
        self._recorded[violation.region] = now
        try:
            CacheEvent.objects.create(
                action=CacheEvent.Action.EVICT, region=violation.region, org_id=violation.org, key=violation.key
            )
        except DatabaseTrouble as error:
            logger.warning(
                "A violation could not be recorded: %(error)s",
                {"error": error},
                extra={"event": "violation_not_recorded"},
            )


class Auditor(Consumer):
    """Audits a random share of this process' hits: `AUDIT_RATE`, or a region's `audit_rate`, of them.

    Within `AUDIT_PER_MINUTE` reads of the database. A key that is hit often is audited often, once in a round at most.
    """

    def __init__(self) -> None:
        self.judge = Judge()
        self._chance = random.Random()  # noqa: S311 -- a sample, no secret
        self._allowance = 0.0

    def observe(self, batch: Batch) -> None:
        per_minute = conf.AUDIT_PER_MINUTE
        saved = max(1.0, per_minute * _SAVED_SECONDS / 60) if per_minute else 0.0
        self._allowance = min(saved, self._allowance + per_minute * batch.seconds / 60)
        before = self.judge.reads
        self.judge.judge()
        self._pay(before)
        chosen = self._chosen(batch)
        if len(chosen) > self._allowance:
            chosen = self._chance.sample(chosen, max(0, int(self._allowance)))
        before = self.judge.reads
        for region, alias, org, *parts in chosen:
            self.judge.look(Key(region, org, parts, alias))
        self._pay(before)

    def _pay(self, before: int) -> None:
        # Below 0: suspects are looked at again whatever that costs, and the next samples pay for it.
        self._allowance -= self.judge.reads - before

    def _chosen(self, batch: Batch) -> list[LocalKey]:
        hits: dict[LocalKey, float] = dict(batch.hits)
        for key, count in batch.found.items():
            hits[key] = hits.get(key, 0.0) + count
        rates = {name: _rate(name) for name in {key[0] for key in hits}}
        return [key for key, count in hits.items() if self._chance.random() >= (1 - rates[key[0]]) ** count]


def _rate(region: str) -> float:
    """Return the share of a region's hits that is audited."""
    return float(conf.REGIONS.get(region, {}).get("audit_rate", conf.AUDIT_RATE))
