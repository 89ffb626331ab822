"""The statistics of several regions in the shape that callers of `get_cache_stats` know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, TypedDict

from caching import Region
from caching.runtime import runtime
from caching.stats import describe

__all__ = ["CacheStats", "cache_stats"]


class CacheStats(TypedDict):
    """What the processes of this host did since they began; plain numbers beside the strings for people.

    `cache_hits` were answered by local memory or Redis, `cache_misses` by the database. `hit_ratio` is 0.0 to 1.0,
    `avg_access_ms` milliseconds, `memory_bytes` what the local memories of all processes hold.
    """

    total_requests: int
    cache_hits: int
    cache_misses: int
    hit_rate: str
    hit_ratio: float
    avg_access_time_ms: str
    avg_access_ms: float
    memory_usage: str
    memory_bytes: int


def cache_stats(regions: Iterable[Region[Any]]) -> CacheStats:
    """Return the statistics of the regions, added up."""
    host = runtime.statistics.host()
    totals: Counter[str] = Counter()
    for region in regions:
        totals.update(host[region.name])
    numbers = describe(totals)
    return CacheStats(
        total_requests=numbers["requests"],
        cache_hits=numbers["hits"],
        cache_misses=numbers["misses"],
        hit_rate=f"{numbers['hit_rate']:.2%}",
        hit_ratio=numbers["hit_rate"],
        avg_access_time_ms=_milliseconds(numbers["avg_access_ms"]),
        avg_access_ms=numbers["avg_access_ms"],
        memory_usage=f"{round(numbers['bytes'] / 1024)}KB",
        memory_bytes=numbers["bytes"],
    )


def _milliseconds(value: float) -> str:
    # A hit in local memory takes a thousandth of a millisecond: one decimal place would show nothing.
    return f"{value:.1f}ms" if value >= 1 else f"{value:.4f}ms"
