"""What a region did in a time, against what is expected of it, and what that saved."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from caching.registry import registry
from caching.series import Numbers, added, described

__all__ = ["OrgUsage", "RegionUsage", "saved_ms", "sum_of_known", "tally", "tally_of_all"]


class RegionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """One region, or all (`region` is "").

    Rates and targets are 0 to 1, times milliseconds; None where nothing was measured, or nothing is expected.
    `loads` are questions to the database, each for one value or for many; `avg_load_ms` is the mean time of one, and
    `database_ms` of all. `queries_saved` are hits: values it was not asked for. `database_ms_saved` is how much longer
    these reads would have taken had they been misses, which are measured by value. `bytes` is what local memory held
    last, `peak_bytes` the most that it held at the end of a minute; both of all servers.
    """

    region: str
    label: str
    requests: int
    hits: int
    local_hits: int
    redis_hits: int
    misses: int
    hit_rate: float | None
    target: float | None
    meets_target: bool | None
    avg_local_ms: float | None
    avg_redis_ms: float | None
    avg_miss_ms: float | None
    loads: int
    avg_load_ms: float | None
    database_ms: float
    queries_saved: int
    database_ms_saved: float | None
    stale: int
    audited: int
    violations: int
    bypassed: int
    refused: int
    rejected: int
    errors: int
    invalidations: int
    evictions: int
    entries: int
    bytes: int
    peak_bytes: int


class OrgUsage(msgspec.Struct, frozen=True, kw_only=True):
    """One organisation, over the regions that were asked for; estimated, as far as it was among the busiest."""

    org: str
    requests: int
    hits: int
    misses: int
    hit_rate: float | None
    queries_saved: int
    database_ms_saved: float | None


def saved_ms(hits: Numbers, of_whole: Numbers) -> float | None:
    """Return how much sooner hits were answered than misses of their region are, which has the figures `of_whole`.

    None when no miss was measured. Not by loads: one question to the database may be for many values.
    """
    each = described(of_whole)
    miss: float | None = each["avg_miss_ms"]
    if miss is None:
        return None
    local, redis = (max(0.0, miss - (each[f"avg_{tier}_ms"] or 0.0)) for tier in ("local", "redis"))
    return hits["local_hits"] * local + hits["redis_hits"] * redis


def tally(name: str, over_time: Iterable[Numbers], *, of_whole: Numbers | None = None) -> RegionUsage:
    """Return what is made of a region's figures, the oldest first; there must be some.

    Of an organisation nobody knows how long anything took: `of_whole` are then the figures of its region, of whose
    loads it has the share that it has of the misses.
    """
    points = list(over_time)
    total = added(points)
    figures = described(total)
    region = registry.regions.get(name)
    target = region.target if region is not None else None
    known = of_whole or total
    share = (total["misses"] / known["misses"] if known["misses"] else 0.0) if of_whole else 1.0
    return RegionUsage(
        region=name,
        label=region.label if region is not None else name,
        **figures,
        target=target,
        meets_target=figures["hit_rate"] >= target if target is not None and figures["requests"] else None,
        loads=round(known["loads"] * share),
        avg_load_ms=known["load_ns"] / known["loads"] / 1e6 if known["loads"] else None,
        database_ms=known["load_ns"] * share / 1e6,
        queries_saved=figures["hits"],
        database_ms_saved=saved_ms(total, known),
        **{name: total[name] for name in _AS_COUNTED},
        peak_bytes=max(point["peak_bytes"] for point in points),
    )


_AS_COUNTED = (
    "stale", "audited", "violations", "bypassed", "refused", "rejected", "errors", "invalidations", "evictions",
)  # fmt: skip


def sum_of_known(figures: Iterable[float | None]) -> float | None:
    """Return the sum of what was measured; None when nothing was."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def tally_of_all(regions: Iterable[RegionUsage], numbers: Iterable[Numbers]) -> RegionUsage | None:
    """Return all regions as one, which has no target; None when there are none."""
    each = list(regions)
    if not each:
        return None
    points = list(numbers)
    total = {name: sum(point[name] for point in points) for name in points[0]}
    whole = tally("", [total])
    return msgspec.structs.replace(
        whole,
        label="All regions",
        loads=sum(region.loads for region in each),
        database_ms=sum(region.database_ms for region in each),
        database_ms_saved=sum_of_known(region.database_ms_saved for region in each),
        # Not all were largest at the same moment: no less than this was held.
        peak_bytes=max(total["bytes"], *(region.peak_bytes for region in each)),
    )
