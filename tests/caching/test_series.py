"""What history has kept is added up over hosts, and over the steps in which it was written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from caching.errors import UnknownOrganisation, UnknownRegion
from caching.models import CacheUsage
from caching.periods import as_datetime, minute_now, window
from caching.series import MEASURES, Point, history, numbers_by_org
from caching.stats import COUNTERS
from tests.caching.operators import shop_of
from tests.caching.usages import used
from tests.conftest import MovableClock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shops")]

NOW = datetime(2026, 11, 23, 12, 30, 15, tzinfo=UTC)
HOUR, DAY = 60, 1440


@pytest.fixture(autouse=True)
def now(clock: MovableClock) -> None:
    clock.seconds = NOW.timestamp()


def test_every_counter_has_a_column() -> None:
    assert set(MEASURES) == set(COUNTERS), "add the column to CacheUsage, with a migration"
    assert all(CacheUsage._meta.get_field(name).get_internal_type() == "BigIntegerField" for name in MEASURES)


def test_a_minute_is_the_sum_of_all_hosts() -> None:
    used(
        host="one",
        local_hits=60,
        redis_hits=20,
        misses=20,
        local_ns=3000,
        local_samples=3,
        miss_ns=8,
        entries=5,
        bytes=9,
    )
    used(host="two", local_hits=90, misses=10, local_ns=1000, local_samples=1, miss_samples=0, entries=2, bytes=1)

    [series] = history().series

    assert (series.region, series.org) == ("shop", "")
    assert series.points == (
        Point(
            at=as_datetime(minute_now() - 1),
            requests=200,
            hits=170,
            local_hits=150,
            redis_hits=20,
            misses=30,
            hit_rate=0.85,
            avg_local_ms=0.001,
            avg_redis_ms=None,
            avg_miss_ms=None,
            entries=7,
            bytes=10,
        ),
    )


def test_points_are_in_order_and_only_of_the_time_asked_for() -> None:
    for ago in (3, 1, 10, 2, 11):
        used(ago=ago, misses=ago)

    asked = history(since=NOW - timedelta(minutes=10, seconds=15), until=NOW - timedelta(minutes=1, seconds=15))

    assert [point.misses for point in asked.series[0].points] == [10, 3, 2]
    assert (asked.since, asked.until) == (as_datetime(minute_now() - 10), as_datetime(minute_now() - 1))
    assert asked.step == "minute"


def test_without_requests_there_is_no_rate() -> None:
    used(invalidations=3)

    assert history().series[0].points[0].hit_rate is None


def test_one_region_or_one_organisation_can_be_asked_for() -> None:
    shop_of("tea")
    for region in ("menu", "shop"):
        for org in ("", "tea", "cake"):
            used(region=region, org=org, misses=len(region + org))

    def shown(**asked: str) -> list[tuple[str, str, int]]:
        return [(each.region, each.org, each.points[0].misses) for each in history(**asked).series]  # type: ignore[arg-type]

    assert shown() == [("menu", "", 4), ("shop", "", 4)]
    assert shown(region="shop") == [("shop", "", 4)]
    assert shown(org="tea") == [("menu", "tea", 7), ("shop", "tea", 7)]
    assert shown(region="menu", org="tea") == [("menu", "tea", 7)]


def test_wrong_names_are_refused() -> None:
    with pytest.raises(UnknownRegion, match="There is no cache region 'shap'"):
        history(region="shap")
    with pytest.raises(UnknownOrganisation, match="There is no organisation 'tee'"):
        history(org="tee")


def test_hours_that_are_not_added_up_yet_are_read_from_their_minutes() -> None:
    # It is 12:30; the rows of 10 and 11 o'clock are written, that of this hour is not.
    used(step="hour", ago=30 + 2 * HOUR, misses=1, entries=1)
    used(step="hour", ago=30 + HOUR, misses=100)
    used(ago=31, misses=10, entries=7)
    used(ago=30, misses=3, entries=8)
    used(ago=2, misses=4, entries=9)
    used(ago=2, host="two", misses=5, entries=30)

    points = history(step="hour").series[0].points

    assert [(point.at.hour, point.misses, point.entries) for point in points] == [(10, 1, 1), (11, 10, 7), (12, 12, 39)]


def test_days_are_read_from_days_hours_and_minutes_each_once() -> None:
    midnight = 12 * HOUR + 30
    for ago in (midnight + 2 * DAY, midnight + DAY):
        used(step="day", ago=ago, misses=1000)
    used(step="hour", ago=midnight + DAY, misses=100)
    used(step="hour", ago=midnight, misses=30)
    used(step="hour", ago=30, misses=7)
    used(ago=midnight, misses=70)
    used(ago=5, misses=4)

    points = history(step="day", since=NOW - timedelta(days=5)).series[0].points

    assert [(point.at.day, point.misses) for point in points] == [(21, 1000), (22, 100), (23, 34)]


def test_organisations_are_added_up_over_the_whole_time() -> None:
    used(org="tea", misses=1, local_hits=2)
    used(org="tea", ago=2, host="two", misses=10)
    used(org="cake", misses=5)
    used(misses=16)
    used(region="menu", org="tea", misses=7)
    asked = window(None, None, None)

    found = numbers_by_org(asked, region=None)
    assert {which: numbers["misses"] for which, numbers in found.items()} == {
        ("menu", "tea"): 7,
        ("shop", "cake"): 5,
        ("shop", "tea"): 11,
    }
    assert found["shop", "tea"]["local_hits"] == 2
    assert set(numbers_by_org(asked, region="menu")) == {("menu", "tea")}
