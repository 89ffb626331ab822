"""Lists that a thread of the background loads: because they are slow, or about to expire."""

from __future__ import annotations

from typing import Any

import pytest

from caching.epochs import guard_names
from caching.invalidation import Invalidation
from caching.keys import Key
from caching.runtime import runtime
from tests.caching.loaders import PATIENCE, Loader, wait_for_the_background
from tests.caching.stepping import forget_here
from tests.conftest import MovableClock
from tests.shop.cached import dish, menu
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

KEY = Key("menu", "corner")


@pytest.fixture(autouse=True)
def soup(settings: Any) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}
    Dish.objects.create(shop=Shop.objects.create(slug="corner", name="corner"), name="soup")


def test_a_slow_list_goes_on_being_loaded_while_the_expired_one_is_served(
    settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {"local_ttl": 300, "stale_for": 600, "soft_timeout": 0.001}
    settings.CACHING = {**settings.CACHING, "REGIONS": {"menu": times, "dish": {"local_ttl": 300}}}
    runtime.clock = clock
    menu.get("corner")
    clock.advance(301)
    loader = Loader(menu._load)  # type: ignore[arg-type]
    monkeypatch.setattr(menu, "_load", loader)

    assert menu.entry("corner").stale
    assert menu.counters.stale == 1
    loader.wait()
    landing = runtime.flights.board("list", [KEY])[1][KEY].landing
    loader.go.release()
    assert landing.result(PATIENCE).entry is not None
    assert not menu.entry("corner").stale


def early(settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CACHING = {**settings.CACHING, "REGIONS": {"menu": {"local_ttl": 100}}}
    runtime.clock = clock
    monkeypatch.setattr("caching.regions.lead", lambda cost: 50.0)
    menu.get("corner")
    clock.advance(60)


def test_without_redis_a_list_about_to_expire_is_composed_anew(
    settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    early(settings, clock, monkeypatch)
    for _ in range(3):
        assert menu.get("corner").count == 1  # type: ignore[union-attr]
    wait_for_the_background()
    assert (menu.counters.refreshed, menu.counters.loads, menu.counters.misses) == (1, 2, 1)
    clock.advance(45)
    assert menu.get("corner").count == 1  # type: ignore[union-attr]
    assert menu.counters.loads == 2


def test_a_list_that_somebody_is_writing_is_not_composed_ahead(
    settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    early(settings, clock, monkeypatch)
    assert runtime.stamps is not None
    records = runtime.stamps.pend([runtime.local.entries[KEY.local].key_slot])  # type: ignore[union-attr]
    menu.get("corner")
    wait_for_the_background()
    assert (menu.counters.refreshed, menu.counters.loads) == (0, 1)
    runtime.stamps.unpend(records)
    write = Invalidation([KEY])
    write.begin()
    write.finish()
    menu.get("corner")
    assert menu.counters.loads == 2


def test_with_redis_it_is_the_lists_own_value_that_is_loaded_ahead(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    menu.get("corner")
    before = redis.get(guard_names(KEY)[0])
    forget_here()
    monkeypatch.setattr("caching.reading.lead", lambda cost: 10_000.0)
    menu.get("corner")
    wait_for_the_background()
    assert redis.get(guard_names(KEY)[0]) != before
    assert menu.counters.refreshed == 1
    assert dish.counters.loads >= 1
