"""Which preset fits the traffic of the last days."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import Final

import msgspec
from django.db.models import Sum

from caching.conf import conf
from caching.models import CacheUsage
from caching.periods import floor, minute_now

__all__ = ["BUSY", "QUIET", "PresetFit", "preset_fit"]

#: Reads per minute in a busy hour from which `high_traffic` fits, and below which `small` does on one server.
BUSY: Final = 600
QUIET: Final = 60

_LOOK_BACK: Final = 7 * 1440
# After fewer hours with traffic nobody knows what is usual.
_ENOUGH_HOURS: Final = 24
# Of the hours with traffic, so many are less busy than the one that counts: one import makes no busy restaurant.
_USUALLY: Final = 0.95


class PresetFit(msgspec.Struct, frozen=True):
    """The preset that is set, the one that fits better (None: what is set fits, or too little is known), and why."""

    preset: str | None
    better: str | None
    why: str


def preset_fit() -> PresetFit:
    """Judge by the hours of the last seven days. Raises `django.db.Error`."""
    requests, hosts = _hours()
    preset = conf.PRESET
    if len(requests) < _ENOUGH_HOURS:
        return PresetFit(preset, None, f"{len(requests)} hours with traffic are too few to tell; {_ENOUGH_HOURS} are.")
    servers = median(hosts)
    busy = sorted(requests)[int(_USUALLY * (len(requests) - 1))] / 60
    why = f"{busy:,.0f} reads a minute in a busy hour, on {servers:.0f} server{'' if servers < 2 else 's'}"
    fits = preset
    if servers >= 2:
        fits = "multi_location"
    elif busy >= BUSY:
        fits = "high_traffic"
    elif busy < QUIET:
        fits = "small"
    # Without a preset all is as with `small`.
    return PresetFit(preset, fits if fits != (preset or "small") else None, why)


def _hours() -> tuple[list[int], list[int]]:
    now = floor(minute_now(), "hour")
    rows = (
        CacheUsage.objects.filter(step="hour", org="", start__gte=now - _LOOK_BACK)
        .values("start", "host")
        .annotate(local=Sum("local_hits"), redis=Sum("redis_hits"), missed=Sum("misses"))
        .order_by()
    )
    requests: dict[int, int] = defaultdict(int)
    hosts: dict[int, int] = defaultdict(int)
    for row in rows:
        requests[row["start"]] += int(row["local"] + row["redis"] + row["missed"])
        hosts[row["start"]] += 1
    return list(requests.values()), list(hosts.values())
