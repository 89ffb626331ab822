"""Organisations are warmed before they open: in time, once, not all at once, and never at somebody's expense."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from caching.registry import registry
from caching.runtime import runtime
from caching.schedule import BeforeOpening
from caching.warming import WarmUpState, warm_up
from restaurant.profiles.cached import profile
from tests.caching.operators import shop_of
from tests.conftest import MovableClock
from tests.factories import BusinessProfileFactory
from tests.shop import cached

Load = tuple[float, tuple[str, ...], tuple[str, ...]]


class Openings:
    """Who opens when, by the clock's `wall`; counts how often it was asked."""

    def __init__(self) -> None:
        self.moments: dict[str, list[float]] = {}
        self.asked = 0

    def __call__(self, since: datetime, until: datetime) -> Iterable[tuple[str, datetime]]:
        self.asked += 1
        for org, moments in self.moments.items():
            for moment in moments:
                if since.timestamp() <= moment < until.timestamp():
                    yield org, datetime.fromtimestamp(moment, UTC)


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> Openings:
    known = Openings()
    monkeypatch.setattr(registry, "openings", known)
    return known


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, clock: MovableClock) -> list[Load]:
    """What is loaded, instead of loading it: (when, regions, organisations)."""
    found: list[Load] = []

    def load(*, regions: tuple[str, ...], orgs: list[str]) -> None:
        found.append((clock.wall(), tuple(regions), tuple(orgs)))

    monkeypatch.setattr("caching.schedule.cache_load", load)
    return found


def run(consumer: BeforeOpening, clock: MovableClock, seconds: float, step: float = 1.0) -> None:
    for _ in range(round(seconds / step)):
        if consumer._is_due():
            consumer.work()
        clock.advance(step)


def times_of(loads: list[Load], region: str, org: str) -> list[float]:
    return [at for at, regions, orgs in loads if region in regions and org in orgs]


class TestWhen:
    def test_each_region_is_loaded_once_so_that_half_its_life_is_left(
        self, openings: Openings, loads: list[Load], clock: MovableClock
    ) -> None:
        opening = clock.wall() + 3600
        openings.moments = {"tea": [opening]}

        run(BeforeOpening(), clock, 4000)

        # Without Redis a shop lives 300 seconds, an order 120 and a balance 600.
        for region, lead in (("shop", 150), ("active_orders", 60), ("customer_balance", 300)):
            [at] = times_of(loads, region, "tea")
            assert opening - lead <= at < opening, region

    @pytest.mark.usefixtures("redis")
    def test_with_redis_its_time_to_live_counts_and_the_setting_bounds_it(
        self, openings: Openings, loads: list[Load], clock: MovableClock
    ) -> None:
        opening = clock.wall() + 3600
        openings.moments = {f"shop-{number}": [opening] for number in range(50)}

        run(BeforeOpening(), clock, 3700)

        early = [opening - times_of(loads, "shop", org)[0] for org in openings.moments]
        # 600 seconds, not half of 3600.
        assert 500 < max(early) <= 600

    def test_a_region_that_declares_nothing_is_left_alone(
        self, openings: Openings, loads: list[Load], clock: MovableClock
    ) -> None:
        openings.moments = {"tea": [clock.wall() + 10]}
        run(BeforeOpening(), clock, 20)
        assert loads
        assert all("menu" not in regions for _, regions, _ in loads)

    def test_a_thousand_that_open_together_are_spread(
        self, openings: Openings, loads: list[Load], clock: MovableClock
    ) -> None:
        opening = clock.wall() + 1200
        openings.moments = {f"org-{number}": [opening] for number in range(1000)}

        run(BeforeOpening(), clock, 1300)

        at_once: Counter[float] = Counter()
        loaded = set()
        for at, regions, orgs in loads:
            if "shop" in regions:
                at_once[at] += len(orgs)
                loaded.update(orgs)
        assert loaded == set(openings.moments)
        # 1,000 over 135 seconds are seven or eight in each.
        assert max(at_once.values()) < 30
        assert max(at_once) < opening

    def test_a_second_opening_of_the_day_is_one_more(
        self, openings: Openings, loads: list[Load], clock: MovableClock
    ) -> None:
        openings.moments = {"tea": [clock.wall() + 1000, clock.wall() + 9000]}
        run(BeforeOpening(), clock, 10_000, step=10)
        assert len(times_of(loads, "shop", "tea")) == 2

    def test_hours_that_change_are_heeded_with_the_next_look(
        self, openings: Openings, loads: list[Load], clock: MovableClock
    ) -> None:
        consumer, begin = BeforeOpening(), clock.wall()
        openings.moments = {"tea": [begin + 590], "cake": [begin + 590]}
        run(consumer, clock, 10)
        openings.moments = {"tea": [begin + 5000]}
        run(consumer, clock, 2000)
        assert times_of(loads, "customer_balance", "cake") == []
        assert times_of(loads, "customer_balance", "tea") == []

    def test_it_is_seldom_asked_who_opens(self, openings: Openings, loads: list[Load], clock: MovableClock) -> None:
        run(BeforeOpening(), clock, 3000)
        assert openings.asked == 10


