"""Rows of history made by hand, as hosts would have written them."""

from __future__ import annotations

from caching.models import CacheUsage
from caching.periods import Step, minute_now
from caching.usage import MinuteRow

__all__ = ["minute_row", "used"]


def used(
    *, ago: int = 1, step: Step = "minute", host: str = "one", region: str = "shop", org: str = "", **numbers: int
) -> CacheUsage:
    """Write a row that began so many minutes ago."""
    return CacheUsage.objects.create(step=step, start=minute_now() - ago, host=host, region=region, org=org, **numbers)


def minute_row(minute: int, region: str = "shop", org: str = "", **numbers: int) -> MinuteRow:
    """Return what the observer tells of a minute."""
    return MinuteRow(minute, region, org, numbers)
