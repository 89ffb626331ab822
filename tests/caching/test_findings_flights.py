"""What an attack on the reader's side found: flights that nobody lands, values beyond their end, loaders that read."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import DatabaseError, connections

from caching.conf import conf
from caching.flights import Flights, Landing
from caching.keys import Key
from caching.runtime import runtime
from caching.steps import Join
from tests.caching.loaders import PATIENCE, Loader
from tests.caching.stepping import KEY, Slow, forget_here, is_load
from tests.conftest import MovableClock
from tests.shop.cached import menu, shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

TTL = 300


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="old")


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    held = Loader(shop._load)  # type: ignore[arg-type]
    monkeypatch.setattr(shop, "_load", held)
    return held


def name() -> str:
    try:
        return shop.get("corner").name  # type: ignore[union-attr]
    finally:
        connections.close_all()


def is_join(step: Any) -> bool:
    return isinstance(step, Join)


# --- flights that nobody lands ----------------------------------------------------------------------------------------


def test_a_loop_that_ended_without_its_tasks_leaves_no_flight_behind(
    tiers: str, loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.new_event_loop()
    noted: list[Any] = []
    loop.set_exception_handler(lambda _, context: noted.append(context))

    async def impatient() -> None:
        read = asyncio.create_task(shop.aget("corner"))
        await asyncio.to_thread(loader.wait)
        read.cancel()
        await asyncio.wait([read])

    loop.run_until_complete(impatient())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    loader.go.release(2)
    waited = []
    monkeypatch.setattr(Join, "run", watch(Join.run, waited))
    assert name() == "old"
    assert waited in ([], [False]), "somebody waited for a flight that never lands"


def watch(run: Callable[[Join], Any], waited: list[bool]) -> Callable[[Join], Any]:
    def watched(join: Join) -> Any:
        landings = run(join)
        waited.append(len(landings) < len(join.seats))
        return landings

    return watched


def test_a_landing_that_cannot_be_judged_lands_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [Key("shop", name) for name in ("corner", "market", "station")]
    reading = Slow(shop.read(keys)).until(is_load)
    seats = runtime.flights.board("value", keys)[1]

    def fail(*_: Any) -> Landing:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("caching.sharing.Sharing._landing", fail)
    with pytest.raises(RuntimeError):
        reading.finish()
    assert all(seat.landing.done() for seat in seats.values())
    assert not runtime.flights._flights


def test_an_interrupt_right_after_boarding_lands_the_flights(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("caching.sharing.Sharing._find_again", interrupt)
        with pytest.raises(KeyboardInterrupt):
            shop.get("corner")
    assert not runtime.flights._flights


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_hit_does_not_fail_because_it_cannot_be_refreshed(
    settings: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True, "REGIONS": {"shop": {"local_ttl": 100}}}
    runtime.clock = clock
    monkeypatch.setattr("caching.regions.lead", lambda cost: 50.0)
    shop.get("corner")
    clock.advance(60)

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        assert shop.get("corner").name == "old"  # type: ignore[union-attr]
    assert not runtime.refresher._waiting


def test_a_process_ends_without_loading_what_still_waits_to_be_refreshed() -> None:
    ended = subprocess.run([sys.executable, "-c", _ENDS], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert len(ended.stdout.split()) <= 3, "the two under way, and one that was about to begin"


_ENDS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from django.conf import settings
settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": None, "BACKGROUND": True}
from time import sleep
from caching.keys import Key
from caching.runtime import runtime
from tests.shop.cached import shop
def load(org, *, using):
    print(org, flush=True)
    sleep(0.05)
shop._load = load
for number in range(50):
    runtime.refresher.refresh(shop, Key("shop", str(number)))
"""


