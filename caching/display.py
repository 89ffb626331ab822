"""Figures of a region in the words and units that people read on the caches page."""

from __future__ import annotations

from typing import Any

from django.template.defaultfilters import filesizeformat

from caching.reporting import CacheReport, RegionReport

__all__ = ["duration", "health", "milliseconds", "region_row", "value_count"]

_NOTHING = "–"  # noqa: RUF001 -- a dash, as tables show for nothing


def milliseconds(value: float) -> str:
    """Return a time in the unit that gives it few digits; a dash for 0, which stands for "never measured"."""
    if not value:
        return _NOTHING
    return f"{value * 1000:.1f} µs" if value < 1 else f"{value:,.1f} ms"


def duration(seconds: float | None) -> str:
    """Return a time to live; a dash for None."""
    if seconds is None:
        return _NOTHING
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"


def value_count(count: int) -> str:
    """Return "1 value", "2,000 values"."""
    return f"{count:,} value{'' if count == 1 else 's'}"


def health(report: CacheReport) -> list[str]:
    """Return a sentence each on the breaker, the listener and the outbox, as far as there are any."""
    said = []
    if report.breaker is not None:
        states = {
            "closed": "Redis is in use.",
            "open": f"Redis is left alone: {report.breaker.why}.",
            "half-open": "Redis is just being tried again.",
        }
        said.append(states[report.breaker.state])
    if report.listener is not None:
        lag = "" if report.listener.lag_ms is None else f", {milliseconds(report.listener.lag_ms)} behind"
        states = {
            "listening": f"Other hosts' changes are heard{lag}.",
            "connecting": "Other hosts' changes are not heard: local memory is out of use until they are.",
            "without tracking": "Redis tells nobody of other hosts' changes, so local copies live briefly.",
        }
        said.append(states[report.listener.state])
    if report.outbox is not None:
        if report.outbox.depth is None:
            said.append("The outbox cannot be read.")
        elif report.outbox.depth:
            oldest = f", the oldest for {report.outbox.oldest_seconds:,.0f} s" if report.outbox.oldest_seconds else ""
            what = "1 invalidation waits" if report.outbox.depth == 1 else f"{report.outbox.depth:,} invalidations wait"
            said.append(f"{what} for Redis{oldest}.")
    return said


def region_row(region: RegionReport) -> dict[str, Any]:
    """Return what the caches page shows of one region."""
    figures = region.statistics
    return {
        "name": region.name,
        "label": region.label,
        "requests": f"{figures['requests']:,}",
        "hit_rate": f"{figures['hit_rate']:.2%}" if figures["requests"] else _NOTHING,
        "target": _NOTHING if region.target is None else f"{region.target:.0%}",
        "is_low": region.meets_target is False,
        "consistency": region.consistency.sentence,
        "is_inconsistent": region.consistency.violations > 0,
        "local_hits": f"{figures['local_hits']:,}",
        "redis_hits": f"{figures['redis_hits']:,}",
        "misses": f"{figures['misses']:,}",
        "avg_access": milliseconds(figures["avg_access_ms"]),
        "avg_local": milliseconds(figures["avg_local_ms"]),
        "avg_redis": milliseconds(figures["avg_redis_ms"]),
        "avg_miss": milliseconds(figures["avg_miss_ms"]),
        "entries": f"{figures['entries']:,}",
        "memory": filesizeformat(figures["bytes"]),
        "evictions": f"{figures['evictions']:,}" if figures["evictions"] else "",
        "stale": f"{figures['stale']:,}" if figures["stale"] else "",
        "local_ttl": duration(region.local_ttl),
        "redis_ttl": duration(region.redis_ttl),
    }
