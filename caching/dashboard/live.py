"""Everything that the caches page shows and keeps up to date, as plain values for its template and for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from django.utils import timezone

from caching.display import (
    counted_since,
    fleet_notice,
    health_tiles,
    host_row,
    loaded_count,
    local_memory,
    rate,
    region_row,
    server_name,
    total_row,
)
from caching.fleet import HostFigures, fleet_hosts, total
from caching.models import CacheEvent
from caching.periods import Step
from caching.registry import registry
from caching.reporting import Reported, cache_report
from caching.runtime import runtime
from caching.series import history
from caching.usage import Top

__all__ = ["LEAST_READS", "MEMORY_TARGET_BYTES", "SCOPES", "SPANS", "live", "past"]

#: What the page can be asked for, and what that is called there.
SCOPES: Final[dict[Reported, str]] = {"fleet": "All servers", "host": "This server"}

#: How many seconds the charts show by minutes, hours and days.
SPANS: Final[dict[Step, int]] = {"minute": 15 * 60, "hour": 24 * 3600, "day": 30 * 24 * 3600}

#: Fewer reads than that are no rate: a single one that is missed would be a hit rate of 0 %.
LEAST_READS: Final = 10

#: Where the specification's advice on memory begins: of all regions together, in one process.
MEMORY_TARGET_BYTES: Final = 100 * 1024 * 1024

_RECENT: Final = 10
_BUSIEST: Final = 8
# Reads per second; what is rarer is not worth a line.
_AT_LEAST: Final = 0.01


def live(scope: Reported) -> dict[str, Any]:
    """Return the report, as the API has it, and what people read of it.

    `at` is the moment, in seconds since 1970; `numbers` are the regions' counters, of which rates are made.
    """
    hosts = fleet_hosts() if scope == "fleet" else []
    numbers = total(hosts) if hosts else runtime.statistics.host()
    report = cache_report(scope=scope)
    return {
        "at": runtime.clock.wall(),
        "report": msgspec.to_builtins(report),
        "notice": fleet_notice(report),
        "local_memory": local_memory(report),
        "server": server_name(report.host, report.host_id),
        "since": counted_since(report),
        "numbers": numbers,
        "total": total_row(numbers),
        "regions": {region.name: region_row(region) for region in report.regions},
        "health": {tile["name"]: tile for tile in health_tiles(report)},
        "hosts": [host_row(host) for host in report.hosts],
        **_busiest(hosts),
        "events": [_event(event) for event in CacheEvent.objects.prefetch_related("user")[:_RECENT]],
    }


def past(step: str) -> dict[str, Any]:
    """Return what history has kept of the time that goes with this step, as the API has it; by minutes otherwise."""
    known: Step = next((each for each in SPANS if each == step), "minute")
    since = datetime.fromtimestamp(runtime.clock.wall() - SPANS[known], UTC)
    past: dict[str, Any] = msgspec.to_builtins(history(step=known, since=since))
    return past


def _busiest(hosts: Sequence[HostFigures]) -> dict[str, list[dict[str, str]]]:
    tops: Sequence[Top | HostFigures] = hosts or [runtime.usage.top(_BUSIEST)]
    orgs: Counter[str] = Counter()
    keys: Counter[tuple[str, str, str]] = Counter()
    for top in tops:
        for org in top.orgs:
            orgs[org.org] += org.rate  # type: ignore[assignment] # the stubs know of whole numbers alone
        for key in top.keys:
            keys[key.region, key.org, key.name] += key.rate  # type: ignore[assignment] # the same
    return {
        "orgs": [{"org": org, "rate": rate(much)} for org, much in orgs.most_common(_BUSIEST) if much >= _AT_LEAST],
        "keys": [
            {"region": _label(region), "org": org, "name": name, "rate": rate(much)}
            for (region, org, name), much in keys.most_common(_BUSIEST)
            if much >= _AT_LEAST
        ],
    }


def _label(region: str) -> str:
    return registry.regions[region].label if region in registry.regions else region


def _event(event: CacheEvent) -> dict[str, str]:
    whose = f" of {event.org_id}" if event.org_id else ""
    what = f"{_label(event.region) if event.region else 'all regions'}{whose}{', one key' if event.key else ''}"
    loaded = loaded_count(event)
    return {
        "at": event.at.isoformat(timespec="seconds"),
        "when": timezone.localtime(event.at).strftime("%Y-%m-%d %H:%M"),
        "who": "a command" if event.user is None else event.user.get_username(),
        "did": event.get_action_display(),
        "what": what if loaded is None else f"{what}: {loaded}",
    }
