"""Clearing clears, warming loads, mistakes are told before anything is done, and all of it is recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from uuid import uuid4

import pytest
from bson import ObjectId
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError
from django.db.models import QuerySet
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from caching import invalidation, outbox
from caching.errors import HostFileError, MarkFailed, RedisUnavailable, UnknownKey, UnknownOrganisation, UnknownRegion
from caching.keys import Key
from caching.models import CacheEvent, PendingInvalidation
from caching.operations import (
    cache_clear,
    cache_clear_key,
    cache_clear_rows,
    cache_load,
    cache_warm,
    cache_warm_key,
    cache_warm_rows,
)
from tests.caching.operators import rename_unnoticed, shop_of
from tests.factories import UserFactory
from tests.shop import cached
from tests.shop.models import Dish, Label, Shop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shops")]


def shown(slug: str = "tea") -> str | None:
    copy = cached.shop.get(slug)
    return copy and copy.name


def events() -> list[tuple[str, str, str, str]]:
    return list(CacheEvent.objects.order_by("at").values_list("action", "region", "org_id", "key"))


def dishes_of(shop: Shop, *names: str, kind: str | None = None) -> list[Dish]:
    return [Dish.objects.create(shop=shop, name=name, kind=kind) for name in names]


def served(*dishes: Dish) -> list[str | None]:
    copies = [cached.dish.get("tea", dish.pk) for dish in dishes]
    return [copy and copy.name for copy in copies]


def rename_dish_unnoticed(dish: Dish, name: str) -> None:
    QuerySet(Dish).filter(pk=dish.pk).update(name=name)


@pytest.mark.parametrize(
    ("regions", "orgs"), [((), ()), (("shop",), ()), ((), ("tea",)), (("shop", "menu"), ("tea", "cake"))]
)
@pytest.mark.usefixtures("tiers")
def test_what_is_cleared_is_read_from_the_database(regions: tuple[str, ...], orgs: tuple[str, ...]) -> None:
    shop_of("tea")
    shop_of("cake")
    assert shown() == "old"
    rename_unnoticed()
    assert shown() == "old"

    cache_clear(regions=regions, orgs=orgs)

    assert shown() == "new"


@pytest.mark.parametrize(("regions", "orgs"), [(("menu",), ()), ((), ("cake",)), (("shop",), ("cake",))])
def test_what_is_not_meant_stays_cached(regions: tuple[str, ...], orgs: tuple[str, ...]) -> None:
    shop_of("tea")
    shop_of("cake")
    shown()
    rename_unnoticed()

    cache_clear(regions=regions, orgs=orgs)

    assert shown() == "old"


def test_each_target_leaves_a_record_with_the_user() -> None:
    shop_of("tea")
    user = UserFactory()

    cache_clear(regions=["shop", "menu"], orgs=["tea"], user=user)
    cache_warm(orgs=["tea"], user=user)

    assert events() == [("clear", "shop", "tea", ""), ("clear", "menu", "tea", ""), ("warm", "", "tea", "")]
    assert {event.user for event in CacheEvent.objects.all()} == {user}


def test_a_warm_up_is_recorded_with_how_many_values_each_target_loaded() -> None:
    dishes_of(shop_of("tea"), "bun")
    shop_of("cake")

    cache_warm(regions=["shop", "menu"], orgs=["tea", "cake"])
    cache_warm()
    cache_clear(orgs=["tea"])

    assert set(CacheEvent.objects.values_list("action", "region", "org_id", "loaded")) == {
        ("warm", "shop", "tea", 1),
        ("warm", "shop", "cake", 1),
        ("warm", "menu", "tea", 0),
        ("warm", "menu", "cake", 0),
        ("warm", "", "", 2),
        ("clear", "", "tea", None),
    }


@pytest.mark.usefixtures("tiers")
def test_clearing_one_key_tells_whether_it_was_there() -> None:
    (bun,) = dishes_of(shop_of(), "bun")
    served(bun)

    assert cache_clear_key(region="dish", org="tea", parts=[str(bun.pk)]) is True
    assert cache_clear_key(region="dish", org="tea", parts=[str(bun.pk)]) is False


def test_a_command_and_a_stranger_are_recorded_without_a_name() -> None:
    cache_clear()
    cache_clear(user=AnonymousUser())

    assert list(CacheEvent.objects.values_list("user", flat=True)) == [None, None]


def test_unknown_names_are_told_before_anything_is_done() -> None:
    shop_of("tea")
    shown()
    rename_unnoticed()

    with pytest.raises(UnknownRegion, match="'shap'"):
        cache_clear(regions=["shop", "shap"])
    with pytest.raises(UnknownOrganisation, match="'coffee', 'tee'"):
        cache_clear(orgs=["tea", "tee", "coffee"])
    with pytest.raises(UnknownOrganisation, match="'tee'"):
        cache_warm(orgs=["tee"])
    with pytest.raises(UnknownRegion):
        cache_warm_key(region="shap", org="tea", parts=[])

    assert shown() == "old"
    assert events() == []


@pytest.mark.usefixtures("tiers")
def test_one_key_is_cleared_and_its_neighbours_stay() -> None:
    bun, pie = dishes_of(shop_of(), "bun", "pie")
    served(bun, pie)
    rename_dish_unnoticed(bun, "roll")
    rename_dish_unnoticed(pie, "tart")

    cache_clear_key(region="dish", org="tea", parts=[str(bun.pk)])

    assert served(bun, pie) == ["roll", "pie"]
    assert events() == [("clear", "dish", "tea", Key("dish", "tea", [bun.pk]).name)]


@pytest.mark.parametrize(
    "kind", ["2026-03-14", "2026-13-14", "5d0c7a4e-6ff5-4b7e-9d0f-0d1a8bb6a3a1", "507f1f77bcf86cd799439011", "bread"]
)
def test_text_that_looks_like_something_else_is_cleared_as_text_too(kind: str) -> None:
    shop = shop_of()
    dishes_of(shop, "bun", kind=kind)
    assert cached.tally.get("tea", kind) == cached.Tally(dishes=1, rate=0)
    QuerySet(Shop).update(rate=7)

    cache_clear_key(region="tally", org="tea", parts=[kind])

    assert cached.tally.get("tea", kind) == cached.Tally(dishes=1, rate=7)


def test_a_date_in_a_key_is_named_as_a_date_in_the_record() -> None:
    shop_of()

    cache_clear_key(region="tally", org="tea", parts=["2026-03-14", 5])

    assert events() == [("clear", "tally", "tea", Key("tally", "tea", [date(2026, 3, 14), 5]).name)]


def test_an_object_id_in_a_key_is_named_as_one_in_the_record() -> None:
    shop_of()

    cache_clear_key(region="tagged", org="tea", parts=["507f1f77bcf86cd799439011"])

    assert events() == [("clear", "tagged", "tea", Key("tagged", "tea", [ObjectId("507f1f77bcf86cd799439011")]).name)]


@pytest.mark.usefixtures("tiers")
def test_what_is_warmed_is_found_without_the_database(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    shop_of("tea")
    shop_of("cake")
    batches: list[tuple[str, int]] = []

    loaded = cache_warm(on_batch=lambda *batch: batches.append(batch))

    assert loaded == {**dict.fromkeys(loaded, 0), "shop": 2}
    assert batches == [("shop", 2)]
    with django_assert_num_queries(0):
        assert [shown("tea"), shown("cake")] == ["old", "old"]


def test_only_what_is_named_is_warmed() -> None:
    shop_of("tea")
    shop_of("cake")

    assert cache_warm(regions=["shop"], orgs=["cake"]) == {"shop": 1}
    assert cache_load(regions=["menu", "shop"]) == {"menu": 0, "shop": 2}


def test_one_key_is_warmed_and_a_missing_row_counts_for_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    (bun,) = dishes_of(shop_of(), "bun")

    assert cache_warm_key(region="dish", org="tea", parts=[str(bun.pk)]) == {"dish": 1}
    assert cache_warm_key(region="dish", org="tea", parts=[str(uuid4())]) == {"dish": 0}

    with django_assert_num_queries(0):
        assert served(bun) == ["bun"]
    assert [event[:3] for event in events()] == [("warm", "dish", "tea")] * 2


@pytest.mark.parametrize("parts", [[], ["bread"], ["2026-03-14", 1]])
def test_a_key_that_the_region_cannot_load_is_told(parts: list[str | int]) -> None:
    shop_of()

    with pytest.raises(UnknownKey, match="Region 'dish' has no keys with such parts"):
        cache_warm_key(region="dish", org="tea", parts=parts)

    assert events() == []


@pytest.mark.usefixtures("tiers")
def test_clearing_rows_clears_whatever_depends_on_them() -> None:
    bun, pie = dishes_of(shop_of(), "bun", "pie")
    served(bun, pie)
    cached.menu.get("tea")
    rename_dish_unnoticed(bun, "roll")
    rename_dish_unnoticed(pie, "tart")

    cache_clear_rows(rows=Dish.objects.filter(pk=bun.pk), user=None)

    assert served(bun, pie) == ["roll", "pie"]
    assert {event[:3] for event in events()} == {("clear", "dish", "tea"), ("clear", "menu", "tea")}


def test_very_many_keys_of_one_shop_are_cleared_and_recorded_as_one(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "WIDE_MARK_ABOVE": 2}
    some = dishes_of(shop_of(), "bun", "pie", "tart")
    served(*some)
    for dish in some:
        rename_dish_unnoticed(dish, dish.name + "!")

    cache_clear_rows(rows=Dish.objects.all())

    assert served(*some) == ["bun!", "pie!", "tart!"]
    assert ("clear", "dish", "tea", "") in events()
    assert len([event for event in events() if event[1] == "dish"]) == 1


def test_warming_rows_loads_what_is_hot_of_their_shops() -> None:
    tea, cake = shop_of("tea"), shop_of("cake")

    assert cache_warm_rows(rows=Shop.objects.filter(pk=cake.pk)) == {"shop": 1, "tally": 0}
    assert cache_warm_rows(rows=Shop.objects.none()) == {}
    Label.objects.create(shop=tea, text="vegan")
    assert cache_warm_rows(rows=Label.objects.all()) == {"labels": 0}


@pytest.mark.usefixtures("redis_down")
def test_without_redis_a_clear_waits_in_the_outbox_and_is_recorded() -> None:
    shop = shop_of()
    PendingInvalidation.objects.all().delete()

    cache_clear()
    cache_clear(regions=["menu"], orgs=["tea"])
    cache_clear_key(region="labels", org=shop.pk, parts=[])
    cache_clear_rows(rows=Shop.objects.all())

    waiting = list(PendingInvalidation.objects.values_list("kind", "name"))
    assert waiting[:3] == [("clear", "e:"), ("clear", "e:s:{tea}:menu"), ("key", "{tea}:labels")]
    assert set(waiting[3:]) == {("key", "{tea}:shop"), ("scope", "{tea}:tally")}
    assert len(events()) == 5


@pytest.mark.usefixtures("redis_down")
@pytest.mark.parametrize("clear", [cache_clear, partial(cache_clear_key, region="shop", org="tea", parts=[])])
def test_a_clear_that_not_even_the_outbox_takes_is_not_recorded_and_says_to_try_again(
    clear: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise OperationalError("no such table")

    shop_of()
    monkeypatch.setattr(outbox, "insert", broken)

    with pytest.raises(RedisUnavailable, match=r"Clearing did not finish: .* OperationalError\. Try again"):
        clear()

    assert events() == []


@pytest.mark.usefixtures("redis_down")
def test_without_redis_nothing_is_warmed_and_the_error_says_to_try_again() -> None:
    shop = shop_of()
    for operation in (lambda: cache_warm(), lambda: cache_warm_key(region="shop", org=shop.pk, parts=[])):
        with pytest.raises(RedisUnavailable, match=r"Nothing was warmed: Redis did not answer.* Try again"):
            operation()

    assert events() == []


def test_a_full_table_of_writers_is_told_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shop_of()

    def full(items: object, **options: object) -> None:
        raise MarkFailed("The write was rolled back.") from HostFileError("Too many processes.")

    monkeypatch.setattr(invalidation, "invalidate", full)

    with pytest.raises(RedisUnavailable, match="Clearing did not finish: Too many processes"):
        cache_clear_key(region="shop", org="tea", parts=[])


def test_what_depends_on_many_of_the_rows_is_recorded_once() -> None:
    dishes_of(shop_of(), "bun", "pie")

    cache_clear_rows(rows=Dish.objects.all())

    assert [event[:3] for event in events() if event[1] == "menu"] == [("clear", "menu", "tea")]
