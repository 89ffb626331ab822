"""System checks of adaptive times to live: bounds that cannot hold, and bounds where nothing adapts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register

from caching.conf import conf
from caching.regions import Region
from caching.registry import registry

__all__ = ["check_adaptive_ttl"]


@register(Tags.caches)
def check_adaptive_ttl(**_: Any) -> list[CheckMessage]:
    """Check `CACHING["ADAPTIVE_TTL"]` and every region's `ttl_bounds`."""
    messages: list[CheckMessage] = []
    if not isinstance(conf.ADAPTIVE_TTL, bool):
        messages.append(
            Error(
                f"CACHING['ADAPTIVE_TTL'] must be True or False, not {conf.ADAPTIVE_TTL!r}.",
                hint="Bounds belong to the regions: ttl_bounds=(least, most), declared or in CACHING['REGIONS'].",
                id="caching.E040",
            )
        )
    regions = conf.REGIONS
    if isinstance(regions, Mapping) and all(isinstance(options, Mapping) for options in regions.values()):
        messages += [message for region in registry.regions.values() for message in _region(region)]
    return messages


def _region(region: Region[Any]) -> Iterator[CheckMessage]:
    bounds = region.ttl_bounds
    if bounds is None:
        return
    if not _are_bounds(bounds):
        yield Error(
            f"Region {region.name!r}: ttl_bounds cannot be {bounds!r}.",
            hint="Give the least and the most seconds, such as (30, 960), or None for a quarter of the declared times "
            "and eight times as much.",
            obj=region.loader,
            id="caching.E041",
        )
    elif region.money:
        yield Error(
            f"Region {region.name!r} is money, whose times to live are never adapted, and has ttl_bounds.",
            hint="Leave them out, in the region and in CACHING['REGIONS'].",
            obj=region.loader,
            id="caching.E042",
        )
    else:
        least, most = bounds
        outside = [
            f"{name} ({declared:g} s)"
            for name, declared in (("local_ttl", region.local_ttl), ("redis_ttl", region.redis_ttl))
            if not least <= declared <= most
        ]
        if outside:
            yield Warning(
                f"Region {region.name!r}: {' and '.join(outside)} lies outside of its ttl_bounds {bounds!r}, which "
                f"count with CACHING['ADAPTIVE_TTL'].",
                hint="Widen the bounds, or declare a time within them.",
                obj=region.loader,
                id="caching.W030",
            )


def _are_bounds(bounds: object) -> bool:
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        return False
    numbers = [each for each in bounds if isinstance(each, int | float) and not isinstance(each, bool)]
    return len(numbers) == 2 and all(map(math.isfinite, numbers)) and 0 < numbers[0] <= numbers[1]
