"""The statistics in the shape that callers know."""

from __future__ import annotations

import pytest

from caching.runtime import runtime
from restaurant.fast_access.figures import cache_stats
from restaurant.profiles.cached import profile, profile_lite

EMPTY = {
    "total_requests": 0,
    "cache_hits": 0,
    "cache_misses": 0,
    "hit_rate": "0.00%",
    "hit_ratio": 0.0,
    "avg_access_time_ms": "0.0000ms",
    "avg_access_ms": 0.0,
    "memory_usage": "0KB",
    "memory_bytes": 0,
}


def test_without_a_request_every_figure_is_nothing() -> None:
    assert cache_stats([profile]) == EMPTY


def test_regions_are_added_up_and_numbers_stand_beside_the_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    host = runtime.statistics.host()
    host["profile"].update(local_hits=10, redis_hits=5, misses=1, bytes=100 * 1024)
    host["profile_lite"].update(local_hits=4, misses=0, bytes=25 * 1024)
    # One miss of 170 ms spread over 20 requests.
    host["profile"].update(
        local_ns=0, local_samples=1, redis_ns=0, redis_samples=5, miss_ns=170_000_000, miss_samples=1
    )
    monkeypatch.setattr(runtime.statistics, "host", lambda: host)
    assert cache_stats([profile, profile_lite]) == {
        "total_requests": 20,
        "cache_hits": 19,
        "cache_misses": 1,
        "hit_rate": "95.00%",
        "hit_ratio": 0.95,
        "avg_access_time_ms": "8.5ms",
        "avg_access_ms": 8.5,
        "memory_usage": "125KB",
        "memory_bytes": 128_000,
    }


def test_times_below_a_millisecond_are_not_rounded_away(monkeypatch: pytest.MonkeyPatch) -> None:
    host = runtime.statistics.host()
    host["profile"].update(local_hits=1, local_ns=900, local_samples=1)
    monkeypatch.setattr(runtime.statistics, "host", lambda: host)
    assert cache_stats([profile])["avg_access_time_ms"] == "0.0009ms"
