"""What an hour will bring is the mean of what that hour of the week brought before."""

from __future__ import annotations

import pytest

from caching.models import CacheUsage
from caching.rhythm import expected_reads

HOUR, DAY, WEEK = 60, 24 * 60, 7 * 24 * 60
NOW = 100 * WEEK + 5 * HOUR + 17
THIS_HOUR = 100 * WEEK + 5 * HOUR

pytestmark = pytest.mark.django_db


def hour(start: int, org: str = "tea", region: str = "shop", **reads: int) -> None:
    CacheUsage.objects.create(step="hour", start=start, host=f"h{sum(reads.values())}", region=region, org=org, **reads)


def test_without_a_history_nothing_is_expected() -> None:
    assert expected_reads(NOW) == {}


def test_it_is_the_mean_over_the_weeks_there_are() -> None:
    hour(THIS_HOUR - WEEK, org="")
    hour(THIS_HOUR - WEEK, local_hits=30, redis_hits=20, misses=10)
    hour(THIS_HOUR - 2 * WEEK, org="")
    hour(THIS_HOUR - 2 * WEEK, local_hits=40)
    hour(THIS_HOUR - 2 * WEEK, org="cake", misses=8)

    assert expected_reads(NOW) == {("shop", "tea"): 50.0, ("shop", "cake"): 4.0}


def test_hosts_are_added_up() -> None:
    hour(THIS_HOUR - WEEK, local_hits=30)
    hour(THIS_HOUR - WEEK, local_hits=31)

    assert expected_reads(NOW) == {("shop", "tea"): 61.0}


@pytest.mark.parametrize(
    "start", [THIS_HOUR, THIS_HOUR - WEEK + HOUR, THIS_HOUR - 5 * WEEK, THIS_HOUR - 7 * DAY - HOUR]
)
def test_other_hours_tell_nothing(start: int) -> None:
    hour(start, local_hits=30)

    assert expected_reads(NOW) == {}


def test_in_the_first_week_other_days_must_do() -> None:
    hour(THIS_HOUR - DAY, local_hits=30)
    hour(THIS_HOUR - 3 * DAY, local_hits=10)

    assert expected_reads(NOW) == {("shop", "tea"): 20.0}


def test_minutes_and_days_are_not_hours() -> None:
    for step in ("minute", "day"):
        CacheUsage.objects.create(step=step, start=THIS_HOUR - WEEK, host="h", region="shop", org="tea", misses=9)

    assert expected_reads(NOW) == {}
