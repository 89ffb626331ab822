"""What the caches did over time: the figures that history has kept, added up over all hosts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import reduce
from typing import Any, Final

import msgspec
from django.db.models import Sum
from django.db.models.functions import Greatest

from caching.models import CacheUsage
from caching.periods import Piece, Step, Window, as_datetime, floor, window
from caching.registry import registry
from caching.stats import COUNTERS, GAUGES

__all__ = [
    "MEASURES",
    "Numbers",
    "Point",
    "Series",
    "Timeline",
    "added",
    "described",
    "history",
    "numbers_by_org",
    "numbers_over_time",
    "summed",
]

#: All of `MEASURES`, and `peak_bytes`.
Numbers = Mapping[str, int]

#: The counters that history keeps: the columns of the table.
MEASURES: Final = tuple(field.name for field in CacheUsage._meta.concrete_fields if field.name in COUNTERS)


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One minute, hour or day, which began `at`.

    `hit_rate` (0 to 1) and the mean times (milliseconds) are None where there was nothing to measure; `entries` and
    `bytes` are what local memory held at the end, of all processes.
    """

    at: datetime
    requests: int
    hits: int
    local_hits: int
    redis_hits: int
    misses: int
    hit_rate: float | None
    avg_local_ms: float | None
    avg_redis_ms: float | None
    avg_miss_ms: float | None
    entries: int
    bytes: int


class Series(msgspec.Struct, frozen=True):
    """The points of one region, the oldest first; times in which nothing happened have none. `org` is "" for all."""

    region: str
    org: str
    points: tuple[Point, ...]


class Timeline(msgspec.Struct, frozen=True):
    """What happened from `since` up to `until`, by `step`."""

    step: Step
    since: datetime
    until: datetime
    series: tuple[Series, ...]


def history(
    *,
    region: str | None = None,
    org: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    step: Step | None = None,
) -> Timeline:
    """Return what one region or all did, for all organisations or one, over all hosts.

    Without times it is the last six hours (by `hour` seven days, by `day` ninety); without a step the finest that fits.
    Times are widened to whole steps. Raises `UnknownRegion`, `UnknownOrganisation` and `BadPeriod`.
    """
    if region is not None:
        registry.get(region)
    registry.require_organisations([org] if org else [])
    asked = window(since, until, step)
    return Timeline(
        asked.step,
        as_datetime(asked.start),
        as_datetime(asked.end),
        tuple(
            Series(name, org or "", tuple(_point(at, numbers) for at, numbers in points.items()))
            for name, points in sorted(numbers_over_time(asked, region=region, org=org or "").items())
        ),
    )


def numbers_over_time(asked: Window, *, region: str | None, org: str) -> dict[str, dict[int, dict[str, int]]]:
    """Return by region and minute in which the step began what was counted, over all hosts, the oldest first."""
    found: dict[str, dict[int, dict[str, int]]] = defaultdict(dict)
    for row in _rows(asked, "start", "region", region=region, org=org):
        points, at = found[row["region"]], floor(row["start"], asked.step)
        before = points.get(at)
        points[at] = _numbers(row) if before is None else summed(before, _numbers(row))
    return found


def numbers_by_org(asked: Window, *, region: str | None) -> dict[tuple[str, str], dict[str, int]]:
    """Return by region and organisation what was counted, over all hosts."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in _rows(asked, "region", "org", region=region, org=None):
        which = row["region"], row["org"]
        before = found.get(which)
        found[which] = _numbers(row) if before is None else summed(before, _numbers(row))
    return found


def added(points: Iterable[Numbers]) -> dict[str, int]:
    """Return what was counted in all these times, the oldest first; there must be one."""
    total, *later = points
    return reduce(summed, later, dict(total))


def summed(earlier: Numbers, later: Numbers) -> dict[str, int]:
    """Return what was counted in both times; of what is not counted but measured, the later, and the higher peak."""
    both = {name: later[name] if name in GAUGES else earlier[name] + later[name] for name in MEASURES}
    return {**both, "peak_bytes": max(earlier["peak_bytes"], later["peak_bytes"])}


def described(numbers: Numbers) -> dict[str, Any]:
    """Return the figures of a `Point`, but for when it was."""
    hits = numbers["local_hits"] + numbers["redis_hits"]
    requests = hits + numbers["misses"]
    return {
        "requests": requests,
        "hits": hits,
        "local_hits": numbers["local_hits"],
        "redis_hits": numbers["redis_hits"],
        "misses": numbers["misses"],
        "hit_rate": hits / requests if requests else None,
        **{f"avg_{tier}_ms": _mean_ms(numbers, tier) for tier in ("local", "redis", "miss")},
        "entries": numbers["entries"],
        "bytes": numbers["bytes"],
    }


def _mean_ms(numbers: Numbers, tier: str) -> float | None:
    samples = numbers[f"{tier}_samples"]
    return numbers[f"{tier}_ns"] / samples / 1e6 if samples else None


def _point(at: int, numbers: Numbers) -> Point:
    return Point(at=as_datetime(at), **described(numbers))


def _rows(asked: Window, *by: str, region: str | None, org: str | None) -> Iterator[dict[str, Any]]:
    for piece in asked.pieces():
        rows = _rows_of(piece).filter(org=org) if org is not None else _rows_of(piece).exclude(org="")
        if region is not None:
            rows = rows.filter(region=region)
        # Not called after the columns: Django takes that for a mistake.
        yield from rows.values(*by).annotate(**_SUMS).order_by(*by)


# Rows from before there was a peak have none.
_SUMS: Final = {
    **{f"{name}_sum": Sum(name) for name in MEASURES},
    "peak_bytes_sum": Sum(Greatest("peak_bytes", "bytes")),
}


def _rows_of(piece: Piece) -> Any:
    return CacheUsage.objects.filter(step=piece.step, start__gte=piece.start, start__lt=piece.end)


def _numbers(row: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(row[f"{name}_sum"] or 0) for name in (*MEASURES, "peak_bytes")}
