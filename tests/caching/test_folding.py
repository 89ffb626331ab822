"""Regions with many small values: what is folded in local memory answers as what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.models import QuerySet

from caching.runtime import Runtime, runtime
from caching.tiers import local
from tests.caching.loaders import wait_for_the_background
from tests.caching.stepping import KEY
from tests.conftest import MovableClock
from tests.shop.cached import menu, shop, tally
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

TTL = 300
SHOPS = ("corner", "plaza", "market")


@pytest.fixture(autouse=True)
def all_folded(tiers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything that may be folded be folded, and stay so."""
    monkeypatch.setattr(local, "_MOST_EXPANDED", 0)
    monkeypatch.setattr(local, "_HITS_TO_EXPAND", 1_000_000)
    for slug in SHOPS:
        Shop.objects.create(slug=slug, name=f"old {slug}")
        # With Redis the first read of an organisation makes its epochs, and is not kept.
        shop.get(slug)
        tally.get(slug, "main")
        menu.get(slug)
    assert runtime.local is not None
    runtime.local.clear()
    for region in (shop, tally, menu):
        region.counters.reset()


@pytest.fixture
def filled(clock: MovableClock, settings: Any) -> Callable[..., None]:
    """Give the region its options, and fill it; times are the clock's."""

    def fill(**options: float) -> None:
        options = {"local_ttl": TTL, "redis_ttl": TTL, **options}
        settings.CACHING = {
            **settings.CACHING,
            "REGIONS": {"shop": options},
            "TTL_JITTER": 0.0,
            "LOCAL_TTL_WITHOUT_TRACKING": 10 * TTL,
        }
        runtime.clock = clock
        shop.get("corner")
        assert is_folded()

    return fill


def is_folded() -> bool:
    tier = runtime.local
    assert tier is not None
    assert KEY.local not in tier.entries
    return tier.folded.find(KEY.local) is not None


def test_a_folded_value_is_a_hit(django_assert_num_queries: Any) -> None:
    first = shop.get("corner")
    assert is_folded()

    with django_assert_num_queries(0):
        again, entry = shop.get("corner"), shop.entry("corner")

    assert again == first
    assert entry.body == b'{"slug":"corner","name":"old corner"}'
    assert entry.etag == shop.entry("corner").etag
    assert shop.counters.local_hits == 3


def test_many_folded_values_are_hits(django_assert_num_queries: Any) -> None:
    names = [(slug,) for slug in SHOPS]
    first = shop.get_many(names)
    shop.counters.reset()

    with django_assert_num_queries(0):
        assert shop.get_many(names) == first

    assert shop.counters.local_hits == len(SHOPS)


@pytest.mark.parametrize("tiers", ["with Redis"], indirect=True)
def test_what_redis_told_together_is_folded(monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any) -> None:
    # As if a listener stood.
    monkeypatch.setattr(Runtime, "hears_changes", True)
    names = [(slug,) for slug in SHOPS]

    with django_assert_num_queries(0):
        first = shop.get_many(names)
    assert (shop.counters.redis_hits, shop.counters.local_hits) == (len(SHOPS), 0)
    assert is_folded()

    assert shop.get_many(names) == first
    assert (shop.counters.redis_hits, shop.counters.local_hits) == (len(SHOPS), len(SHOPS))


async def test_coroutines_find_folded_values() -> None:
    first = await shop.aget("corner")
    shop.counters.reset()

    assert await shop.aget("corner") == first

    assert shop.counters.local_hits == 1


def test_that_there_is_no_such_row_is_a_hit_too(django_assert_num_queries: Any) -> None:
    assert tally.get("nowhere", "main") is None
    assert tally.get("nowhere", "main") is None
    tally.counters.reset()

    with django_assert_num_queries(0):
        assert tally.get("nowhere", "main") is None
        assert tally.entry("nowhere", "main").body == b"null"

    assert tally.counters.local_hits == 2


def test_a_write_makes_folded_values_stale() -> None:
    shop.get("corner")
    shop.get("plaza")
    Shop.objects.filter(pk="corner").update(name="new")

    assert shop.get("corner").name == "new"  # type: ignore[union-attr]

    assert shop.get("plaza").name == "old plaza"  # type: ignore[union-attr]
    assert shop.counters.local_hits == 1


@pytest.mark.parametrize("org", ["corner", None])
def test_clearing_a_region_makes_folded_values_stale(org: str | None) -> None:
    shop.get("corner")
    # Unheard by the cache.
    QuerySet(Shop).update(name="by hand")
    shop.clear(org)

    assert shop.get("corner").name == "by hand"  # type: ignore[union-attr]


def test_a_list_of_items_is_not_folded(django_assert_num_queries: Any) -> None:
    empty = menu.get("corner")
    assert empty.results == ()

    with django_assert_num_queries(0):
        assert menu.get("corner") == empty
    assert menu.key("corner").local in runtime.local.entries  # type: ignore[union-attr]


def test_a_folded_value_is_no_hit_when_its_time_is_over(filled: Callable[..., None], clock: MovableClock) -> None:
    filled()
    clock.advance(TTL - 1)
    shop.get("corner")
    assert shop.counters.local_hits == 1

    clock.advance(1)

    assert shop.hit(KEY.local) is None


@pytest.mark.parametrize("tiers", ["local memory alone"], indirect=True)
def test_an_expired_folded_value_stands_in_while_the_database_fails(
    filled: Callable[..., None], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(stale_for=600)
    clock.advance(TTL + 1)

    def fails(*_: Any, using: str) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(shop, "_load", fails)
    entry = shop.entry("corner")

    assert (entry.body, entry.stale) == (b'{"slug":"corner","name":"old corner"}', True)
    assert is_folded()


def test_local_memory_that_is_not_trusted_has_no_folded_values(monkeypatch: pytest.MonkeyPatch) -> None:
    shop.get("corner")
    assert shop.hit(KEY.local) is not None
    tier = runtime.local
    assert tier is not None
    tier.trusted_until = 0.0
    monkeypatch.setattr(runtime, "trust", lambda tier: False)

    assert shop.hit(KEY.local) is None


def test_folded_values_are_counted_as_entries() -> None:
    for slug in SHOPS:
        shop.get(slug)

    numbers = runtime.statistics.process()["shop"]

    assert numbers["entries"] == len(SHOPS)
    assert numbers["bytes"] == sum(18 + 24 + 14 + len(shop.entry(slug).body) for slug in SHOPS)


@pytest.mark.parametrize("tiers", ["local memory alone"], indirect=True)
def test_one_hit_loads_a_folded_value_anew_before_its_time(
    settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True, "REGIONS": {"shop": {"local_ttl": 100}}}
    runtime.clock = clock
    monkeypatch.setattr("caching.regions.lead", lambda cost: 50.0)
    shop.get("corner")
    assert is_folded()
    shop.counters.reset()
    Shop.objects.filter(pk="plaza").update(name="new")
    clock.advance(50)
    monkeypatch.setattr(local, "_MOST_EXPANDED", 1)

    for _ in range(3):
        shop.get("corner")
    wait_for_the_background()

    assert (shop.counters.refreshed, shop.counters.loads, shop.counters.local_hits) == (1, 1, 3)
