"""What follows something read is loaded: which key that is, in what context, and how often it was right."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from caching.following import Follows
from caching.prefetch import Prefetcher
from caching.registry import registry
from caching.runtime import runtime
from tests.caching.foreseeing import rename, switch, tick
from tests.caching.operators import shop_of
from tests.conftest import MovableClock
from tests.shop import cached
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch, prefetcher: Prefetcher) -> None:
    monkeypatch.setattr(cached.tally, "follows", (Follows("shop", parts=lambda found: (found.name,)),))


def test_what_follows_something_read_is_loaded(following: None) -> None:
    shop_of("tea", "hot")
    shop.get("tea")
    tick()
    assert cached.tally.counters.prefetched == 1

    cached.tally.get("tea", "hot")
    assert (cached.tally.counters.prefetch_hits, cached.tally.counters.misses) == (1, 0)


def test_a_key_that_follows_may_have_the_same_parts(prefetcher: Prefetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menu, "follows", (Follows("shop"),))
    shop_of("tea")
    shop.get("tea")
    tick()
    assert menu.counters.prefetched == 1


def test_what_was_foreseen_and_is_read_has_followers_too(following: None) -> None:
    shop_of("tea", "hot")
    shop.get("tea")
    tick()
    Shop.objects.filter(pk="tea").update(name="cold")
    tick()
    assert (shop.counters.prefetched, cached.tally.counters.prefetched) == (1, 1)

    shop.get("tea")
    tick()

    assert (shop.counters.misses, cached.tally.counters.prefetched) == (1, 2)


def test_an_item_that_a_list_has_loaded_has_followers_once_it_is_read_itself(
    tiers: str, settings: Settings, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch(settings)
    monkeypatch.setattr(cached.tally, "follows", (Follows("dish", parts=lambda found: (found.name,)),))
    monkeypatch.setitem(vars(registry), "followed", frozenset({"dish"}))
    shop_of("tea")
    row = Dish.objects.create(shop_id="tea", name="hot")
    menu.get("tea")
    tick()
    assert cached.tally.counters.prefetched == 0, "nobody has asked for the dish"

    for _ in range(3):
        assert dish.get("tea", row.pk) is not None
    tick()

    assert (dish.counters.local_hits, dish.counters.prefetch_hits, dish.counters.prefetched) == (3, 0, 0)
    assert cached.tally.counters.prefetched == 1


def test_items_are_hit_plainly_where_nothing_is_predicted(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(registry), "followed", frozenset({"dish"}))
    shop_of("tea")
    row = Dish.objects.create(shop_id="tea", name="hot")
    menu.get("tea")

    assert runtime.local is not None
    assert not runtime.local.entries["dish", "default", "tea", row.pk].unasked


def test_in_another_context_it_is_guessed_anew(prefetcher: Prefetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    follows = Follows("shop", parts=lambda found: ("hot",), context=lambda found: found.name)
    monkeypatch.setattr(cached.tally, "follows", (follows,))
    prefetcher._odds.judge(("after early", "tally", "tea"), came_true=False)
    shop_of("tea", "early")
    shop.get("tea")
    tick()
    assert cached.tally.counters.prefetched == 0

    rename(name="late")
    shop.get("tea")
    tick()

    assert cached.tally.counters.prefetched == 1
    assert prefetcher.chance("after early", "tally", "tea") == pytest.approx(1 / 4), "nobody had asked by then"
    cached.tally.get("tea", "hot")
    tick()
    assert prefetcher.chance("after late", "tally", "tea") > 0.5


def test_in_the_same_context_one_guess_is_made(prefetcher: Prefetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    follows = Follows("shop", parts=lambda found: ("hot",), context=lambda found: "same")
    monkeypatch.setattr(cached.tally, "follows", (follows,))
    prefetcher._odds.judge(("after same", "tally", "tea"), came_true=False)
    shop_of("tea")
    for number in range(3):
        rename(name=f"name {number}")
        shop.get("tea")
        tick()
    assert prefetcher.chance("after same", "tally", "tea") == pytest.approx(1 / 3)


def test_what_is_there_already_is_not_loaded_and_no_guess(following: None, prefetcher: Prefetcher) -> None:
    shop_of("tea", "hot")
    cached.tally.get("tea", "hot")
    shop.get("tea")
    tick()
    assert cached.tally.counters.prefetched == 0


def test_nothing_follows_where_the_declaration_says_so(prefetcher: Prefetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menu, "follows", (Follows("shop", parts=lambda found: None),))
    shop_of("tea")
    shop.get("tea")
    tick()
    assert menu.counters.prefetched == 0


def test_a_guess_that_is_not_followed_is_judged_all_the_same(following: None, prefetcher: Prefetcher) -> None:
    for _ in range(3):
        prefetcher._odds.judge(("after", "tally", "tea"), came_true=False)
    shop_of("tea", "hot")
    for number in range(4):
        Shop.objects.filter(pk="tea").update(name=f"hot {number}")
        shop.get("tea")
        tick()
        assert cached.tally.counters.prefetched == 0 or number > 1
        cached.tally.get("tea", f"hot {number}")
        tick()
    assert prefetcher.chance("after", "tally", "tea") >= 0.5
