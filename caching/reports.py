"""The report of a time: hit rates against targets, what the database was spared, who does worst, and what to do."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
from django.db import router

from caching.advice import LOW_HIT_RATE, Advice, advice
from caching.fitting import PresetFit, preset_fit
from caching.models import CacheUsage
from caching.periods import Step, Window, as_datetime, minute_now, retention, window
from caching.registry import registry
from caching.series import Numbers, added, numbers_by_org, numbers_over_time
from caching.tallies import OrgUsage, RegionUsage, saved_ms, sum_of_known, tally, tally_of_all

__all__ = ["USUAL_SECONDS", "UsageReport", "report"]

#: A day, unless a time is given.
USUAL_SECONDS: Final = 86_400
_SHOWN = 10
# Of fewer reads a rate says nothing.
_ENOUGH = 100


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the caches did from `since` up to `until`, which is not included, by figures kept by `step`.

    `region` and `org` are what was asked for, "" for all. `total` is None when nothing is known. `missed_targets` names
    the regions that fell short, `worst_regions` those and the others below 70 %, the worst first. Organisations are
    given as far as they were among the busiest; the worst are those with fewer hits than all together. `kept` tells
    whether history is being kept at all.
    """

    since: datetime
    until: datetime
    step: Step
    region: str
    org: str
    kept: bool
    hosts: int
    total: RegionUsage | None
    regions: tuple[RegionUsage, ...]
    missed_targets: tuple[str, ...]
    worst_regions: tuple[str, ...]
    busiest_orgs: tuple[OrgUsage, ...]
    worst_orgs: tuple[OrgUsage, ...]
    advice: tuple[Advice, ...]
    preset: PresetFit


def report(
    *,
    region: str | None = None,
    org: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> UsageReport:
    """Return the report of one region or all, for all organisations or one, over all servers.

    Without times it is the last 24 hours; they are widened to whole steps. Raises `UnknownRegion`,
    `UnknownOrganisation` and `BadPeriod`.
    """
    if region is not None:
        registry.get(region)
    registry.require_organisations([org] if org else [])
    asked = _window(since, until)
    whole = _over_time(asked, region, "")
    sums = {name: added(points) for name, points in whole.items()}
    found = _over_time(asked, region, org) if org else whole
    regions = [tally(name, points, of_whole=sums.get(name) if org else None) for name, points in found.items()]
    total = tally_of_all(regions, [added(points) for points in found.values()])
    hosts, orgs = _host_count(asked), [] if org else _orgs(asked, region, sums)
    below = [each for each in orgs if total and each.requests >= _ENOUGH and _rate(each) < _rate(total)]
    minutes = min(asked.end, minute_now()) - asked.start
    return UsageReport(
        since=as_datetime(asked.start),
        until=as_datetime(asked.end),
        step=asked.step,
        region=region or "",
        org=org or "",
        kept=bool(retention()),
        hosts=hosts,
        total=total,
        regions=tuple(regions),
        missed_targets=tuple(each.region for each in regions if each.meets_target is False),
        worst_regions=tuple(each.region for each in sorted(filter(_is_bad, regions), key=_gap)),
        busiest_orgs=tuple(sorted(orgs, key=lambda each: (-each.requests, each.org))[:_SHOWN]),
        worst_orgs=tuple(sorted(below, key=lambda each: (_rate(each), each.org))[:_SHOWN]),
        advice=tuple(each for usage in regions for each in advice(usage, minutes=minutes, hosts=hosts, org=org or "")),
        preset=preset_fit(),
    )


def _window(since: datetime | None, until: datetime | None) -> Window:
    if since is None:
        end = minute_now() * 60 if until is None else until.timestamp()
        since = datetime.fromtimestamp(max(0.0, end - USUAL_SECONDS), as_datetime(0).tzinfo)
    return window(since, until, None)


def _over_time(asked: Window, region: str | None, org: str) -> dict[str, list[dict[str, int]]]:
    found = numbers_over_time(asked, region=region, org=org)
    return {name: list(points.values()) for name, points in sorted(found.items())}


def _host_count(asked: Window) -> int:
    hosts: set[str] = set()
    for step, start, end in asked.pieces():
        rows = CacheUsage.objects.using(router.db_for_read(CacheUsage)).filter(step=step, org="")
        hosts.update(rows.filter(start__gte=start, start__lt=end).values_list("host", flat=True).distinct().order_by())
    return len(hosts)


def _orgs(asked: Window, region: str | None, whole: dict[str, dict[str, int]]) -> list[OrgUsage]:
    by_org: dict[str, list[tuple[Numbers, float | None]]] = {}
    for (name, org), numbers in numbers_by_org(asked, region=region).items():
        saved = saved_ms(numbers, whole[name]) if name in whole else None
        by_org.setdefault(org, []).append((numbers, saved))
    return [_org(org, regions) for org, regions in by_org.items()]


def _org(org: str, regions: list[tuple[Numbers, float | None]]) -> OrgUsage:
    hits = sum(numbers["local_hits"] + numbers["redis_hits"] for numbers, _ in regions)
    misses = sum(numbers["misses"] for numbers, _ in regions)
    requests = hits + misses
    return OrgUsage(
        org=org,
        requests=requests,
        hits=hits,
        misses=misses,
        hit_rate=hits / requests if requests else None,
        queries_saved=hits,
        database_ms_saved=sum_of_known(saved for _, saved in regions),
    )


def _rate(usage: RegionUsage | OrgUsage) -> float:
    return 1.0 if usage.hit_rate is None else usage.hit_rate


def _gap(usage: RegionUsage) -> float:
    return _rate(usage) - (usage.target or LOW_HIT_RATE)


def _is_bad(usage: RegionUsage) -> bool:
    return usage.meets_target is False or (usage.requests >= _ENOUGH and _rate(usage) < LOW_HIT_RATE)
