"""A report adds up what history has kept, weighs it against targets, and names who does worst."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.errors import UnknownOrganisation, UnknownRegion
from caching.periods import BadPeriod, minute_now
from caching.reports import report
from tests.caching.operators import shop_of
from tests.caching.usages import used
from tests.conftest import MovableClock
from tests.shop import cached

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shops")]

NOW = datetime(2026, 11, 23, 12, 30, 15, tzinfo=UTC)
HOUR, DAY = 60, 1440


@pytest.fixture(autouse=True)
def now(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.seconds = NOW.timestamp()
    monkeypatch.setattr(cached.shop, "target", 0.9)


def test_what_was_counted_is_added_up_over_time_and_hosts() -> None:
    used(step="hour", ago=30 + 20 * HOUR, local_hits=700, redis_hits=100, misses=200, loads=200, load_ns=600_000_000)
    used(step="hour", ago=30 + 20 * HOUR, host="two", local_hits=90, misses=10, loads=50, load_ns=400_000_000, bytes=7)
    used(ago=3, local_hits=100, local_ns=5000, local_samples=5, stale=1, audited=4, violations=2, bytes=5, entries=3)
    # Before the last 24 hours.
    used(step="hour", ago=30 + 25 * HOUR, misses=9999)

    made = report()
    [shop] = made.regions

    assert (made.step, made.hosts, made.kept) == ("hour", 2, True)
    assert made.since == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert made.until == datetime(2026, 11, 23, 13, tzinfo=UTC)
    assert (shop.requests, shop.hits, shop.local_hits, shop.redis_hits, shop.misses) == (1200, 990, 890, 100, 210)
    assert (shop.hit_rate, shop.target, shop.meets_target) == (0.825, 0.9, False)
    assert (shop.loads, shop.avg_load_ms, shop.database_ms) == (250, 4.0, 1000.0)
    assert (shop.queries_saved, shop.database_ms_saved) == (990, None), "no miss was measured"
    assert (shop.avg_local_ms, shop.avg_redis_ms, shop.avg_miss_ms) == (0.001, None, None)
    assert (shop.stale, shop.audited, shop.violations) == (1, 4, 2)
    assert (shop.bytes, shop.peak_bytes, shop.entries) == (5, 7, 3)
    assert made.missed_targets == ("shop",)


def test_all_regions_are_added_up() -> None:
    used(local_hits=90, misses=10, loads=10, load_ns=10_000_000, miss_ns=20_000_000, miss_samples=10, bytes=5)
    used(region="menu", local_hits=30, misses=70, loads=70, load_ns=700_000_000, bytes=6)

    total = report().total

    assert total is not None
    assert (total.region, total.label, total.target, total.meets_target) == ("", "All regions", None, None)
    assert (total.requests, total.hits, total.hit_rate, total.bytes, total.peak_bytes) == (200, 120, 0.6, 11, 11)
    assert (total.loads, total.database_ms, total.database_ms_saved) == (80, 710.0, 180.0)


def test_the_peak_is_that_of_all_minutes_however_coarse_the_steps() -> None:
    used(step="hour", ago=30 + 5 * HOUR, bytes=5, peak_bytes=300 * 2**20)
    used(step="hour", ago=30 + 5 * HOUR, host="two", bytes=6, peak_bytes=8)
    # Written before peaks were.
    used(region="menu", step="hour", ago=30 + 5 * HOUR, bytes=9)
    for ago, size in ((20, 3), (10, 70), (2, 4)):
        used(region="tally", ago=ago, bytes=size, peak_bytes=size)
    used(ago=3, bytes=5, peak_bytes=5)

    made = report()

    assert {each.region: (each.bytes, each.peak_bytes) for each in made.regions} == {
        "shop": (5, 300 * 2**20 + 8),
        "menu": (9, 9),
        "tally": (4, 70),
    }
    assert made.total is not None
    assert made.total.peak_bytes == 300 * 2**20 + 8
    assert [(each.region, each.about) for each in made.advice] == [("shop", "memory")]


def test_nothing_is_known_of_a_time_without_rows(settings: Settings) -> None:
    made = report(since=NOW - timedelta(days=3), until=NOW - timedelta(days=2))
    assert (made.total, made.regions, made.hosts, made.advice, made.missed_targets) == (None, (), 0, (), ())

    settings.CACHING = {**settings.CACHING, "HISTORY": None}
    assert not report().kept


def test_the_worst_regions_come_first_and_good_ones_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached.menu, "target", 0.5)
    for region, hits in (("shop", 80), ("menu", 20), ("tally", 65), ("dish", 71)):
        used(region=region, local_hits=hits, misses=100 - hits)

    made = report()

    # By how much they fall short: of 50, 90, and the 70 that are expected of any.
    assert made.worst_regions == ("menu", "shop", "tally")
    assert made.missed_targets == ("menu", "shop")


def test_organisations_are_ranked_by_reads_and_by_hits() -> None:
    used(local_hits=2000, misses=1000, miss_ns=2_000_000_000, miss_samples=1000)
    used(region="menu", local_hits=100, misses=1, miss_ns=10_000_000, miss_samples=1)
    used(org="tea", local_hits=900, misses=100)
    used(region="menu", org="tea", local_hits=100)
    used(org="cake", local_hits=10, misses=90)
    used(org="rare", misses=99)

    made = report()

    assert [(each.org, each.requests, each.hit_rate) for each in made.busiest_orgs] == [
        ("tea", 1100, 1000 / 1100),
        ("cake", 100, 0.1),
        ("rare", 99, 0.0),
    ]
    # Each hit saves what a miss of its region takes.
    assert made.busiest_orgs[0].queries_saved == 1000
    assert made.busiest_orgs[0].database_ms_saved == 900 * 2.0 + 100 * 10.0
    assert [each.org for each in made.worst_orgs] == ["cake"], "few reads prove nothing, and tea is better than all"


def test_a_hit_saves_what_a_miss_of_one_value_takes_longer() -> None:
    # Ten loads of 36 values each: 3.6 ms for a value, not 129.6.
    measured = {"loads": 10, "load_ns": 1_290_000_000, "miss_ns": 1_296_000_000, "miss_samples": 360}
    times = {"local_ns": 6_000_000, "local_samples": 10, "redis_ns": 16_000_000, "redis_samples": 10}
    used(local_hits=900, redis_hits=69, misses=360, **measured, **times)
    used(org="tea", local_hits=100, redis_hits=10, misses=36)
    used(region="menu", local_hits=5, misses=1, loads=1, load_ns=5)
    used(region="menu", org="cake", local_hits=5)
    shop_of("tea")

    made, of_tea = report(), report(org="tea")
    menu, shop = made.regions

    assert shop.avg_load_ms == 129.0
    assert shop.database_ms_saved == pytest.approx(900 * 3.0 + 69 * 2.0)
    assert menu.database_ms_saved is None, "no miss was measured"
    assert made.total is not None
    assert made.total.database_ms_saved == shop.database_ms_saved
    assert [each.database_ms_saved for each in made.busiest_orgs] == [pytest.approx(320.0), None]
    [its] = of_tea.regions
    assert (its.database_ms_saved, its.loads, its.database_ms) == (pytest.approx(320.0), 1, pytest.approx(129.0))


def test_a_hit_that_takes_longer_than_a_miss_saves_nothing() -> None:
    used(redis_hits=100, misses=1, miss_ns=1, miss_samples=1, redis_ns=50, redis_samples=10)
    assert report().regions[0].database_ms_saved == 0.0


def test_one_region_can_be_asked_for() -> None:
    for region in ("shop", "menu"):
        used(region=region, misses=1)
        used(region=region, org="tea", misses=1)

    made = report(region="menu")

    assert ([each.region for each in made.regions], made.region) == (["menu"], "menu")
    assert [each.requests for each in made.busiest_orgs] == [1]


def test_of_one_organisation_its_rows_count_with_the_loads_of_the_region() -> None:
    shop_of("tea")
    measured = {"loads": 10, "load_ns": 30_000_000, "miss_ns": 30_000_000, "miss_samples": 10}
    used(local_hits=10_000, misses=10, stale=4, **measured)
    used(org="tea", local_hits=60, misses=40)

    made = report(org="tea")
    [shop] = made.regions

    assert (made.org, shop.requests, shop.hit_rate, shop.meets_target) == ("tea", 100, 0.6, False)
    assert (shop.loads, shop.database_ms, shop.database_ms_saved, shop.stale) == (40, 120.0, 180.0, 0)
    assert (made.busiest_orgs, made.worst_orgs) == ((), ())
    assert [each.about for each in made.advice] == ["hit rate"]


def test_advice_is_given_for_each_region_that_needs_it() -> None:
    used(region="menu", misses=100)
    used(stale=1, local_hits=1000)

    assert [(each.region, each.about) for each in report().advice] == [("menu", "hit rate"), ("shop", "stale")]


def test_how_often_is_counted_by_the_time_that_has_passed() -> None:
    # 85 % of 10 reads a minute, in the half hour of this hour that has passed and the hour before.
    used(ago=60, local_hits=765, misses=135)

    assert [each.about for each in report(since=NOW - timedelta(minutes=90, seconds=15)).advice] == ["misses"]


def test_a_region_that_is_no_longer_declared_is_still_reported() -> None:
    used(region="gone", misses=1)
    [gone] = report().regions
    assert (gone.region, gone.label, gone.target, gone.meets_target) == ("gone", "gone", None, None)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"region": "shap"}, UnknownRegion),
        ({"org": "tee"}, UnknownOrganisation),
        ({"since": NOW, "until": NOW}, BadPeriod),
        ({"since": NOW + timedelta(days=1)}, BadPeriod),
    ],
)
def test_a_wrong_question_is_refused(asked: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        report(**asked)


def test_with_an_end_alone_it_is_the_day_before() -> None:
    made = report(until=NOW - timedelta(days=10))
    assert (made.until - made.since, made.step) == (timedelta(hours=25), "hour")
    assert minute_now() * 60 <= NOW.timestamp()


def test_the_preset_is_judged_too() -> None:
    for hour in range(1, 40):
        used(step="hour", ago=30 + HOUR * hour, local_hits=100_000)
    assert report().preset.better == "high_traffic"
