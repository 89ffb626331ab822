"""What operators read about the cache, put together once for the API, the admin page and the command."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from caching.adaptive import Lives, TtlReport, ttl_report
from caching.conf import conf
from caching.consistency import Consistency, consistency
from caching.fleet import HostFigures, fleet_hosts, total
from caching.registry import registry
from caching.runtime import runtime
from caching.stats import describe, hit_rate

__all__ = [
    "BreakerReport",
    "CacheReport",
    "HostReport",
    "ListenerReport",
    "OutboxReport",
    "RegionReport",
    "Reported",
    "cache_report",
]

Reported = Literal["fleet", "host", "process"]


class RegionReport(msgspec.Struct, frozen=True, kw_only=True):
    """One region: what it declares and what it did.

    `target` is the hit rate expected of it (0 to 1), `target_ms` how long a hit may take on average, each or None;
    `meets_target` is None without a target and before the first request. The times to live are seconds, as they apply
    now; `redis_ttl` is None without Redis, `ttl` without adaptive times. `consistency` is what the auditor has found.
    `statistics` are the numbers of `caching.stats.describe`.
    """

    name: str
    label: str
    money: bool
    target: float | None
    meets_target: bool | None
    target_ms: float | None
    local_ttl: float
    redis_ttl: float | None
    ttl: TtlReport | None
    consistency: Consistency
    statistics: dict[str, Any]


class BreakerReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this process asks Redis: `state`, `since` (seconds since 1970), how often it opened, and why last."""

    state: str
    since: float
    trips: int
    why: str


class ListenerReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether this process hears of other hosts' changes.

    `lag_ms` is how long Redis took to answer last (None: not yet), `heard` how many changes it told of.
    """

    state: str
    lag_ms: float | None
    heard: int
    reconnects: int


class OutboxReport(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis could not be told: `depth` rows wait (None: it cannot be read), the oldest for `oldest_seconds`.

    `delivered` rows were by this process; `is_relay` tells whether it falls to it on this host.
    """

    depth: int | None
    oldest_seconds: float | None
    delivered: int
    is_relay: bool


class HostReport(msgspec.Struct, frozen=True, kw_only=True):
    """One host of the fleet, as the process that leads there told `seconds_ago`.

    `id` tells hosts of one name apart; `since` is when it began to count, in seconds since 1970, None when nobody
    knows. `requests` and `hit_rate` (0 to 1) are over all regions; `breaker`, `listener` and `lag_ms` are that
    process's, empty without Redis and where nobody has told.
    """

    host: str
    id: str
    since: float | None
    seconds_ago: float
    requests: int
    hit_rate: float
    bytes: int
    breaker: str
    listener: str
    lag_ms: float | None


class CacheReport(msgspec.Struct, frozen=True, kw_only=True):
    """All regions over the fleet, one host or one process, and the tiers this process uses.

    `since` is when the first of those began to count that were added up, in seconds since 1970; None when nobody knows.
    `hosts` are those that were added up; of others than this one it is known through Redis, seconds late. `breaker`,
    `listener` and `outbox` are this process's; None without Redis, `listener` also without threads.
    """

    scope: Reported
    host: str
    host_id: str
    process: int
    since: float | None
    prefix: str
    local_memory: bool
    redis: bool
    breaker: BreakerReport | None
    listener: ListenerReport | None
    outbox: OutboxReport | None
    hosts: tuple[HostReport, ...]
    regions: tuple[RegionReport, ...]

    def region(self, name: str) -> RegionReport:
        """Return the report of one region; raises `UnknownRegion`."""
        wanted = registry.get(name).name
        return next(region for region in self.regions if region.name == wanted)


def cache_report(*, scope: Reported = "host", serving: bool = True) -> CacheReport:
    """Return the figures of all hosts, of all processes of this one, or of this process alone.

    Without Redis the fleet is this host. A process that is not `serving` does not speak for its host (`fleet_hosts`).
    """
    hosts = fleet_hosts(serving=serving) if scope == "fleet" else []
    if scope == "process":
        numbers = runtime.statistics.process()
    else:
        numbers = total(hosts) if hosts else runtime.statistics.host()
    lives: Lives = {}
    if conf.ADAPTIVE_TTL:
        lives = runtime.adaptive.lives() if scope == "process" else runtime.usage.lives()
    return CacheReport(
        scope=scope,
        host=socket.gethostname(),
        host_id=runtime.statistics.host_id,
        process=os.getpid(),
        since=_since(scope, hosts),
        prefix=conf.PREFIX,
        local_memory=runtime.local is not None,
        redis=runtime.redis is not None,
        breaker=BreakerReport(**runtime.breaker.describe()) if runtime.redis is not None else None,
        listener=ListenerReport(**runtime.listener.describe()) if runtime.listener is not None else None,
        outbox=OutboxReport(**runtime.relay.describe()) if runtime.relay is not None else None,
        hosts=tuple(_host(each, hosts[0].at) for each in hosts),
        regions=tuple(_region(name, describe(each), lives.get(name, {})) for name, each in numbers.items()),
    )


def _since(scope: Reported, hosts: Sequence[HostFigures]) -> float | None:
    if scope == "process":
        return runtime.statistics.process_since
    known = [each.since for each in hosts] if hosts else [runtime.statistics.since]
    return min((each for each in known if each is not None), default=None)


def _host(figures: HostFigures, now: float) -> HostReport:
    sums = {
        name: sum(numbers.get(name, 0) for numbers in figures.numbers.values())
        for name in ("local_hits", "redis_hits", "misses", "bytes")
    }
    return HostReport(
        host=figures.host,
        id=figures.id,
        since=figures.since,
        seconds_ago=max(0.0, now - figures.at),
        requests=sums["local_hits"] + sums["redis_hits"] + sums["misses"],
        hit_rate=hit_rate(sums),
        bytes=sums["bytes"],
        breaker=figures.breaker,
        listener=figures.listener,
        lag_ms=figures.lag_ms,
    )


def _region(name: str, statistics: dict[str, Any], lives: Mapping[float, int]) -> RegionReport:
    region = registry.get(name)
    with_redis = runtime.redis is not None
    judged = region.target is not None and statistics["requests"] > 0
    return RegionReport(
        name=name,
        label=region.label,
        money=region.money,
        target=region.target,
        meets_target=statistics["hit_rate"] >= region.target if judged else None,
        local_ttl=region.local_ttl if runtime.hears_changes else min(region.local_ttl, conf.LOCAL_TTL_WITHOUT_TRACKING),
        target_ms=region.target_ms,
        redis_ttl=region.redis_ttl if with_redis else None,
        ttl=ttl_report(region, lives),
        consistency=consistency(statistics),
        statistics=statistics,
    )
