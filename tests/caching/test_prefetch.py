"""Prediction loads what will be asked for next, judges itself, and keeps to its budget."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.models import CacheUsage
from caching.prefetch import Prefetcher
from caching.reporting import cache_report
from caching.runtime import runtime
from tests.caching.foreseeing import rename, switch, tick
from tests.caching.operators import shop_of
from tests.conftest import MovableClock
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish

pytestmark = pytest.mark.django_db(transaction=True)


def outcome() -> tuple[int, int, int]:
    """What the region has loaded ahead, what of that was asked for, and its misses."""
    return shop.counters.prefetched, shop.counters.prefetch_hits, shop.counters.misses


# --- what became stale ------------------------------------------------------------------------------------------------


def test_what_is_read_and_becomes_stale_is_loaded_before_it_is_asked_for(
    tiers: str, settings: Settings, clock: MovableClock
) -> None:
    switch(settings)
    shop_of("tea")
    shop.get("tea")
    tick()
    rename()
    tick()
    assert outcome() == (1, 0, 1)

    assert shop.get("tea").name == "new"  # type: ignore[union-attr]

    assert outcome() == (1, 1, 1)
    assert shop.counters.local_hits == 1


def test_it_is_asked_for_once_however_often_it_is_read(prefetcher: Prefetcher) -> None:
    shop_of("tea")
    shop.get("tea")
    tick()
    rename()
    tick()
    for _ in range(5):
        shop.get("tea")
    assert outcome() == (1, 1, 1)


def test_what_another_process_writes_is_noticed_too(prefetcher: Prefetcher) -> None:
    shop_of("tea")
    shop.get("tea")
    tick()
    runtime.activity.take()
    stamps = runtime.stamps
    assert stamps is not None
    entry = runtime.local.entries["shop", "default", "tea"]  # type: ignore[union-attr]
    stamps.bump([entry.key_slot])
    tick()

    assert outcome() == (1, 0, 1)


def test_a_list_is_loaded_ahead_when_all_of_its_organisation_becomes_stale(prefetcher: Prefetcher) -> None:
    shop_of("tea")
    menu.get("tea")
    tick()
    Dish.objects.create(shop_id="tea", name="scone")
    tick()
    assert menu.counters.prefetched == 1

    assert menu.get("tea").count == 1  # type: ignore[union-attr]
    assert (menu.counters.prefetch_hits, menu.counters.misses) == (1, 1)


def test_an_item_that_its_list_has_brought_is_no_load_of_its_own(prefetcher: Prefetcher) -> None:
    shop_of("tea")
    row = Dish.objects.create(shop_id="tea", name="scone")
    menu.get("tea")
    dish.get("tea", row.pk)
    dish.counters.left = 1
    dish.get("tea", row.pk)
    tick()
    Dish.objects.filter(pk=row.pk).update(name="cake")
    tick()

    assert (menu.counters.prefetched, dish.counters.prefetched) == (1, 0)
    assert sum(count for _, count in prefetcher._spent) == 1


def test_what_is_written_and_never_read_is_soon_left_alone_and_taken_up_again_when_it_is(
    prefetcher: Prefetcher,
) -> None:
    shop_of("tea")
    shop.get("tea")
    tick()
    for number in range(20):
        rename(name=f"name {number}")
        tick()
    wasted = shop.counters.prefetched
    assert 0 < wasted < 5
    assert prefetcher.chance("stale", "shop", "tea") < 0.5

    for number in range(20):
        rename(name=f"other {number}")
        tick()
        shop.get("tea")
        tick()
    assert shop.counters.prefetched > wasted
    assert prefetcher.chance("stale", "shop", "tea") > 0.5
    assert shop.counters.prefetch_hits > 10


# --- what expired -----------------------------------------------------------------------------------------------------


def test_what_is_read_and_expires_is_loaded_anew_once(prefetcher: Prefetcher, clock: MovableClock) -> None:
    shop_of("tea")
    shop.get("tea")
    tick()
    clock.advance(shop.local_ttl + 1)
    tick()
    assert outcome() == (1, 0, 1)

    # Nobody asks: it expires again, and that was that.
    clock.advance(shop.local_ttl + 1)
    tick()
    tick()
    assert outcome() == (1, 0, 1)
    assert prefetcher.chance("expired", "shop", "tea") < 0.5


# --- the hour to come -------------------------------------------------------------------------------------------------


def busy(region: str, org: str, minute: int, reads: int = 100) -> None:
    for name in ("", org):
        CacheUsage.objects.create(step="hour", start=minute, host=f"of {org}", region=region, org=name, misses=reads)


def test_what_an_organisation_declares_as_hot_is_loaded_before_its_busy_hour(
    prefetcher: Prefetcher, clock: MovableClock
) -> None:
    shop_of("tea")
    shop_of("cake")
    hour = int(clock.wall() // 3600) + 1
    busy("shop", "tea", (hour - 7 * 24) * 60)
    busy("shop", "cake", (hour - 7 * 24) * 60, reads=19)
    tick()
    clock.advance(hour * 3600 - 302 - clock.wall())
    tick()
    assert shop.counters.prefetched == 0, "too early"

    tick()
    assert shop.counters.prefetched == 1
    shop.get("tea")
    assert outcome() == (1, 1, 0)
    tick()
    assert prefetcher.chance("hour", "shop", "tea") > 0.5


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_no_more_is_loaded_in_a_minute_than_the_budget(settings: Settings, clock: MovableClock) -> None:
    switch(settings, PREFETCH_PER_MINUTE=3)
    slugs = [f"shop-{number}" for number in range(10)]
    for slug in slugs:
        shop_of(slug)
        shop.get(slug)
    tick()
    for slug in slugs:
        rename(slug)
    for _ in range(30):
        tick()
    assert shop.counters.prefetched == 3

    clock.advance(40)
    for slug in slugs:
        shop.get(slug)
    tick()
    for slug in slugs:
        rename(slug, "third")
    tick()
    assert shop.counters.prefetched == 6


@pytest.mark.parametrize(
    "caching", [{}, {"PREFETCH": False}, {"PREFETCH": True, "REGIONS": {"shop": {"prefetch": False}}}]
)
def test_it_is_off_unless_it_is_switched_on_and_where_a_region_is_left_out(
    settings: Settings, clock: MovableClock, caching: dict[str, Any]
) -> None:
    settings.CACHING = {**settings.CACHING, "HISTORY": None, **caching}
    shop_of("tea")
    shop.get("tea")
    tick()
    rename()
    tick()
    assert shop.counters.prefetched == 0


def test_what_is_watched_stays_bounded(prefetcher: Prefetcher) -> None:
    shop_of("tea")
    shop.get("tea")
    entry = runtime.local.entries["shop", "default", "tea"]  # type: ignore[union-attr]
    for number in range(3000):
        runtime.local.entries["shop", "default", f"x{number}"] = entry  # type: ignore[union-attr]
        runtime.activity.missed.append(("shop", "default", f"x{number}"))
    tick()
    assert len(prefetcher._watched) == 2000


def test_one_regions_trouble_is_not_anothers(prefetcher: Prefetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    shop_of("tea")
    row = Dish.objects.create(shop_id="tea", name="scone")
    dish.get("tea", row.pk)
    shop.get("tea")
    tick()

    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError

    monkeypatch.setattr(dish, "_load_many", fail)
    Dish.objects.filter(pk=row.pk).update(name="cake")
    rename()
    tick()
    assert shop.counters.prefetched == 1


def test_what_could_not_be_kept_is_no_prefetch(prefetcher: Prefetcher) -> None:
    shop_of("tea")
    shop.get("tea")
    tick()
    stamps = runtime.stamps
    assert stamps is not None
    entry = runtime.local.entries["shop", "default", "tea"]  # type: ignore[union-attr]
    stamps.pend([entry.key_slot])
    stamps.bump([entry.key_slot])
    tick()
    assert shop.counters.prefetched == 0


def test_precision_and_recall_are_told(prefetcher: Prefetcher) -> None:
    figures = cache_report(scope="process").region("shop").statistics
    assert (figures["prefetch_precision"], figures["prefetch_recall"]) == (None, None)
    shop.counters.prefetched, shop.counters.prefetch_hits, shop.counters.misses = 4, 3, 1

    figures = cache_report(scope="process").region("shop").statistics
    assert (figures["prefetch_precision"], figures["prefetch_recall"]) == (0.75, 0.75)
