"""Lists made of items: cheap to mend after one change, and never a mixture of two states."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from caching import CachingError
from caching.epochs import guard_names
from caching.invalidation import Invalidation
from caching.keys import Key
from caching.runtime import Runtime, runtime
from caching.steps import Load
from tests.conftest import MovableClock
from tests.shop.cached import dish, menu
from tests.shop.models import Dish, Review, Shop

pytestmark = pytest.mark.django_db(transaction=True)

KEY = Key("menu", "corner")


@pytest.fixture(autouse=True)
def dishes() -> list[Dish]:
    Shop.objects.create(slug="corner", name="Corner")
    return [Dish.objects.create(shop_id="corner", name=f"dish {number}") for number in range(5)]


def names() -> list[str]:
    return [each.name for each in menu.get("corner").results]


def test_a_list_is_sent_as_its_items_joined(tiers: str) -> None:
    entry = menu.entry("corner")
    parts = [dish.entry("corner", each.id).body for each in menu.get("corner").results]
    assert entry.body == b'{"count":5,"results":[' + b",".join(parts) + b"]}"
    assert msgspec.json.decode(entry.body)["count"] == 5


def test_a_second_read_needs_no_database(tiers: str, django_assert_num_queries: Any) -> None:
    assert names() == [f"dish {number}" for number in range(5)]
    with django_assert_num_queries(0):
        assert names() == [f"dish {number}" for number in range(5)]
    assert (menu.counters.misses, menu.counters.local_hits) == (1, 1)
    assert dish.counters.local_hits == dish.counters.misses == 0, "the items of a list are no requests of their own"


def test_another_process_of_the_same_redis_needs_no_database(redis: Any, django_assert_num_queries: Any) -> None:
    names()
    runtime.local.clear()  # type: ignore[union-attr]
    with django_assert_num_queries(0):
        assert len(names()) == 5
    assert menu.counters.redis_hits == 1


def test_after_one_items_update_one_row_and_the_list_of_ids_are_read(tiers: str, dishes: list[Dish]) -> None:
    names()
    dishes[2].name = "dish 2 with rice"
    dishes[2].save()
    with CaptureQueriesContext(connection) as queries:
        assert names()[2] == "dish 2 with rice"
    loads = [query["sql"] for query in queries]
    assert len(loads) == 3, "ids and versions; the dish; its reviews"
    assert dishes[2].pk.hex in loads[1]
    assert dishes[1].pk.hex not in loads[1]


def test_many_lists_found_in_redis_have_their_items(
    redis: Any, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(Runtime, "hears_changes", True)
    Shop.objects.create(slug="rival", name="Rival")
    Dish.objects.create(shop_id="rival", name="another")
    loaded = menu.get_many([("corner",), ("rival",)])
    assert [len(listing.results) for listing in loaded.values()] == [5, 1]
    runtime.local.clear()  # type: ignore[union-attr]
    with django_assert_num_queries(0):
        assert menu.get_many([("corner",), ("rival",)]) == loaded
        assert menu.get("corner") == loaded["corner",]


def test_an_empty_list_is_cached_like_any_other(tiers: str, django_assert_num_queries: Any) -> None:
    Dish.objects.all().delete()
    assert menu.get("corner").results == ()
    with django_assert_num_queries(0):
        assert menu.entry("corner").body == b'{"count":0,"results":[]}'


def test_a_list_whose_item_changed_between_two_steps_is_mended_and_not_kept(tiers: str, dishes: list[Dish]) -> None:
    steps = menu.read([KEY])
    step = next(steps)
    while not (isinstance(step, Load) and step.region is dish):
        step = steps.send(step.run())
    Dish.objects.filter(pk=dishes[0].pk).update(name="changed")
    try:
        while True:
            step = steps.send(step.run())
    except StopIteration as done:
        listing = menu.value(done.value[KEY])
    assert [each.name for each in listing.results] == ["changed", *(f"dish {number}" for number in range(1, 5))]
    assert [each.version for each in listing.results] == list(
        Dish.objects.order_by("name").values_list("version", flat=True)
    )
    assert runtime.local is not None
    assert KEY.local not in runtime.local.entries


def menu_read_while_a_dish_leaves(leaving: Dish) -> Any:
    """Read the menu; the dish is deleted after the list was read and before the dishes are."""
    steps = menu.read([KEY])
    step = next(steps)
    while not (isinstance(step, Load) and step.region is dish):
        step = steps.send(step.run())
    leaving.delete()
    try:
        while True:
            step = steps.send(step.run())
    except StopIteration as done:
        return menu.value(done.value[KEY])


def test_an_item_that_left_between_two_steps_is_in_no_list(tiers: str, dishes: list[Dish]) -> None:
    listing = menu_read_while_a_dish_leaves(dishes[0])
    assert (listing.count, [each.name for each in listing.results]) == (4, [f"dish {number}" for number in range(1, 5)])


def test_what_is_no_row_any_more_has_no_version_at_all(tiers: str, dishes: list[Dish]) -> None:
    Dish.objects.filter(pk=dishes[0].pk).update(version=-1)
    assert None not in menu_read_while_a_dish_leaves(dishes[0]).results


def test_a_list_under_writes_without_end_still_answers(dishes: list[Dish], monkeypatch: pytest.MonkeyPatch) -> None:
    load = dish.load_rows

    def after_a_write(*args: Any) -> Any:
        Dish.objects.update(kind="again")
        return load(*args)

    monkeypatch.setattr(dish, "load_rows", after_a_write)
    assert len(menu.get("corner").results) == 5


def test_while_a_writer_is_pending_the_list_is_read_and_not_kept(tiers: str) -> None:
    write = Invalidation([KEY, KEY.scope])
    write.begin()
    assert len(names()) == 5
    assert menu.counters.bypassed == 1
    assert runtime.local is not None
    assert KEY.local not in runtime.local.entries
    write.finish()


def test_inside_a_transaction_that_wrote_the_list_is_the_transactions_own(tiers: str, dishes: list[Dish]) -> None:
    names()
    with transaction.atomic():
        Dish.objects.create(shop_id="corner", name="extra")
        assert "extra" in names()
        transaction.set_rollback(True)
    assert "extra" not in names()


def test_a_change_of_an_items_child_makes_the_list_stale(tiers: str, dishes: list[Dish]) -> None:
    names()
    Review.objects.create(dish=dishes[0], stars=5)
    assert menu.get("corner").results[0].stars == 5


def test_around_the_cache_a_list_comes_from_the_database(tiers: str, django_assert_num_queries: Any) -> None:
    names()
    with django_assert_num_queries(3):
        assert len(menu.get("corner", use_cache=False).results) == 5


def test_a_local_list_lives_as_long_as_its_region_says(clock: MovableClock) -> None:
    names()
    clock.advance(119)
    names()
    assert menu.counters.local_hits == 1
    clock.advance(2)
    names()
    assert menu.counters.misses == 2


def test_a_local_list_lives_no_longer_than_the_copies_it_is_made_of(clock: MovableClock, dishes: list[Dish]) -> None:
    dish.get("corner", dishes[0].id)
    clock.advance(dish.local_ttl - 20)
    names()
    # As another host would, unheard.
    QuerySet(Dish).filter(name="dish 0").update(name="another", version=1)
    clock.advance(30)
    assert names()[0] == "another"


def test_the_list_in_redis_holds_ids_and_versions_only(redis: Any, dishes: list[Dish]) -> None:
    names()
    raw = redis.get(guard_names(KEY)[0])
    assert str(dishes[0].version).encode() in raw
    assert b"dish 0" not in raw


async def test_the_coroutine_twin_reads_the_same_list(tiers: str) -> None:
    first = await menu.aget("corner")
    assert first == await menu.aget("corner")
    assert len(first.results) == 5
    assert menu.counters.local_hits == 1


def test_a_region_without_a_way_to_load_is_refused() -> None:
    from caching import Region
    from tests.shop.cached import ShopCopy

    with pytest.raises(CachingError, match="needs load="):
        Region("nothing", ShopCopy, local_ttl=1, redis_ttl=1)


def test_a_list_and_its_items_that_both_changed_meanwhile_are_read_anew(dishes: list[Dish]) -> None:
    steps = menu.read([KEY])
    step = next(steps)
    while not (isinstance(step, Load) and step.region is dish):
        step = steps.send(step.run())
    Dish.objects.filter(pk=dishes[0].pk).update(name="zz", version=1)
    loaded = step.run()
    Dish.objects.filter(pk=dishes[0].pk).update(name="zzz", version=2)
    try:
        step = steps.send(loaded)
        while True:
            step = steps.send(step.run())
    except StopIteration as done:
        listing = menu.value(done.value[KEY])
    assert [each.name for each in listing.results][-1] == "zzz"
    assert listing.results[-1].version == 2
