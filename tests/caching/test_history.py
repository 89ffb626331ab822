"""Minutes are written once, whoever leads; hours and days are added up from them, and what is old is forgotten."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError
from django.db.models import QuerySet
from pytest_django.fixtures import Settings

from caching.history import History, add_up
from caching.models import CacheUsage
from caching.periods import Step, floor
from caching.runtime import runtime
from caching.stats import COUNTERS
from caching.usage import MinuteRow
from tests.caching.operators import shop_of
from tests.caching.usages import minute_row, used
from tests.conftest import MovableClock
from tests.shop import cached

pytestmark = pytest.mark.django_db

NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp() // 60)
HOUR, DAY = 60, 1440


class Told:
    """The observer's minutes, made by hand; as there, only the last few can be had."""

    def __init__(self) -> None:
        self.rows: dict[int, list[MinuteRow]] = {}
        self.asked: list[int] = []

    def minutes(self, minute: int) -> list[MinuteRow]:
        self.asked.append(minute)
        return self.rows.get(minute, [])

    def add(self, *rows: MinuteRow) -> None:
        for row in rows:
            self.rows.setdefault(row.minute, []).append(row)


@pytest.fixture
def told(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> Told:
    clock.seconds = NOON * 60.0
    made = Told()
    monkeypatch.setattr(runtime.usage, "minutes", made.minutes)
    return made


@pytest.fixture
def leader(told: Told) -> History:
    return History()


def at(clock: MovableClock, minute: int, seconds: float = 5.0) -> None:
    clock.seconds = minute * 60.0 + seconds


def kept(step: Step = "minute", *figures: str, **of: Any) -> list[tuple[Any, ...]]:
    return list(
        CacheUsage.objects.filter(step=step, **of)
        .order_by("start", "region", "org")
        .values_list("start", "region", "org", *(figures or ("misses",)))
    )


def test_a_minute_is_written_when_it_is_over_and_all_have_told(
    clock: MovableClock, told: Told, leader: History
) -> None:
    told.add(minute_row(NOON, misses=3), minute_row(NOON, "menu", misses=4))
    for seconds in (0.0, 59.0, 60.0, 64.0):
        at(clock, NOON, seconds)
        leader.lead()
        assert kept() == []

    at(clock, NOON + 1)
    leader.lead()

    assert kept() == [(NOON, "menu", "", 4), (NOON, "shop", "", 3)]
    assert set(CacheUsage.objects.values_list("host", flat=True)) == {runtime.statistics.host_id}


def test_every_figure_is_kept(clock: MovableClock, told: Told, leader: History) -> None:
    numbers = {name: number for number, name in enumerate(COUNTERS, 1)}
    told.add(minute_row(NOON, **numbers, of_another_release=7))
    at(clock, NOON + 1)
    leader.lead()

    row = CacheUsage.objects.get()
    assert {name: getattr(row, name) for name in COUNTERS} == numbers


def test_it_is_looked_at_once_a_minute(clock: MovableClock, told: Told, leader: History) -> None:
    at(clock, NOON + 1)
    leader.lead()
    told.asked.clear()
    for seconds in (6, 30, 64):
        at(clock, NOON + 1, seconds)
        leader.lead()
    assert told.asked == []

    at(clock, NOON + 2)
    leader.lead()
    assert told.asked == [NOON + 1]


def test_nothing_happened_means_no_question_to_the_database(
    clock: MovableClock, told: Told, leader: History, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        for minute in range(NOON, NOON + 130):
            at(clock, minute)
            leader.lead()


def test_who_leads_next_writes_no_minute_twice(clock: MovableClock, told: Told, leader: History) -> None:
    told.add(minute_row(NOON, misses=3), minute_row(NOON, org="tea", misses=1))
    at(clock, NOON + 1)
    leader.lead()
    told.add(minute_row(NOON + 1, misses=5))
    at(clock, NOON + 2)

    other = History()
    other.lead()
    leader.lead()

    assert kept() == [(NOON, "shop", "", 3), (NOON, "shop", "tea", 1), (NOON + 1, "shop", "", 5)]


def test_minutes_that_were_missed_are_written_late(clock: MovableClock, told: Told, leader: History) -> None:
    at(clock, NOON)
    leader.lead()
    told.add(*(minute_row(NOON + late, misses=late) for late in range(9)))
    at(clock, NOON + 9)
    leader.lead()

    assert [row[-1] for row in kept()] == [4, 5, 6, 7, 8], "those that can still be had"


def test_a_clock_that_was_set_back_writes_what_is_new(clock: MovableClock, told: Told, leader: History) -> None:
    told.add(minute_row(NOON, misses=1), minute_row(NOON + 120, misses=2))
    at(clock, NOON + 121)
    leader.lead()
    at(clock, NOON + 1)
    leader.lead()

    assert kept() == [(NOON, "shop", "", 1), (NOON + 120, "shop", "", 2)]


def test_of_organisations_the_busiest_are_kept(
    clock: MovableClock, told: Told, leader: History, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.add(minute_row(NOON, misses=60), minute_row(NOON, "menu", misses=6))
    for org, reads in (("tea", 3), ("cake", 30), ("soup", 20)):
        told.add(minute_row(NOON, org=org, local_hits=reads))
    # Over all regions tea is read more than soup.
    told.add(minute_row(NOON, "menu", "tea", redis_hits=40))
    monkeypatch.setitem(settings.CACHING, "HISTORY_ORGS", 2)
    at(clock, NOON + 1)
    leader.lead()

    assert [row[1:3] for row in kept()] == [
        ("menu", ""),
        ("menu", "tea"),
        ("shop", ""),
        ("shop", "cake"),
        ("shop", "tea"),
    ]


@pytest.mark.parametrize("org", ["x" * 65, "a\0b", "\ud800", "line\nbreak"])
def test_a_name_that_no_database_takes_does_no_harm(clock: MovableClock, told: Told, leader: History, org: str) -> None:
    told.add(minute_row(NOON, misses=2), minute_row(NOON, org=org, misses=1), minute_row(NOON, org="tea", misses=1))
    at(clock, NOON + 1)
    leader.lead()

    assert [row[2] for row in kept()] == ["", "tea"]


def run(clock: MovableClock, leader: History, minutes: Iterable[int]) -> None:
    for minute in minutes:
        at(clock, minute)
        leader.lead()


def test_an_hour_is_added_up_from_its_minutes(clock: MovableClock, told: Told, leader: History) -> None:
    for minute, size in ((0, 100), (20, 900), (59, 159)):
        told.add(minute_row(NOON + minute, misses=minute + 1, entries=minute, bytes=size))
        told.add(minute_row(NOON + minute, org="tea", misses=1))
    run(clock, leader, range(NOON + 1, NOON + 60))
    assert kept("hour") == []
    run(clock, leader, [NOON + 60])

    assert kept("hour", "misses", "entries", "bytes", org="") == [(NOON, "shop", "", 82, 59, 159)]
    assert kept("hour", "peak_bytes", org="") == [(NOON, "shop", "", 900)]
    assert kept("hour", "misses", "entries", "bytes", org="tea") == [(NOON, "shop", "tea", 3, 0, 0)]
    assert kept("day") == []


def test_an_hour_whose_last_minute_is_idle_is_added_up_all_the_same(
    clock: MovableClock, told: Told, leader: History
) -> None:
    told.add(minute_row(NOON, misses=1), minute_row(NOON + 30, misses=2))
    run(clock, leader, range(NOON + 1, NOON + 61))

    assert kept("hour") == [(NOON, "shop", "", 3)]


def test_an_hour_is_added_up_again_when_a_minute_came_late(clock: MovableClock, told: Told, leader: History) -> None:
    told.add(minute_row(NOON + 58, misses=1), minute_row(NOON + 58, org="tea", misses=1))
    run(clock, leader, [NOON + 59])
    told.add(minute_row(NOON + 59, misses=10), minute_row(NOON + 59, org="tea", misses=10))
    # As another leader does that does not know of the last minute.
    add_up("hour", runtime.statistics.host_id, NOON)
    assert kept("hour") == [(NOON, "shop", "", 1), (NOON, "shop", "tea", 1)]

    run(clock, leader, [NOON + 62])

    assert kept("hour") == [(NOON, "shop", "", 11), (NOON, "shop", "tea", 11)]


def test_who_is_no_longer_among_the_busiest_of_the_hour_loses_the_row(
    told: Told, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.CACHING, "HISTORY_ORGS", 1)
    hour = {"step": "minute", "ago": 0}
    used(**hour, misses=5), used(**hour, org="tea", misses=5)
    add_up("hour", "one", NOON)
    used(ago=-1, misses=9), used(ago=-1, org="cake", misses=9)
    add_up("hour", "one", NOON)

    assert kept("hour") == [(NOON, "shop", "", 14), (NOON, "shop", "cake", 9)]


def test_a_day_is_added_up_from_its_hours(clock: MovableClock, told: Told, leader: History) -> None:
    midnight = floor(NOON, "day") + DAY
    for hour in range(5):
        used(
            step="hour",
            host=runtime.statistics.host_id,
            ago=HOUR * hour,
            misses=10,
            entries=9,
            bytes=7,
            peak_bytes=80 * hour,
        )
    told.add(minute_row(midnight - 1, misses=3, entries=4))
    run(clock, leader, range(midnight - 2, midnight + 1))

    assert kept("hour")[-1] == (midnight - HOUR, "shop", "", 3)
    assert kept("day", "misses", "entries", "peak_bytes") == [(midnight - DAY, "shop", "", 53, 4, 320)]


def test_a_leader_adds_up_what_the_one_before_left(clock: MovableClock, told: Told, leader: History) -> None:
    mine = runtime.statistics.host_id
    used(host=mine, ago=70, misses=4)
    used(host=mine, step="hour", ago=2 * DAY, misses=6)
    told.add(minute_row(NOON, misses=1))
    run(clock, leader, [NOON + 1])

    assert kept("hour", start=floor(NOON - 70, "hour")) == [(floor(NOON - 70, "hour"), "shop", "", 4)]
    assert kept("day") == [(floor(NOON - 2 * DAY, "day"), "shop", "", 6)]


def test_hosts_that_are_gone_are_added_up_by_others_but_not_too_soon(
    clock: MovableClock, told: Told, leader: History
) -> None:
    used(host="gone", ago=5, misses=4)
    told.add(*(minute_row(NOON + minute, misses=1) for minute in range(120)))
    run(clock, leader, range(NOON, NOON + 50, 5))
    assert kept("hour", host="gone") == [], "it may just be writing its last minutes"

    run(clock, leader, range(NOON + 50, NOON + 65))
    assert kept("hour", host="gone") == [(NOON - HOUR, "shop", "", 4)]


def test_what_is_old_is_added_up_and_then_forgotten(
    clock: MovableClock, told: Told, leader: History, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caching.history._BATCH", 3)
    history = {"minute": 3 * 3600, "hour": 3 * 86400, "day": 10 * 86400}
    monkeypatch.setitem(settings.CACHING, "HISTORY", history)
    for ago in range(10 * HOUR, 10 * HOUR + 8):
        used(host="gone", ago=ago, misses=1)
    used(host="gone", ago=3 * HOUR, misses=5)
    used(step="hour", host="gone", ago=9 * DAY, misses=7)
    used(step="day", host="gone", ago=12 * DAY + 12 * HOUR, misses=9)
    told.add(minute_row(NOON, misses=1))
    run(clock, leader, [NOON + 1])

    assert kept(host="gone") == [(NOON - 3 * HOUR, "shop", "", 5)]
    assert (NOON - 10 * HOUR, "shop", "", 1) in kept("hour", host="gone")
    assert (NOON - 11 * HOUR, "shop", "", 7) in kept("hour", host="gone")
    assert kept("day", host="gone") == [(floor(NOON - 9 * DAY, "day"), "shop", "", 7)]


def test_much_that_is_old_is_forgotten_little_by_little(
    clock: MovableClock, told: Told, leader: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caching.history._BATCH", 2)
    monkeypatch.setattr("caching.history._MOST_BATCHES", 3)
    for ago in range(20):
        used(step="day", ago=500 * DAY + ago * DAY, misses=1)
    told.add(minute_row(NOON, misses=1))

    run(clock, leader, [NOON + 1])
    assert CacheUsage.objects.filter(step="day").count() == 14
    run(clock, leader, range(NOON + 2, NOON + 70))
    assert CacheUsage.objects.filter(step="day").count() == 8


@pytest.mark.parametrize("nothing", [None, {}])
def test_history_can_be_switched_off(
    clock: MovableClock, told: Told, leader: History, settings: Settings, monkeypatch: pytest.MonkeyPatch, nothing: Any
) -> None:
    monkeypatch.setitem(settings.CACHING, "HISTORY", nothing)
    told.add(minute_row(NOON, misses=1))
    run(clock, leader, [NOON + 1])

    assert kept() == []


def test_a_database_that_fails_is_told_once_left_alone_and_tried_again(
    clock: MovableClock, told: Told, leader: History, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told.add(minute_row(NOON, misses=1))
    tries: list[int] = []

    def fails(*_: Any, **__: Any) -> None:
        tries.append(1)
        raise DatabaseError("the row of tea is locked")

    with monkeypatch.context() as broken, caplog.at_level(logging.WARNING, "caching"):
        broken.setattr(QuerySet, "bulk_create", fails)
        for seconds in range(5, 35):
            at(clock, NOON + 1, seconds)
            leader.lead()
    assert len(tries) == 3, "every ten seconds"
    said = [record.getMessage() for record in caplog.records]
    assert said == ["History is not written, and tried again: DatabaseError"]

    at(clock, NOON + 1, 36)
    leader.lead()
    assert kept() == [(NOON, "shop", "", 1)]


def test_another_process_that_writes_at_the_same_moment_is_no_error(
    clock: MovableClock, told: Told, leader: History, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def conflict(*_: Any, **__: Any) -> None:
        raise IntegrityError("UNIQUE constraint failed")

    told.add(minute_row(NOON, misses=1))
    monkeypatch.setattr(QuerySet, "bulk_create", conflict)
    run(clock, leader, [NOON + 1])

    assert not caplog.records


def test_a_row_cannot_be_there_twice() -> None:
    used(misses=1)
    with pytest.raises(IntegrityError):
        used(misses=1)


def test_two_hosts_write_their_own_rows(
    clock: MovableClock, told: Told, leader: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.add(minute_row(NOON, misses=1))
    for host in ("one", "two"):
        monkeypatch.setattr(type(runtime.statistics), "host_id", host)
        run(clock, History(), [NOON + 1])

    assert sorted(CacheUsage.objects.values_list("host", "misses")) == [("one", 1), ("two", 1)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shops")
def test_what_is_read_is_history_a_minute_later(clock: MovableClock) -> None:
    shop_of("tea")
    at(clock, NOON)
    runtime.observer.tick()
    for _ in range(3):
        cached.shop.get("tea")
    at(clock, NOON + 1)
    runtime.observer.tick()
    at(clock, NOON + 2)
    runtime.observer.tick()

    assert isinstance(runtime.observer.consumer(History), History)
    assert kept("minute", "local_hits", "misses", org="", start__gt=NOON) == [(NOON + 1, "shop", "", 2, 1)]
