"""Writes down by the minute what this host's caches did, adds minutes up to hours and days, and forgets the old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from django.db import Error, IntegrityError, router
from django.db.models import Max, QuerySet, Sum
from django.db.models.functions import Greatest

from caching.conf import conf
from caching.logs import logger
from caching.models import CacheUsage
from caching.observer import Consumer
from caching.periods import FINER, MINUTES, Step, floor, retention
from caching.runtime import runtime
from caching.series import MEASURES
from caching.stats import GAUGES
from caching.usage import MINUTES_KEPT, MinuteRow

__all__ = ["History"]

# After its end a minute's figures still come in for so long, from the other processes of the host.
_GRACE_SECONDS: Final = 5.0
# How long a database that failed is left alone.
_PATIENCE_SECONDS: Final = 10.0
# Whoever leads on a host adds up its own hours; after so many minutes others do, if nobody there is left to.
_ABANDONED_MINUTES: Final = 30
# How far back is looked for what nobody has added up; what is older is when it is about to be forgotten.
_LOOK_BACK: Final[Mapping[Step, int]] = {"hour": 6 * 60, "day": 3 * 1440}
_COARSER: Final[Mapping[Step, Step]] = {"minute": "hour", "hour": "day"}
# How many old rows are removed at a time, and how often in one hour: others wait for their turn meanwhile.
_BATCH: Final = 500
_MOST_BATCHES: Final = 200

_Numbers = Mapping[str, int]
# By region and organisation.
_ByName = Mapping[tuple[str, str], _Numbers]


class History(Consumer):
    """One process of each host writes each minute that is over once, whoever leads: the rows themselves tell it.

    An hour is added up from its minutes when its last is written, a day from its hours, and again whenever a row comes
    late. What is to be forgotten is added up first.
    """

    def __init__(self) -> None:
        #: The last minute that need not be looked at again.
        self._done = -1
        self._hour = -1
        self._again = 0.0
        self._complained = False

    def lead(self) -> None:
        over = int((runtime.clock.wall() - _GRACE_SECONDS) // 60) - 1
        if over == self._done or runtime.clock.now() < self._again or not retention():
            return
        # A clock that was set back has minutes that were there before: their rows are found.
        first = self._done + 1 if over - MINUTES_KEPT < self._done < over else over - MINUTES_KEPT + 1
        minutes = {minute: runtime.usage.minutes(minute) for minute in range(first, over + 1)}
        try:
            self._write({minute: rows for minute, rows in minutes.items() if rows}, over)
        except Error as error:
            # What it says may quote rows.
            self._again = runtime.clock.now() + _PATIENCE_SECONDS
            if not self._complained:
                self._complained = True
                logger.warning(
                    "History is not written, and tried again: %(error)s",
                    {"error": error},
                    extra={"event": "history_not_written"},
                )
        else:
            self._done = over
            self._complained = False

    def _write(self, minutes: Mapping[int, Sequence[MinuteRow]], over: int) -> None:
        host = runtime.statistics.host_id
        for minute, rows in minutes.items():
            write("minute", host, minute, {(row.region, row.org): row.numbers for row in rows})
        for hour in sorted({floor(minute, "hour") for minute in minutes}):
            if hour + MINUTES["hour"] <= over + 1:
                add_up("hour", host, hour)
                if floor(hour, "day") + MINUTES["day"] <= over + 1:
                    add_up("day", host, floor(hour, "day"))
        # Processes in which nothing is read have nothing to do with the database.
        if minutes or self._hour >= 0:
            hour = floor(over + 1, "hour")
            if hour != self._hour:
                catch_up(host, over + 1)
                self._hour = hour


def write(step: Step, host: str, start: int, numbers: _ByName, *, anew: bool = False) -> None:
    """Insert the rows that are missing, of regions and of the busiest organisations in them.

    `anew` also brings those up to date that are there, and removes those that are no longer among the busiest.
    """
    written = {(row.region, row.org): row for row in _rows(step, host, start, start + 1)}
    kept = _busiest(numbers)
    fresh = [
        CacheUsage(step=step, host=host, start=start, region=region, org=org, **_measured(numbers[region, org]))
        for region, org in kept
        if (region, org) not in written
    ]
    try:
        CacheUsage.objects.using(_alias()).bulk_create(fresh)
    except IntegrityError:
        # Another process wrote them at the same moment.
        return
    for which, row in written.items() if anew else ():
        if which not in kept:
            row.delete(using=_alias())
            continue
        changed = {name: value for name, value in _measured(numbers[which]).items() if getattr(row, name) != value}
        if changed:
            CacheUsage.objects.using(_alias()).filter(pk=row.pk).update(**changed)


def add_up(step: Step, host: str, start: int) -> None:
    """Write the rows of one hour or day of that host, from its minutes or hours."""
    rows = _rows(FINER[step], host, start, start + MINUTES[step])
    totals = {
        (row["region"], row["org"]): {name: int(row[f"{name}_sum"] or 0) for name in MEASURES}
        for row in rows.values("region", "org").annotate(**{f"{name}_sum": Sum(name) for name in MEASURES}).order_by()
    }
    for row in rows.filter(org="").order_by("start").values("region", *GAUGES):
        # The last one stays.
        totals[row["region"], ""].update({name: row[name] for name in GAUGES})
    # Rows from before there was a peak have none.
    peaks = rows.filter(org="").values("region").annotate(peak=Max(Greatest("peak_bytes", "bytes"))).order_by()
    for region, peak in peaks.values_list("region", "peak"):
        totals[region, ""]["peak_bytes"] = peak
    write(step, host, start, totals, anew=True)


def catch_up(host: str, now: int) -> None:
    """Add up what was left, by this host or by those that are gone, and forget what is old; `now` is a minute."""
    for step in FINER:
        end = floor(now, step)
        _add_up_missing(step, end - _LOOK_BACK[step], end, host=host)
        _add_up_missing(step, end - _LOOK_BACK[step], floor(now - _ABANDONED_MINUTES, step))
    for step, kept in retention().items():
        coarser = _COARSER.get(step)
        # Whole hours or days: half of one would be added up to less than it was.
        oldest = floor(now - kept, coarser or step)
        if coarser is not None:
            _add_up_missing(coarser, 0, oldest)
        _forget(step, oldest)


def _add_up_missing(step: Step, since: int, until: int, *, host: str | None = None) -> None:
    # Organisations have rows only where regions have.
    finer, there = (_between(each, since, until).filter(org="") for each in (FINER[step], step))
    if host is not None:
        finer, there = finer.filter(host=host), there.filter(host=host)
    left = {(host, floor(start, step)) for host, start in finer.values_list("host", "start").distinct()}
    for missing_host, start in sorted(left.difference(there.values_list("host", "start").distinct())):
        add_up(step, missing_host, start)


def _forget(step: Step, oldest: int) -> None:
    for _ in range(_MOST_BATCHES):
        keys = list(_between(step, 0, oldest).values_list("pk", flat=True)[:_BATCH])
        if not keys:
            return
        CacheUsage.objects.using(_alias()).filter(pk__in=keys).delete()


def _busiest(numbers: _ByName) -> set[tuple[str, str]]:
    """Return what is kept: all regions, and all that is known of the organisations that were read most."""
    reads: dict[str, int] = {}
    for (_, org), counted in numbers.items():
        reads[org] = reads.get(org, 0) + sum(counted.get(name, 0) for name in ("local_hits", "redis_hits", "misses"))
    reads.pop("", None)
    most = sorted(filter(_fits, reads), key=lambda org: (-reads[org], org))[: conf.HISTORY_ORGS]
    return {(region, org) for region, org in numbers if (not org or org in most) and _fits(region)}


def _fits(name: str) -> bool:
    # Organisations are named by whoever asks; no database takes everything.
    return len(name) <= 64 and name.isprintable()


def _measured(numbers: _Numbers) -> dict[str, int]:
    measured = {name: numbers.get(name, 0) for name in MEASURES}
    return {**measured, "peak_bytes": numbers.get("peak_bytes", measured["bytes"])}


def _rows(step: Step, host: str, start: int, end: int) -> QuerySet[CacheUsage]:
    return _between(step, start, end).filter(host=host)


def _between(step: Step, start: int, end: int) -> QuerySet[CacheUsage]:
    return CacheUsage.objects.using(_alias()).filter(step=step, start__gte=start, start__lt=end)


def _alias() -> str:
    return router.db_for_write(CacheUsage)
