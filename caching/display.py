"""Figures of a region in the words and units that people read on the caches page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from caching.consistency import consistency
from caching.registry import registry
from caching.reporting import CacheReport, HostReport, RegionReport
from caching.stats import COUNTERS, describe

if TYPE_CHECKING:
    from caching.models import CacheEvent

__all__ = [
    "counted_since",
    "duration",
    "fleet_notice",
    "health",
    "health_tiles",
    "host_row",
    "loaded_count",
    "local_memory",
    "milliseconds",
    "rate",
    "region_row",
    "server_name",
    "total_row",
    "value_count",
]

_NOTHING = "–"  # noqa: RUF001 -- a dash, as tables show for nothing
# Of the id that tells servers of one name apart, so much is shown.
_ID_SHOWN: Final = 6

# What is shown of a region beside its tiers, where it happened at all.
_RARE: Final = {
    "joined": "Joined another read",
    "stale": "Answered with an expired value",
    "refreshed": "Refreshed before they expired",
    "bypassed": "Misses under a writer's mark",
    "refused": "Loads not kept",
    "rejected": "Values in Redis not understood",
    "undecryptable": "Values in Redis refused by encryption",
    "errors": "Redis did not answer",
    "evictions": "Evicted to make room",
    "invalidations": "Invalidations sent",
    "received": "Invalidations received",
}


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


def loaded_count(event: CacheEvent) -> str | None:
    """Return what a warm-up has loaded, "12 values" or "nothing", and why not as far as it is known; None otherwise."""
    if event.loaded is None:
        return None
    if event.loaded:
        return value_count(event.loaded)
    region = registry.regions.get(event.region)
    if event.key:
        return "nothing, no such row"
    return "nothing, none declared as hot" if region is not None and region.warm_keys is None else "nothing"


def rate(per_second: float) -> str:
    """Return a number of reads per second in few digits."""
    places = 0 if per_second >= 100 else 1 if per_second >= 1 else 2
    return f"{per_second:,.{places}f}/s"


def server_name(host: str, host_id: str) -> str:
    """Return what tells one server from the others, which may have its name: the name and the beginning of its id."""
    return f"{host} · {host_id[:_ID_SHOWN]}"


def counted_since(report: CacheReport) -> str:
    """Return since when the report counts, in words that follow "counted"."""
    if report.since is None:
        return "since the servers began, which is not known"
    several = len(report.hosts) > 1
    return f"since {_moment(report.since)}{', by each server since it began' if several else ''}"


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    return timezone.localtime(datetime.fromtimestamp(seconds, UTC)).strftime("%Y-%m-%d %H:%M")


def health(report: CacheReport) -> list[str]:
    """Return a sentence each on the breaker, the listener and the outbox, as far as there are any."""
    return [sentence for sentence in (_breaker(report), _listener(report), _outbox(report)) if sentence]


def fleet_notice(report: CacheReport) -> str:
    """Return a sentence where "all servers" are this one alone, because Redis does not tell of others; else ""."""
    if report.scope != "fleet" or report.breaker is None or report.breaker.state == "closed":
        return ""
    return "Redis does not answer: other servers are not known, these are this server's figures."


def local_memory(report: CacheReport) -> str:
    """Return whether the process that answers uses local memory: "on", "off", or why it is out of use."""
    if not report.local_memory:
        return "off"
    if report.listener is not None and report.listener.state == "connecting":
        return "out of use until other servers' changes are heard"
    return "on"


def health_tiles(report: CacheReport) -> list[dict[str, str]]:
    """Return what the page shows of Redis, the breaker, the listener and the outbox, in this order.

    Each has a `name`, a `title`, a `state` ("good", "warning", "bad", or "off" for what there is not), a `word`, a
    sentence, `text`, and in `whose` whose state it is: in the figures of the fleet, too, that of the server that
    answers; the outbox is in the database.
    """
    if report.breaker is None:
        redis = ("off", "Not configured", "Local memory and the database do without it.")
        breaker = ("off", "Not needed", "There is no Redis to be left alone.")
    else:
        state, word, now = {
            "closed": ("good", "In use", "Closed"),
            "open": ("bad", "Left alone", "Open"),
            "half-open": ("warning", "Tried again", "Half open"),
        }[report.breaker.state]
        redis = (state, word, f"Keys begin with {report.prefix}" if state == "good" else _breaker(report))
        breaker = (state, now, _trips(report.breaker.trips))
    if report.listener is None:
        listener = ("warning", "Not running", "Nobody tells this process of other hosts' changes.")
        if not report.redis:
            listener = ("off", "Not needed", "There are no other hosts to hear of.")
    else:
        state = {"listening": "good", "connecting": "bad", "without tracking": "warning"}[report.listener.state]
        listener = (state, report.listener.state.capitalize(), _listener(report))
    if report.outbox is None:
        outbox = ("off", "Not needed", "There is no Redis to be told.")
    elif report.outbox.depth is None:
        outbox = ("bad", "Unreadable", _outbox(report))
    elif report.outbox.depth:
        outbox = ("warning", f"{report.outbox.depth:,} waiting", _outbox(report))
    else:
        outbox = ("good", "Empty", "Redis has been told of every change.")
    tiles = {"redis": ("Redis", redis), "breaker": ("Breaker", breaker), "listener": ("Listener", listener)}
    tiles["outbox"] = ("Outbox", outbox)
    return [
        {"name": name, "title": title, "state": state, "word": word, "text": text, "whose": _whose(name, state)}
        for name, (title, (state, word, text)) in tiles.items()
    ]


def _whose(name: str, state: str) -> str:
    return "" if state == "off" else "all servers" if name == "outbox" else "this server"


def _trips(trips: int) -> str:
    return "Never opened." if not trips else "Opened once." if trips == 1 else f"Opened {trips:,} times."


def _breaker(report: CacheReport) -> str:
    if report.breaker is None:
        return ""
    return {
        "closed": "Redis is in use.",
        "open": f"Redis is left alone: {report.breaker.why}.",
        "half-open": "Redis is just being tried again.",
    }[report.breaker.state]


def _listener(report: CacheReport) -> str:
    if report.listener is None:
        return ""
    lag = "" if report.listener.lag_ms is None else f", {milliseconds(report.listener.lag_ms)} behind"
    return {
        "listening": f"Other hosts' changes are heard{lag}.",
        "connecting": "Other hosts' changes are not heard: local memory is out of use until they are.",
        "without tracking": "Redis tells nobody of other hosts' changes, so local copies live briefly.",
    }[report.listener.state]


def _outbox(report: CacheReport) -> str:
    if report.outbox is None or report.outbox.depth == 0:
        return ""
    if report.outbox.depth is None:
        return "The outbox cannot be read."
    oldest = f", the oldest for {report.outbox.oldest_seconds:,.0f} s" if report.outbox.oldest_seconds else ""
    what = "1 invalidation waits" if report.outbox.depth == 1 else f"{report.outbox.depth:,} invalidations wait"
    return f"{what} for Redis{oldest}."


def region_row(region: RegionReport) -> dict[str, Any]:
    """Return what the caches page shows of one region.

    `more` is a list of labels and texts: what is worth a line only where it happened.
    """
    return {
        "name": region.name,
        "label": region.label,
        **_figures(region.statistics),
        "target": _NOTHING if region.target is None else f"{region.target:.0%}",
        "is_low": region.meets_target is False,
        "consistency": region.consistency.sentence,
        "is_inconsistent": region.consistency.violations > 0,
        "local_ttl": duration(region.local_ttl),
        "redis_ttl": duration(region.redis_ttl),
        "more": [*_more(region.statistics), *_lives(region)],
    }


def host_row(host: HostReport) -> dict[str, str]:
    """Return what the page shows of one host of the fleet."""
    return {
        "host": server_name(host.host, host.id),
        "since": _moment(host.since),
        "ago": "now" if host.seconds_ago < 1 else f"{host.seconds_ago:.0f} s ago",
        "requests": f"{host.requests:,}",
        "hit_rate": f"{host.hit_rate:.2%}" if host.requests else _NOTHING,
        "memory": filesizeformat(host.bytes),
        "redis": host.breaker or _NOTHING,
        "listener": host.listener or _NOTHING,
        "lag": _NOTHING if host.lag_ms is None else milliseconds(host.lag_ms),
    }


def total_row(numbers: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Return what `region_row` does, of all regions together, which have no target and no time to live in common."""
    sums = {name: sum(each[name] for each in numbers.values()) for name in COUNTERS}
    statistics = describe(sums)
    return {
        "name": "",
        "label": "All regions",
        **_figures(statistics),
        "target": _NOTHING,
        "is_low": False,
        "consistency": consistency(sums).sentence,
        "is_inconsistent": sums["violations"] > 0,
        "local_ttl": _NOTHING,
        "redis_ttl": _NOTHING,
        "more": _more(statistics),
    }


