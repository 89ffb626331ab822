"""Fail-safe and early refresh: what an expired value may stand in for, for how long, and for whom never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import DatabaseError, InterfaceError, connections

from caching.epochs import guard_names
from caching.invalidation import invalidate
from caching.keys import Key
from caching.runtime import runtime
from caching.scripts import command
from tests.caching.loaders import PATIENCE, Loader, wait_for_the_background
from tests.caching.stepping import KEY, forget_here
from tests.conftest import MovableClock
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

TTL = 300


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="old")


@pytest.fixture
def cached(tiers: str, clock: MovableClock, settings: Any) -> Callable[..., None]:
    """Give the region its options, and fill it; times are the clock's."""

    def fill(**options: float) -> None:
        options = {"local_ttl": TTL, "redis_ttl": TTL, **options}
        settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": options}, "TTL_JITTER": 0.0, **tracked}
        runtime.clock = clock
        assert shop.get("corner").name == "old"  # type: ignore[union-attr]

    # Local copies live their whole time, as they do while a listener hears of changes.
    tracked = {"LOCAL_TTL_WITHOUT_TRACKING": 10 * TTL}
    return fill


def fail(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
    def loader(*_: Any, using: str) -> None:
        raise error or DatabaseError("the disk is full")

    monkeypatch.setattr(shop, "_load", loader)


def let_go_in_redis(key: Key) -> None:
    """What its clock, which is not the test's, would have done by then."""
    if runtime.redis is not None:
        runtime.redis.execute([command("DEL", guard_names(key)[0])])


# --- while the database fails -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [DatabaseError("gone"), InterfaceError("gone")])
def test_an_expired_value_stands_in_while_the_database_fails(
    cached: Callable[..., None], clock: MovableClock, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    cached(stale_for=600)
    clock.advance(TTL + 1)
    fail(monkeypatch, error)
    entry = shop.entry("corner")
    assert (shop.value(entry).name, entry.stale) == ("old", True)  # type: ignore[union-attr]
    assert shop.counters.stale == 1


def test_other_processes_use_the_copy_in_redis(
    redis: Any, cached: Callable[..., None], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(stale_for=600)
    clock.advance(TTL + 1)
    fail(monkeypatch)
    forget_here()
    assert shop.entry("corner").stale
    assert not redis.exists(guard_names(KEY)[1]), "the lease was given back"


def test_it_is_bounded_by_an_age(
    cached: Callable[..., None], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(stale_for=600)
    clock.advance(TTL + 601)
    let_go_in_redis(KEY)
    fail(monkeypatch)
    with pytest.raises(DatabaseError):
        shop.get("corner")


def test_a_region_that_does_not_say_so_fails(
    cached: Callable[..., None], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached()
    clock.advance(TTL + 1)
    let_go_in_redis(KEY)
    fail(monkeypatch)
    with pytest.raises(DatabaseError):
        shop.get("corner")


def test_what_a_write_made_stale_never_stands_in(
    cached: Callable[..., None], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(stale_for=600)
    Shop.objects.filter(slug="corner").update(name="new")
    clock.advance(TTL + 1)
    fail(monkeypatch)
    with pytest.raises(DatabaseError):
        shop.get("corner")
    assert shop.counters.stale == 0


def test_money_never_stands_in_whatever_is_configured(
    cached: Callable[..., None], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop, "money", True)
    cached(stale_for=600)
    clock.advance(TTL + 1)
    let_go_in_redis(KEY)
    fail(monkeypatch)
    with pytest.raises(DatabaseError):
        shop.get("corner")


def test_an_error_of_the_loader_itself_is_no_failure_of_the_database(
    cached: Callable[..., None], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(stale_for=600)
    clock.advance(TTL + 1)
    fail(monkeypatch, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        shop.get("corner")


def test_that_there_is_no_such_row_does_not_stand_in(
    cached: Callable[..., None], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(stale_for=600)
    assert shop.get("nowhere") is None
    clock.advance(11)
    let_go_in_redis(Key("shop", "nowhere"))
    fail(monkeypatch)
    with pytest.raises(DatabaseError):
        shop.get("nowhere")


def test_once_the_database_answers_the_value_is_fresh_again(
    cached: Callable[..., None], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(stale_for=600)
    clock.advance(TTL + 1)
    with monkeypatch.context() as failing:
        fail(failing)
        assert shop.entry("corner").stale
    entry = shop.entry("corner")
    assert not entry.stale
    assert not shop.entry("corner").stale
    assert shop.counters.loads == 2


def test_a_list_stands_in_too(
    tiers: str, clock: MovableClock, settings: Any, corner: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {"local_ttl": TTL, "redis_ttl": TTL, "stale_for": 600}
    settings.CACHING = {
        **settings.CACHING,
        "REGIONS": {"menu": times, "dish": times},
        "TTL_JITTER": 0.0,
        "LOCAL_TTL_WITHOUT_TRACKING": 10 * TTL,
    }
    runtime.clock = clock
    Dish.objects.create(shop=corner, name="soup")
    assert menu.get("corner").count == 1  # type: ignore[union-attr]
    clock.advance(TTL + 1)

    def fails(*_: Any, using: str) -> Any:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(menu, "_load", fails)
    monkeypatch.setattr(dish, "_load_many", fails)
    entry = menu.entry("corner")
    assert entry.stale
    assert [each.name for each in menu.value(entry).results] == ["soup"]  # type: ignore[union-attr]
    assert menu.counters.stale == 1


# --- while the database is slow ---------------------------------------------------------------------------------------


@pytest.fixture
def with_threads(settings: Any) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True, "REDIS_ALIAS": None}


def slow_and_cached(settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, **options: float) -> Loader:
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": {"local_ttl": TTL, **options}}}
    runtime.clock = clock
    assert shop.get("corner").name == "old"  # type: ignore[union-attr]
    clock.advance(TTL + 1)
    loader = Loader(shop._load)  # type: ignore[arg-type]
    monkeypatch.setattr(shop, "_load", loader)
    return loader


@pytest.mark.parametrize("how", ["thread", "coroutine"])
def test_a_slow_load_goes_on_while_the_expired_value_is_served(
    with_threads: None, settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    loader = slow_and_cached(settings, clock, monkeypatch, stale_for=600, soft_timeout=0.001)
    if how == "thread":
        assert shop.get("corner").name == "old"  # type: ignore[union-attr]
    else:
        assert async_to_sync(shop.aget)("corner").name == "old"  # type: ignore[union-attr]
    loader.wait()
    assert (shop.counters.stale, loader.loads) == (1, 1)
    landed = runtime.flights.board("value", [KEY])[1][KEY].landing
    loader.go.release()
    assert landed.result(PATIENCE).entry is not None
    assert not shop.entry("corner").stale
    assert shop.counters.loads == 2


def test_a_load_within_the_time_is_waited_for(
    with_threads: None, settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = slow_and_cached(settings, clock, monkeypatch, stale_for=600, soft_timeout=PATIENCE)
    loader.go.release()
    assert not shop.entry("corner").stale
    assert (shop.counters.stale, shop.counters.misses) == (0, 2)


def test_all_who_come_meanwhile_share_the_slow_load(
    with_threads: None, settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = slow_and_cached(settings, clock, monkeypatch, stale_for=600, soft_timeout=0.001)
    assert shop.entry("corner").stale

    async def more() -> list[Any]:
        reads = [asyncio.create_task(shop.aget("corner")) for _ in range(20)]
        await asyncio.to_thread(loader.wait)
        loader.go.release()
        return await asyncio.gather(*reads)

    assert {value.name for value in async_to_sync(more)()} == {"old"}
    assert loader.loads == 1


def test_a_load_that_fails_in_time_lets_the_expired_value_stand_in(
    with_threads: None, settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = slow_and_cached(settings, clock, monkeypatch, stale_for=600, soft_timeout=PATIENCE)
    loader.error = DatabaseError("the disk is full")
    loader.go.release()
    assert shop.entry("corner").stale
    assert shop.counters.stale == 1


def test_a_fault_of_the_loader_is_told_to_who_waits(
    with_threads: None, settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = slow_and_cached(settings, clock, monkeypatch, stale_for=600, soft_timeout=PATIENCE)
    loader.error = ValueError("a bug")
    loader.go.release()
    with pytest.raises(ValueError, match="a bug"):
        shop.get("corner")


def test_without_threads_of_its_own_it_waits_for_the_load(
    settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = slow_and_cached(settings, clock, monkeypatch, stale_for=600, soft_timeout=0.001)
    loader.go.release()
    assert not shop.entry("corner").stale


# --- before it expires ------------------------------------------------------------------------------------------------


def test_a_hit_near_the_end_is_loaded_anew_in_the_background(
    redis: Any, settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}
    runtime.clock = clock
    monkeypatch.setattr("caching.reading.lead", lambda cost: 10_000.0)
    assert shop.get("corner").name == "old"  # type: ignore[union-attr]
    before = redis.get(guard_names(KEY)[0])
    forget_here()
    shop.get("corner")
    wait_for_the_background()
    assert redis.get(guard_names(KEY)[0]) != before
    assert (shop.counters.loads, shop.counters.refreshed, shop.counters.misses) == (2, 1, 1)


def test_without_redis_one_hit_of_this_process_loads_anew_and_the_others_go_on(
    settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True, "REGIONS": {"shop": {"local_ttl": 100}}}
    runtime.clock = clock
    monkeypatch.setattr("caching.regions.lead", lambda cost: 50.0)
    shop.get("corner")
    entry = runtime.local.entries[KEY.local]  # type: ignore[union-attr]
    assert (entry.until, entry.expires) == (clock.seconds + 50, clock.seconds + 100)
    clock.advance(49)
    shop.get("corner")
    assert shop.counters.refreshed == 0
    clock.advance(1)
    for _ in range(3):
        assert shop.get("corner").name == "old"  # type: ignore[union-attr]
    wait_for_the_background()
    assert (shop.counters.loads, shop.counters.refreshed, shop.counters.local_hits) == (2, 1, 4)
    clock.advance(49)
    assert shop.get("corner").name == "old"  # type: ignore[union-attr]
    assert shop.counters.loads == 2


def test_a_value_far_from_its_end_is_left_alone(redis: Any, settings: Any, clock: MovableClock) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}
    runtime.clock = clock
    shop.get("corner")
    for _ in range(50):
        forget_here()
        shop.get("corner")
    assert shop.counters.refreshed == 0


def test_nothing_is_refreshed_while_somebody_else_loads_or_writes(redis: Any, settings: Any) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}
    shop.get("corner")
    redis.set(guard_names(KEY)[1], "another process", px=60_000)
    assert runtime.refresher.refresh(shop, KEY)
    wait_for_the_background()
    assert shop.counters.loads == 1
    del runtime.refresher
    redis.delete(guard_names(KEY)[1])
    invalidate([KEY])
    shop.get("corner")
    redis.zadd(guard_names(KEY)[2], {"a writer": 2**52})
    assert runtime.refresher.refresh(shop, KEY)
    wait_for_the_background()
    assert shop.counters.loads == 2


def test_a_failed_refresh_is_logged_and_hurts_nobody(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}
    shop.get("corner")
    fail(monkeypatch)
    assert runtime.refresher.refresh(shop, KEY)
    wait_for_the_background()
    assert "could not be loaded in the background" in caplog.text
    assert "corner" not in caplog.text
    assert shop.get("corner").name == "old"  # type: ignore[union-attr]


def test_a_key_is_refreshed_once_at_a_time_and_not_beyond_a_number(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}
    loader = Loader(shop._load)  # type: ignore[arg-type]
    monkeypatch.setattr(shop, "_load", loader)
    assert runtime.refresher.refresh(shop, KEY)
    loader.wait()
    assert not runtime.refresher.refresh(shop, KEY)
    taken = [runtime.refresher.refresh(shop, Key("shop", f"shop{number}")) for number in range(150)]
    assert sum(taken) == 99
    loader.go.release(2)
    runtime.refresher.stop()
    assert not runtime.refresher.refresh(shop, Key("shop", "later"))


def test_a_flight_whose_turn_never_came_lands_empty(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}
    loader = Loader(shop._load)  # type: ignore[arg-type]
    monkeypatch.setattr(shop, "_load", loader)
    for number in range(2):
        runtime.refresher.refresh(shop, Key("shop", f"shop{number}"))
    loader.wait()
    loader.wait()
    runtime.flights.board("value", [KEY])
    seat = runtime.flights.hand_over("value", KEY)
    assert runtime.refresher.take_over(shop, "value", KEY)
    loader.go.release(2)
    runtime.refresher.stop()
    assert seat.landing.result(PATIENCE).entry is None
    connections.close_all()
