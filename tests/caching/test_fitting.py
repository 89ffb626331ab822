"""Another preset is named when the hours of a week say so, and not before."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from caching.fitting import BUSY, QUIET, preset_fit
from tests.caching.usages import used
from tests.conftest import MovableClock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def now(clock: MovableClock) -> None:
    # 2026-11-23T12:00Z
    clock.seconds = 1795435200.0


def hours(per_minute: float, *hosts: str, count: int = 48) -> None:
    for hour in range(1, count + 1):
        for host in hosts or ("one",):
            reads = round(per_minute * 60 / len(hosts or ("one",)))
            used(step="hour", ago=60 * hour, host=host, local_hits=reads - 2, redis_hits=1, misses=1)
            # Organisations and other regions are not counted twice, or left out.
            used(step="hour", ago=60 * hour, host=host, org="tea", local_hits=10**6)


def better(settings: Settings, preset: str | None) -> str | None:
    settings.CACHING = {**settings.CACHING, "PRESET": preset}
    return preset_fit().better


def test_less_than_a_day_tells_nothing(settings: Settings) -> None:
    hours(BUSY * 2, count=23)
    assert better(settings, "small") is None
    used(step="hour", ago=60 * 24, local_hits=BUSY * 120)
    assert better(settings, "small") == "high_traffic"


def test_what_is_older_than_a_week_no_longer_counts(settings: Settings) -> None:
    for hour in range(200, 230):
        used(step="hour", ago=60 * hour, local_hits=BUSY * 120)
    assert better(settings, "small") is None


@pytest.mark.parametrize(
    ("preset", "fits"),
    [(None, "high_traffic"), ("small", "high_traffic"), ("high_traffic", None), ("multi_location", "high_traffic")],
)
def test_many_reads_on_one_server_are_high_traffic(settings: Settings, preset: str | None, fits: str | None) -> None:
    hours(BUSY)
    assert better(settings, preset) == fits
    assert preset_fit().why == "600 reads a minute in a busy hour, on 1 server"


@pytest.mark.parametrize(
    ("preset", "fits"), [(None, None), ("small", None), ("high_traffic", "small"), ("multi_location", "small")]
)
def test_few_reads_on_one_server_are_small(settings: Settings, preset: str | None, fits: str | None) -> None:
    hours(QUIET - 1)
    assert better(settings, preset) == fits


@pytest.mark.parametrize("preset", [None, "small", "high_traffic", "multi_location"])
def test_in_between_whatever_is_set_fits(settings: Settings, preset: str | None) -> None:
    hours(QUIET)
    assert better(settings, preset) is None


@pytest.mark.parametrize(
    ("preset", "fits"),
    [
        (None, "multi_location"),
        ("small", "multi_location"),
        ("high_traffic", "multi_location"),
        ("multi_location", None),
    ],
)
def test_several_servers_are_many_locations(settings: Settings, preset: str | None, fits: str | None) -> None:
    hours(QUIET / 2, "one", "two")
    assert better(settings, preset) == fits


def test_a_server_that_was_replaced_is_not_a_second_one(settings: Settings) -> None:
    hours(QUIET, "old", count=20)
    for hour in range(20, 48):
        used(step="hour", ago=60 * hour, host="new", local_hits=QUIET * 60)
    assert better(settings, "small") is None


def test_one_busy_hour_is_not_busy(settings: Settings) -> None:
    hours(QUIET, count=40)
    used(step="hour", ago=60, region="menu", local_hits=BUSY * 600)
    assert better(settings, "small") is None