class TestRestart:
    """A process that is started 5 seconds before an opening, when all should have been loaded."""

    @pytest.mark.parametrize(
        ("state", "times"),
        [
            (WarmUpState.NOT_WANTED, 1),
            (WarmUpState.FAILED, 1),
            (WarmUpState.DONE, 0),
            (WarmUpState.WARMING, 0),
        ],
    )
    def test_what_start_up_warms_is_not_warmed_again(
        self,
        openings: Openings,
        loads: list[Load],
        clock: MovableClock,
        monkeypatch: pytest.MonkeyPatch,
        state: WarmUpState,
        times: int,
    ) -> None:
        monkeypatch.setattr(warm_up, "state", state)
        openings.moments = {"tea": [clock.wall() + 5]}
        run(BeforeOpening(), clock, 5)
        assert len(times_of(loads, "shop", "tea")) == times

    def test_what_is_due_after_the_start_is_loaded_all_the_same(
        self, openings: Openings, loads: list[Load], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(warm_up, "state", WarmUpState.DONE)
        openings.moments = {"tea": [clock.wall() + 3600]}
        run(BeforeOpening(), clock, 3600)
        assert len(times_of(loads, "shop", "tea")) == 1


class TestFailures:
    def test_errors_are_said_once_without_what_they_quote_and_tried_again_later(
        self,
        openings: Openings,
        clock: MovableClock,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        tried = []

        def fail(**_: Any) -> None:
            tried.append(clock.wall())
            raise OperationalError("secret +447700900123")

        monkeypatch.setattr("caching.schedule.cache_load", fail)
        openings.moments = {"tea": [clock.wall() + 1000]}
        with caplog.at_level(logging.WARNING, "caching"):
            run(BeforeOpening(), clock, 1000)
        assert len(tried) > 1
        assert len(caplog.records) == 1
        assert "Caches were not warmed before an opening: OperationalError" in caplog.text
        assert "secret" not in caplog.text

    def test_what_failed_is_loaded_when_it_works_again(
        self, openings: Openings, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fails, found = [True], []

        def load(*, regions: tuple[str, ...], orgs: list[str]) -> None:
            if "customer_balance" in regions:
                if fails:
                    fails.pop()
                    raise OperationalError("locked")
                found.append(orgs)

        monkeypatch.setattr("caching.schedule.cache_load", load)
        # Its place is early enough to be tried again by the look that follows.
        openings.moments = {f"org-{number}": [clock.wall() + 590] for number in range(20)}
        run(BeforeOpening(), clock, 590)
        assert not fails
        assert sorted(org for orgs in found for org in orgs) == sorted(openings.moments)

    def test_who_cannot_be_asked_is_not_asked_every_second(
        self, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        asked = []

        def fail(*_: datetime) -> Iterable[tuple[str, datetime]]:
            asked.append(1)
            raise OperationalError("away")

        monkeypatch.setattr(registry, "openings", fail)
        run(BeforeOpening(), clock, 100)
        assert len(asked) == 1
        assert len(caplog.records) == 1

    @pytest.mark.usefixtures("redis_down")
    def test_redis_that_is_away_is_said_in_plain_words(
        self, openings: Openings, clock: MovableClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        openings.moments = {"tea": [clock.wall() + 5]}
        run(BeforeOpening(), clock, 5)
        assert "not warmed before an opening: Nothing was warmed: Redis did not answer" in caplog.text


class TestOff:
    def test_nothing_is_asked_or_loaded_when_the_setting_is_0(
        self, openings: Openings, loads: list[Load], clock: MovableClock, settings: Settings
    ) -> None:
        settings.CACHING = {**settings.CACHING, "WARM_BEFORE_OPENING": 0}
        openings.moments = {"tea": [clock.wall() + 100]}
        run(BeforeOpening(), clock, 200)
        assert (openings.asked, loads) == (0, [])

    def test_where_nobody_knows_openings_nothing_is_due(
        self, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registry, "openings", None)
        assert not BeforeOpening()._is_due()


class TestThread:
    def test_a_thread_loads_and_closes_its_connections(
        self, openings: Openings, clock: MovableClock, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.CACHING = {**settings.CACHING, "BACKGROUND": True, "OBSERVE_SECONDS": 0}
        closed_by, loaded_by, go_on = [], [], threading.Event()
        monkeypatch.setattr(connections, "close_all", lambda: closed_by.append(threading.current_thread().name))

        def load(**_: Any) -> None:
            loaded_by.append(threading.current_thread().name)
            go_on.wait(60)

        monkeypatch.setattr("caching.schedule.cache_load", load)
        openings.moments = {"tea": [clock.wall() + 1]}
        consumer = BeforeOpening()
        consumer.observe(runtime.activity.take())
        thread = consumer._thread
        assert thread is not None
        # While it loads, no second one is started.
        clock.advance(1000)
        consumer.observe(runtime.activity.take())
        assert consumer._thread is thread
        go_on.set()
        thread.join(60)
        assert closed_by == ["caching-opening"]
        assert set(loaded_by) == {"caching-opening"}

    def test_a_process_without_threads_starts_none(self, openings: Openings, clock: MovableClock) -> None:
        consumer = BeforeOpening()
        consumer.observe(runtime.activity.take())
        assert consumer._thread is None
        assert openings.asked == 0

    def test_a_process_that_ends_begins_no_other_load(
        self, openings: Openings, clock: MovableClock, loads: list[Load]
    ) -> None:
        openings.moments = {"tea": [clock.wall() + 1]}
        consumer = BeforeOpening()
        consumer.stop()
        consumer.work()
        assert loads == []

    def test_the_observer_has_one(self, clock: MovableClock) -> None:
        assert runtime.observer.consumer(BeforeOpening)


@pytest.mark.django_db(transaction=True)
class TestForReal:
    def test_the_first_request_after_the_opening_finds_everything(
        self, openings: Openings, clock: MovableClock, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        shop_of("tea")
        shop_of("cake")
        opening = clock.wall() + 900
        openings.moments = {"tea": [opening]}
        run(BeforeOpening(), clock, 900)
        with django_assert_num_queries(0):
            assert cached.shop.get("tea") is not None
        with django_assert_num_queries(1):
            cached.shop.get("cake")

    @pytest.mark.usefixtures("redis")
    def test_with_redis_the_second_process_asks_the_database_nothing(
        self, openings: Openings, clock: MovableClock
    ) -> None:
        shop_of("tea")
        openings.moments = {"tea": [clock.wall() + 5]}
        first, second = BeforeOpening(), BeforeOpening()
        first.work()
        assert cached.shop.counters.loads == 1

        runtime.drop_local()
        second.work()

        assert cached.shop.counters.loads == 1
        assert cached.shop.hit(("shop", "default", "tea")) is not None

    def test_a_restaurants_own_hours_and_holidays_decide(
        self, movable_to: Callable[[datetime], None], clock: MovableClock
    ) -> None:
        hours = {"mon": [["11:00", "15:00"]]}
        closed = [{"first": "2026-11-23", "last": "2026-11-23"}]
        opens = BusinessProfileFactory(opening_hours=hours, time_zone="Europe/Rome")
        rests = BusinessProfileFactory(opening_hours=hours, time_zone="Europe/Rome", holidays=closed)
        # Monday, 10:55 in Rome.
        movable_to(datetime(2026, 11, 23, 9, 55, tzinfo=UTC))
        run(BeforeOpening(), clock, timedelta(minutes=5).total_seconds())
        assert profile.hit(("profile", "default", opens.pk)) is not None
        assert profile.hit(("profile", "default", rests.pk)) is None


@pytest.fixture
def movable_to(clock: MovableClock) -> Callable[[datetime], None]:
    def move(moment: datetime) -> None:
        clock.advance(moment.timestamp() - clock.seconds)
        # Stamps and tiers are those of now.
        runtime.reset()

    return move
