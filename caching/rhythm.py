"""Who will be busy in the hour to come: what the history says of the same hour in weeks and days before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db import router
from django.db.models import Sum

from caching.models import CacheUsage
from caching.periods import floor

__all__ = ["expected_reads"]

_HOUR: Final = 60
_DAY: Final = 24 * _HOUR
_WEEK: Final = 7 * _DAY
_WEEKS: Final = 4
_DAYS: Final = 6


def expected_reads(minute: int) -> dict[tuple[str, str], float]:
    """Return how many reads to expect, by region and organisation, in the hour that `minute` (since 1970) is in.

    The mean of that hour of the week over the last four weeks for which there is a history; in the first week, of that
    hour over the days there were. Organisations that were not among the busiest are not known.
    """
    hour = floor(minute, "hour")
    return _mean(hour - week * _WEEK for week in range(1, _WEEKS + 1)) or _mean(
        hour - day * _DAY for day in range(1, _DAYS + 1)
    )


def _mean(hours: Iterable[int]) -> dict[tuple[str, str], float]:
    rows = CacheUsage.objects.using(router.db_for_write(CacheUsage)).filter(
        step=CacheUsage.Step.HOUR, start__in=list(hours)
    )
    # Nobody read anything in an hour without rows, if there were rows of another hour: the site may have been off.
    known = rows.values("start").distinct().order_by().count()
    sums = (
        rows.exclude(org="")
        .order_by()
        .values("region", "org")
        .annotate(local=Sum("local_hits"), found=Sum("redis_hits"), missed=Sum("misses"))
    )
    return {(row["region"], row["org"]): (row["local"] + row["found"] + row["missed"]) / known for row in sums if known}
