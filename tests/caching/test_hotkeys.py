"""The keys that were read most are written down, as keys alone, and loaded anew at the next start."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.conf import settings as settings_of_django
from django.db import OperationalError
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from billing.cached import customer_balance
from caching.hotkeys import HotKeys, hot_keys, hot_keys_load
from caching.keys import Key
from caching.models import HotKey
from caching.registry import registry
from caching.runtime import runtime
from tests.caching.operators import rename_unnoticed, shop_of
from tests.conftest import MovableClock
from tests.shop import cached
from tests.shop.models import Dish

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = "+447700900123"


@pytest.fixture(autouse=True)
def orgs_are_shops(shops: None, clock: MovableClock) -> None:
    """Every test here moves the clock, and has shops for organisations."""


@pytest.fixture
def most(settings: Settings) -> Callable[[int], None]:
    def set_most(count: int) -> None:
        settings.CACHING = {**settings.CACHING, "HOT_KEYS": count}

    return set_most


def read(*names: tuple[Any, ...]) -> None:
    """Let the observer have seen reads, of (region, org, *parts): the first the most."""
    keys = {(region, "default", *rest): float(len(names) - index) for index, (region, *rest) in enumerate(names)}
    observe(keys)


def observe(hits: dict[Any, float]) -> None:
    runtime.usage.observe(msgspec.structs.replace(runtime.activity.take(), hits=hits))


def written() -> list[tuple[str, str, str]]:
    return list(HotKey.objects.order_by("-seen_at", "-weight").values_list("region", "org", "parts"))


def hot(region: str, org: str = "tea", parts: str = "[]", **more: Any) -> HotKey:
    fields = {"host": "h", "weight": 1.0, "seen_at": datetime.fromtimestamp(runtime.clock.wall(), UTC), **more}
    return HotKey.objects.create(region=region, org=org, parts=parts, **fields)


class TestWriting:
    def test_the_busiest_keys_are_written_with_their_typed_parts(self) -> None:
        dish = uuid.uuid4()
        read(("shop", "tea"), ("tally", "tea", "hot"), ("dish", "tea", dish), ("tagged", "tea", 5))

        assert HotKeys().write() == 4

        assert written() == [
            ("shop", "tea", "[]"),
            ("tally", "tea", '["shot"]'),
            ("dish", "tea", f'["u{dish.hex}"]'),
            ("tagged", "tea", '["i5"]'),
        ]
        assert {key.parts for key in hot_keys(regions=["dish", "tagged"])} <= {(dish,), (5,)}

    def test_keys_that_tell_of_people_are_not_written(self) -> None:
        read(("customer_balance", "tea", PHONE), ("shop", "tea"))

        HotKeys().write()

        assert written() == [("shop", "tea", "[]")]

    def test_keys_of_other_databases_and_very_long_ones_are_not_written(self) -> None:
        keys = {
            ("shop", "other", "tea"): 9.0,
            ("tally", "default", "tea", "x" * 600): 9.0,
            ("shop", "default", "y" * 65): 9.0,
        }
        observe(keys)

        assert HotKeys().write() == 0
        assert written() == []

    def test_the_list_keeps_the_latest_seen_and_no_more_than_the_setting_says(
        self, most: Callable[[int], None], clock: MovableClock
    ) -> None:
        most(3)
        read(("shop", "a"), ("shop", "b"))
        HotKeys().write()
        # What was read once is forgotten by the rates, and not by the list.
        clock.advance(3600)
        runtime.reset()
        read(("shop", "c"), ("shop", "b"))
        HotKeys().write()

        assert [org for _, org, _ in written()] == ["c", "b", "a"]

        clock.advance(3600)
        runtime.reset()
        read(("shop", "d"))
        HotKeys().write()

        assert [org for _, org, _ in written()] == ["d", "c", "b"]

    def test_a_test_run_that_ends_leaves_the_sites_own_list_alone(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        hot_of_tests = HotKeys()
        hot_of_tests.lead()
        read(("shop", "only in tests"))
        with monkeypatch.context() as afterwards:
            afterwards.setitem(settings_of_django.DATABASES["default"], "NAME", str(tmp_path / "the site's"))
            hot_of_tests.stop()
        assert written() == []

        hot_of_tests.stop()
        assert written() == [("shop", "only in tests", "[]")]

    def test_another_hosts_list_stays_until_it_is_a_week_old(self, clock: MovableClock) -> None:
        hot("menu", host="another")
        read(("shop", "tea"))
        HotKeys().write()
        assert {region for region, _, _ in written()} == {"shop", "menu"}

        clock.advance(timedelta(days=8).total_seconds())
        runtime.reset()
        read(("shop", "tea"))
        HotKeys().write()
        assert written() == [("shop", "tea", "[]")]

    def test_a_quiet_host_keeps_its_list(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        hot("menu", host=runtime.statistics.host_id)

        with django_assert_num_queries(0):
            assert HotKeys().write() == 0
        assert written() == [("menu", "tea", "[]")]

    def test_nothing_is_written_when_it_is_off(self, most: Callable[[int], None]) -> None:
        most(0)
        read(("shop", "tea"))

        assert HotKeys().write() == 0
        assert not HotKey.objects.exists()


class TestWhen:
    def test_the_leading_process_writes_every_five_minutes(self, clock: MovableClock) -> None:
        runtime.observer.tick()
        assert runtime.observer.leads
        read(("shop", "tea"))

        clock.advance(299)
        runtime.observer.tick()
        assert not HotKey.objects.exists()
        clock.advance(1)
        runtime.observer.tick()
        assert written() == [("shop", "tea", "[]")]

    def test_a_write_that_fails_is_not_tried_again_every_second(
        self, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried = []

        def fail(self: HotKeys) -> int:
            tried.append(1)
            raise OperationalError("locked")

        monkeypatch.setattr(HotKeys, "write", fail)
        consumer = HotKeys()
        clock.advance(300)
        with pytest.raises(OperationalError):
            consumer.lead()
        consumer.lead()
        assert tried == [1]

    def test_a_leader_that_ends_writes_and_others_do_not(self) -> None:
        read(("shop", "tea"))
        follower, leader = HotKeys(), HotKeys()

        follower.stop()
        assert not HotKey.objects.exists()
        leader.lead()
        leader.stop()
        assert written() == [("shop", "tea", "[]")]

    def test_the_observer_has_one_that_writes_when_the_process_ends(self) -> None:
        runtime.observer.tick()
        read(("shop", "tea"))

        runtime.at_exit()

        assert written() == [("shop", "tea", "[]")]

    def test_a_process_ends_though_its_list_cannot_be_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(self: HotKeys) -> int:
            raise OperationalError("gone")

        monkeypatch.setattr(HotKeys, "write", fail)
        leader = HotKeys()
        leader.lead()
        leader.stop()


class TestLoading:
    def test_the_value_is_the_databases_of_now(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        shop_of("tea", name="old")
        cached.shop.get("tea")
        read(("shop", "tea"))
        HotKeys().write()
        # Another run: nothing of the first is in memory.
        runtime.reset()
        rename_unnoticed("tea", "new")

        assert hot_keys_load() == {"shop": 1}

        with django_assert_num_queries(0):
            copy = cached.shop.get("tea")
        assert copy is not None
        assert copy.name == "new"

    def test_loading_counts_as_nobodys_request(self) -> None:
        shop_of("tea")
        hot("shop")
        hot_keys_load()
        assert (cached.shop.counters.misses, cached.shop.counters.redis_hits) == (0, 0)

    def test_lists_are_loaded_whole(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        Dish.objects.create(shop=shop_of("tea"), name="Soup")
        hot("menu")
        assert hot_keys_load() == {"menu": 1}
        with django_assert_num_queries(0):
            assert cached.menu.get("tea").count == 1

    @pytest.mark.parametrize(
        ("region", "org", "parts"),
        [
            ("gone", "tea", "[]"),
            ("shop", "nowhere", "[]"),
            ("shop", "tea", '["i5"]'),
            ("tally", "tea", "[]"),
            ("tally", "tea", "tea"),
            ("tally", "tea", '["?"]'),
            ("tally", "tea", '["uno"]'),
            ("tally", "tea", "[5]"),
            ("customer_balance", "tea", f'["s{PHONE}"]'),
        ],
    )
    def test_what_fits_no_region_or_organisation_any_more_is_passed_over(
        self, region: str, org: str, parts: str
    ) -> None:
        shop_of("tea")
        hot(region, org, parts)
        hot("shop")

        assert hot_keys() == [Key("shop", "tea")]
        assert hot_keys_load() == {"shop": 1}

    def test_what_a_loader_refuses_does_not_hinder_the_others(self) -> None:
        dish = Dish.objects.create(shop=shop_of("tea"), name="Soup")
        # A dish has one part, which a loader of many alone does not tell.
        hot("dish", parts='["i1", "i2"]', weight=2.0)
        hot("dish", parts=f'["u{dish.pk.hex}"]')

        assert hot_keys_load() == {"dish": 1}
        assert cached.dish.hit(("dish", "default", "tea", dish.pk)) is not None

    def test_a_database_that_is_away_is_not_asked_for_each_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def away(names: Any, *, using: str) -> Any:
            asked.append(names)
            raise OperationalError("gone")

        monkeypatch.setattr(cached.dish, "_load_many", away)
        shop_of("tea")
        for number in range(5):
            hot("dish", parts=f'["i{number}"]')
        with pytest.raises(OperationalError):
            hot_keys_load()
        assert len(asked) == 1

    def test_the_latest_and_busiest_come_first_and_each_once(
        self, most: Callable[[int], None], clock: MovableClock
    ) -> None:
        for slug in ("a", "b", "c", "d"):
            shop_of(slug)
        hot("shop", "a", weight=9.0)
        clock.advance(60)
        hot("shop", "b", weight=1.0)
        hot("shop", "c", weight=2.0)
        hot("shop", "c", weight=1.5, host="another")
        assert [key.org for key in hot_keys()] == ["c", "b", "a"]
        most(2)
        assert [key.org for key in hot_keys()] == ["c", "b"]
        most(0)
        assert hot_keys() == []

    def test_what_was_last_seen_a_week_ago_is_not_loaded(self, clock: MovableClock) -> None:
        shop_of("tea")
        hot("shop")
        clock.advance(timedelta(days=8).total_seconds())
        assert hot_keys() == []

    def test_regions_and_organisations_can_be_named(self) -> None:
        shop_of("a")
        shop_of("b")
        hot("shop", "a")
        hot("shop", "b")
        hot("menu", "b")
        assert hot_keys_load(orgs=["b"]) == {"shop": 1, "menu": 1}
        assert hot_keys_load(regions=["shop"]) == {"shop": 2}

    def test_where_nobody_can_tell_organisations_every_name_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry, "organisations", None)
        hot("shop", "nowhere")
        assert hot_keys() == [Key("shop", "nowhere")]


def test_balances_are_declared_personal() -> None:
    assert customer_balance.personal
