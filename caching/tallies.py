"""What a region did in a time, against what is expected of it, and what that saved."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from caching.registry import registry
from caching.series import Numbers, added, described

__all__ = ["OrgUsage", "RegionUsage", "load_ms", "tally", "tally_of_all"]


class RegionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """One region, or all (`region` is "").

    Rates and targets are 0 to 1, times milliseconds; None where nothing was measured, or nothing is expected.
    `database_ms` is what the database spent on its loads, `queries_saved` how many it was spared by hits, and
    `database_ms_saved` these times the mean load. `bytes` is what local memory held last, `peak_bytes` the most at the
    end of a step; both of all servers.
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
    database_ms_saved: float
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
    database_ms_saved: float


def load_ms(numbers: Numbers) -> float | None:
    """Return how long the database took for a load, on average."""
    return numbers["load_ns"] / numbers["loads"] / 1e6 if numbers["loads"] else None


def tally(name: str, over_time: Iterable[Numbers], *, of_whole: Numbers | None = None) -> RegionUsage:
    """Return what is made of a region's figures, the oldest first; there must be some.

    Of an organisation nobody knows how long its loads took: `of_whole` are then the figures of its region.
    """
    points = list(over_time)
    total = added(points)
    figures = described(total)
    region = registry.regions.get(name)
    target = region.target if region is not None else None
    each = load_ms(of_whole or total)
    loads = total["misses"] if of_whole else total["loads"]
    return RegionUsage(
        region=name,
        label=region.label if region is not None else name,
        **figures,
        target=target,
        meets_target=figures["hit_rate"] >= target if target is not None and figures["requests"] else None,
        loads=loads,
        avg_load_ms=each,
        database_ms=loads * (each or 0.0),
        queries_saved=figures["hits"],
        database_ms_saved=figures["hits"] * (each or 0.0),
        **{name: total[name] for name in _AS_COUNTED},
        peak_bytes=max(point["bytes"] for point in points),
    )


_AS_COUNTED = (
    "stale", "audited", "violations", "bypassed", "refused", "rejected", "errors", "invalidations", "evictions",
)  # fmt: skip


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
        database_ms_saved=sum(region.database_ms_saved for region in each),
        # Not all were largest at the same moment: no less than this was held.
        peak_bytes=max(total["bytes"], *(region.peak_bytes for region in each)),
    )