def test_what_was_found_near_its_end_is_refreshed_once(
    redis: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shop.objects.create(slug="market", name="market")
    market = Key("shop", "market")
    shop.get_many([("corner",), ("market",)])
    forget_here()
    monkeypatch.setattr("caching.reading.lead", lambda cost: 10_000.0)
    asked: list[Key] = []
    runtime.refresher = SimpleNamespace(refresh=lambda _, key: asked.append(key), stop=lambda: None)  # type: ignore[assignment]
    runtime.flights.board("value", [market])
    both = Slow(shop.read([KEY, market])).until(is_join)
    runtime.flights.land("value", market, lambda: Landing(None, False, False, False, None))
    both.finish()
    assert sorted(key.org for key in asked) == ["corner", "market"]


# --- values beyond their end ------------------------------------------------------------------------------------------


def may_stand_in(settings: Any, seconds: float) -> None:
    options = {"local_ttl": TTL, "redis_ttl": TTL, "stale_for": seconds}
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": options}, "TTL_JITTER": 0.0}


def test_what_may_stand_in_elsewhere_is_not_fresh_where_nothing_may(
    redis: Any, clock: MovableClock, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_stand_in(settings, 600)
    shop.get("corner")
    forget_here()
    clock.advance(TTL + 1)
    monkeypatch.setattr(shop, "money", True)
    began = clock.seconds
    shop.get("corner")
    assert (shop.counters.loads, shop.counters.redis_hits) == (2, 0)
    assert clock.seconds == began, "it waited for somebody to fill what is there"


def test_what_has_expired_for_longer_than_the_region_allows_does_not_stand_in(
    redis: Any, clock: MovableClock, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_stand_in(settings, 600)
    shop.get("corner")
    forget_here()
    clock.advance(TTL + 100)
    may_stand_in(settings, 60)

    def fails(*_: Any, using: str) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(shop, "_load", fails)
    with pytest.raises(DatabaseError):
        shop.get("corner")


def test_a_value_of_a_host_whose_clock_is_behind_is_used_as_long_as_redis_has_it(
    redis: Any, clock: MovableClock
) -> None:
    shop.get("corner")
    forget_here()
    clock.advance(100_000)
    shop.get("corner")
    assert (shop.counters.loads, shop.counters.redis_hits) == (1, 1)


def test_a_composed_list_outlives_its_value_in_redis_no_more_than_its_items(
    redis: Any, clock: MovableClock, settings: Any, corner: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "TTL_JITTER": 0.0, "LOCAL_TTL_WITHOUT_TRACKING": 10 * TTL}
    menu.get("corner")
    forget_here()
    clock.advance(100)
    menu.get("corner")
    assert menu.counters.loads == 1
    assert runtime.local is not None
    assert runtime.local.entries[Key("menu", "corner").local].expires == pytest.approx(clock.now() + 20)


# --- loaders that read ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outer", ["sync", "async"])
@pytest.mark.parametrize("inner", ["sync", "async"])
def test_a_loader_may_read_other_regions_in_either_way(
    tiers: str, monkeypatch: pytest.MonkeyPatch, outer: str, inner: str
) -> None:
    load = shop._load

    def reads(org: str, *, using: str) -> Any:
        (menu.get if inner == "sync" else async_to_sync(menu.aget))(org)
        return load(org, using=using)  # type: ignore[misc]

    monkeypatch.setattr(shop, "_load", reads)
    value = (shop.get if outer == "sync" else async_to_sync(shop.aget))("corner")
    assert value.name == "old"  # type: ignore[union-attr]
    assert (shop.counters.loads, menu.counters.loads) == (1, 1)
    assert not runtime.flights._flights


def test_a_thread_waits_once_for_a_flight_that_a_coroutine_leads(
    tiers: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "LEASE_WAIT_SECONDS": 0.01}
    flights: Flights = runtime.flights

    async def lead() -> None:
        flights.board("value", [KEY])

    asyncio.run(lead())
    waited: list[bool] = []
    monkeypatch.setattr(Join, "run", watch(Join.run, waited))
    assert name() == "old"
    assert waited == [True]
    assert conf.LEASE_WAIT_SECONDS == 0.01