def _figures(statistics: Mapping[str, Any]) -> dict[str, Any]:
    requests = statistics["requests"]

    def share(kind: str) -> str:
        return f"{statistics[kind] / requests:.1%}" if requests else _NOTHING

    return {
        "requests": f"{requests:,}",
        "hit_rate": f"{statistics['hit_rate']:.2%}" if requests else _NOTHING,
        "local_hits": f"{statistics['local_hits']:,}",
        "local_share": share("local_hits"),
        "redis_hits": f"{statistics['redis_hits']:,}",
        "redis_share": share("redis_hits"),
        "misses": f"{statistics['misses']:,}",
        "miss_share": share("misses"),
        "loads": f"{statistics['loads']:,}",
        "avg_access": milliseconds(statistics["avg_access_ms"]),
        "avg_local": milliseconds(statistics["avg_local_ms"]),
        "avg_redis": milliseconds(statistics["avg_redis_ms"]),
        "avg_miss": milliseconds(statistics["avg_miss_ms"]),
        "entries": f"{statistics['entries']:,}",
        "memory": filesizeformat(statistics["bytes"]),
        "evictions": f"{statistics['evictions']:,}" if statistics["evictions"] else "",
        "stale": f"{statistics['stale']:,}" if statistics["stale"] else "",
    }


def _more(statistics: Mapping[str, Any]) -> list[tuple[str, str]]:
    rare = [(label, f"{statistics[name]:,}") for name, label in _RARE.items() if statistics[name]]
    return [*rare, *_foreseen(statistics)]


def _foreseen(statistics: Mapping[str, Any]) -> list[tuple[str, str]]:
    precision, recall = statistics["prefetch_precision"], statistics["prefetch_recall"]
    if precision is None:
        return []
    foreseen = f", which are {recall:.0%} of the reads that would have missed" if recall is not None else ""
    used = f"{statistics['prefetch_hits']:,} of {statistics['prefetched']:,} were asked for ({precision:.0%})"
    return [("Loaded ahead", used + foreseen)]


def _lives(region: RegionReport) -> list[tuple[str, str]]:
    ttl = region.ttl
    if ttl is None or not ttl.keys:
        return []
    least, usual, most = (duration(round(each)) for each in (ttl.least, ttl.median, ttl.most))
    used = least if least == most else f"{least} to {most}, half of them up to {usual}"
    return [("Adaptive time to live on this server", f"{used}. {ttl.why}")]
