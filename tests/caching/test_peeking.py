"""What a hit would be, found without a trace."""

from __future__ import annotations

from typing import Any

import pytest

from caching.audit import Judge, Verdict
from caching.keys import Key
from caching.noting import note_stamps
from caching.peeking import Served, peek
from caching.regions import Region
from caching.runtime import runtime
from caching.stamps import key_name_slot
from tests.caching.auditing import TEA, counted, named, settle
from tests.caching.operators import rename_unnoticed, shop_of
from tests.caching.stepping import forget_here
from tests.conftest import MovableClock
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

MENU = Key("menu", "tea")


@pytest.fixture(autouse=True)
def tea(clock: MovableClock) -> Shop:
    return shop_of("tea", "old")


def peeked(region: Region[Any], key: Key) -> Served | None:
    noted, pending = note_stamps([key])
    assert not pending
    return peek(region, key, noted)


def test_local_memory_is_looked_at_first(redis: Any, clock: MovableClock) -> None:
    named()
    here = peeked(shop, TEA)
    forget_here()
    there = peeked(shop, TEA)

    assert here == Served(b'{"slug":"tea","name":"old"}', ())
    assert there == Served(b'{"slug":"tea","name":"old"}', (clock.wall(),))


def test_what_is_nowhere_is_not_loaded(tiers: str) -> None:
    assert peeked(shop, TEA) is None
    assert peeked(menu, MENU) is None
    assert (shop.counters.loads, menu.counters.loads) == (0, 0)


def test_redis_out_of_reach_has_nothing(cable: Any) -> None:
    named()
    forget_here()
    cable.unplug()

    assert peeked(shop, TEA) is None


def test_a_list_in_redis_is_composed_as_a_reader_would(redis: Any, tea: Shop) -> None:
    Dish.objects.create(shop=tea, name="soup")
    body = menu.entry("tea").body
    forget_here()

    found = peeked(menu, MENU)

    assert found is not None
    assert (found.body, len(found.made)) == (body, 2)


def test_a_list_one_of_whose_items_is_gone_is_no_hit(redis: Any, tea: Shop) -> None:
    soup = Dish.objects.create(shop=tea, name="soup")
    menu.get("tea")
    forget_here()
    dish.invalidate("tea", soup.pk)

    assert peeked(menu, MENU) is None


def test_a_list_one_of_whose_items_a_writer_has_is_no_hit(redis: Any, tea: Shop) -> None:
    soup = Dish.objects.create(shop=tea, name="soup")
    menu.get("tea")
    forget_here()
    assert runtime.stamps is not None
    runtime.stamps.pend([key_name_slot(Key("dish", "tea", (soup.pk,)).name)])

    assert peeked(menu, MENU) is None


def test_a_list_of_another_version_than_its_items_is_no_hit(redis: Any, tea: Shop) -> None:
    soup = Dish.objects.create(shop=tea, name="soup")
    menu.get("tea")
    forget_here()
    rows = Dish.objects.filter(pk=soup.pk)
    rows.update(name="stew")
    dish.get("tea", soup.pk)
    # The list alone is brought back as it was before.
    menu.invalidate("tea")
    menu._load, load = (lambda org, using: type(load(org, using=using))(count=1, items=((soup.pk, 0),))), menu._load
    try:
        menu.get("tea")
    finally:
        menu._load = load
    forget_here()

    assert peeked(menu, MENU) is None


def test_a_peek_is_no_request_and_leaves_nothing(redis: Any) -> None:
    named()
    requests = shop.counters.local_hits, shop.counters.redis_hits, shop.counters.misses
    forget_here()
    before = set(redis.keys("*v:*"))

    for key in (TEA, Key("shop", "nobody")):
        peeked(shop, key)

    assert (shop.counters.local_hits, shop.counters.redis_hits, shop.counters.misses) == requests
    assert set(redis.keys("*v:*")) == before
    assert runtime.local is not None
    assert not runtime.local.entries


def test_where_there_are_no_stamps_a_value_that_was_made_anew_is_looked_at_anew(
    redis: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge()
    named()
    # Without stamps only the values themselves tell.
    monkeypatch.setitem(runtime.__dict__, "stamps", None)
    monkeypatch.setitem(runtime.__dict__, "local", None)
    rename_unnoticed(name="new")
    judge.look(TEA)
    looks = 0

    def flip() -> None:
        nonlocal looks
        looks += 1
        rename_unnoticed(name="old")
        shop.invalidate("tea")
        clock.advance(0.01)
        assert named() == "old"
        rename_unnoticed(name="new")

    assert settle(judge, clock, before=flip) is Verdict.UNDECIDED
    assert (looks, counted()) == (3, (0, 0))
