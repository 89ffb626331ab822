"""What an attack on the reader's side found: loads that fail, flights that nobody lands, values beyond their end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import DatabaseError, DataError, OperationalError, connections

from caching.conf import conf
from caching.epochs import guard_names
from caching.flights import Flights, Landing
from caching.keys import Key
from caching.reading import Reading
from caching.refreshing import Refresher
from caching.runtime import runtime
from caching.stamps import slots_of
from caching.stats import Counters
from caching.steps import Join, Load
from tests.caching.stepping import KEY, Slow, forget_here, is_load
from tests.caching.test_flights import PATIENCE, CountedFlights, Loader
from tests.conftest import MovableClock
from tests.shop.cached import ShopCopy, dish, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

TTL = 300


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="old")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as threads:
        yield threads


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    held = Loader(shop._load)  # type: ignore[arg-type]
    monkeypatch.setattr(shop, "_load", held)
    return held


@pytest.fixture
def expired(tiers: str, clock: MovableClock, settings: Any) -> Callable[..., None]:
    """Fill the region, and let the value expire, though it may stand in."""

    def fill(**options: float) -> None:
        options = {"local_ttl": TTL, "redis_ttl": TTL, "stale_for": 600, **options}
        settings.CACHING = {
            **settings.CACHING,
            "REGIONS": {"shop": options},
            "TTL_JITTER": 0.0,
            "LOCAL_TTL_WITHOUT_TRACKING": 10 * TTL,
        }
        runtime.clock = clock
        assert shop.get("corner").name == "old"  # type: ignore[union-attr]
        clock.advance(TTL + 1)

    return fill


def rename(name: str) -> None:
    Shop.objects.filter(slug="corner").update(name=name)


def name() -> str:
    try:
        return shop.get("corner").name  # type: ignore[union-attr]
    finally:
        connections.close_all()


def is_join(step: Any) -> bool:
    return isinstance(step, Join)


def requests(counters: Counters) -> int:
    return counters.local_hits + counters.redis_hits + counters.misses


# --- a database out of reach ------------------------------------------------------------------------------------------


@contextmanager
def unreachable() -> Iterator[None]:
    """Let nobody connect to the database, as when its server is down."""

    def refuse(_: Any) -> None:
        raise OperationalError("connection refused")

    connection = connections["default"]
    connection.close()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(connection, "get_new_connection", refuse)
        yield


def test_an_expired_value_stands_in_when_nobody_can_connect_to_the_database(
    expired: Callable[..., None],
) -> None:
    expired()
    with unreachable():
        assert shop.entry("corner").stale


def test_a_lease_is_given_back_when_nobody_can_connect_to_the_database(
    redis: Any,
) -> None:
    with unreachable(), pytest.raises(OperationalError):
        shop.get("corner")
    assert not redis.exists(guard_names(KEY)[1])


def test_a_lease_is_given_back_when_what_was_loaded_cannot_be_encoded(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop, "_load", lambda org, using: ShopCopy(slug=org, name=object()))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        shop.get("corner")
    assert not redis.exists(guard_names(KEY)[1])


def test_all_who_wait_while_the_database_fails_share_what_stands_in(
    expired: Callable[..., None], loader: Loader, pool: ThreadPoolExecutor
) -> None:
    loader.go.release()
    expired()
    runtime.flights = flights = CountedFlights()
    loader.error, loader.loads = DatabaseError("the disk is full"), 0
    loader.began = threading.Semaphore(0)
    reads = [pool.submit(name) for _ in range(20)]
    flights.wait_for(19)
    before = requests(shop.counters)
    loader.go.release(20)
    assert {read.result(PATIENCE) for read in reads} == {"old"}
    assert loader.loads == 1
    assert (shop.counters.stale, requests(shop.counters) - before) == (20, 20)


def test_what_stands_in_is_not_shared_with_those_who_come_after_a_write(expired: Callable[..., None]) -> None:
    expired()
    leader = Slow(shop.read([KEY])).until(is_load)
    rename("new")
    late = Slow(shop.read([KEY])).until(is_join)
    leader.step = SimpleNamespace(run=lambda: leader_failed)
    leader_failed = Load(shop, [KEY]).run()._replace(values={}, error=DatabaseError("gone"))
    leader.finish()
    late.finish()
    assert shop.value(late.result[KEY]).name == "new"  # type: ignore[union-attr]


def test_what_stands_in_for_an_error_of_somebodys_transaction_is_not_shared(expired: Callable[..., None]) -> None:
    expired()
    leader = Slow(shop.read([KEY])).until(is_load)
    other = Slow(shop.read([KEY])).until(is_join)
    loaded = Load(shop, [KEY]).run()
    aborted = loaded._replace(values={}, may_fill=False, error=DatabaseError("current transaction is aborted"))
    leader.step = SimpleNamespace(run=lambda: aborted)
    leader.finish()
    other.finish()
    assert (leader.result[KEY].stale, other.result[KEY].stale) == (True, False)


def test_an_error_from_before_a_write_is_not_told_to_those_who_come_after(tiers: str) -> None:
    leader = Slow(shop.read([KEY])).until(is_load)
    failed = Load(shop, [KEY]).run()._replace(values={}, error=LookupError("no such shop yet"))
    rename("new")
    late = Slow(shop.read([KEY])).until(is_join)
    leader.step = SimpleNamespace(run=lambda: failed)
    with pytest.raises(LookupError):
        leader.finish()
    late.finish()
    assert shop.value(late.result[KEY]).name == "new"  # type: ignore[union-attr]


def test_an_error_of_one_key_is_not_told_to_those_who_read_another(tiers: str) -> None:
    Shop.objects.create(slug="market", name="market")
    market = Key("shop", "market")
    leader = Slow(shop.read([KEY, market])).until(is_load)
    other = Slow(shop.read([market])).until(is_join)
    failed = Load(shop, [KEY]).run()._replace(values={}, error=ValueError("corner is broken"))
    leader.step = SimpleNamespace(run=lambda: failed)
    with pytest.raises(ValueError, match="broken"):
        leader.finish()
    other.finish()
    assert shop.value(other.result[market]).name == "market"  # type: ignore[union-attr]


def test_an_error_of_one_list_is_not_told_to_those_who_read_another(
    tiers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shop.objects.create(slug="market", name="market")
    keys = [Key("menu", "corner"), Key("menu", "market")]
    leader = Slow(menu.read(keys)).until(is_load)
    other = Slow(menu.read(keys[1:])).until(is_join)
    failed = Load(menu, keys[:1]).run()._replace(values={}, error=ValueError("corner is broken"))
    leader.step = SimpleNamespace(run=lambda: failed)
    with pytest.raises(ValueError, match="broken"):
        leader.finish()
    other.finish()
    assert menu.value(other.result[keys[1]]).count == 0  # type: ignore[union-attr]


def test_a_failing_load_of_items_fails_all_who_wait_for_the_list(
    tiers: str, corner: Shop, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    Dish.objects.create(shop=corner, name="soup")
    load = Loader(dish._load_many)  # type: ignore[arg-type]
    load.error = DatabaseError("the disk is full")
    monkeypatch.setattr(dish, "_load_many", load)
    runtime.flights = flights = CountedFlights()

    def read() -> None:
        try:
            menu.get("corner")
        finally:
            connections.close_all()

    reads = [pool.submit(read) for _ in range(5)]
    flights.wait_for(4)
    load.go.release(5)
    assert all(isinstance(each.exception(PATIENCE), DatabaseError) for each in reads)
    assert load.loads == 1


def test_an_error_that_a_list_was_told_is_told_to_those_who_wait_for_the_list(tiers: str) -> None:
    key = Key("menu", "corner")
    value = Slow(Reading(menu, [key], counters=Counters(), local=False).steps()).until(is_load)
    lead, wait = Slow(menu.read([key])).until(is_join), Slow(menu.read([key])).until(is_join)
    failed = Load(menu, [key]).run()._replace(values={}, error=DatabaseError("the disk is full"))
    loads = menu.counters.loads
    value.step = SimpleNamespace(run=lambda: failed)
    for each in (value, lead, wait):
        with pytest.raises(DatabaseError):
            each.finish()
    assert menu.counters.loads == loads


def test_a_row_that_the_database_refuses_fails_those_alone_who_want_it(tiers: str) -> None:
    Shop.objects.create(slug="market", name="market")
    market = Key("shop", "market")
    leader = Slow(shop.read([KEY, market])).until(is_load)
    other = Slow(shop.read([market])).until(is_join)
    failed = Load(shop, [KEY]).run()._replace(values={}, error=DataError("out of range"))
    leader.step = SimpleNamespace(run=lambda: failed)
    with pytest.raises(DataError):
        leader.finish()
    other.finish()
    assert shop.value(other.result[market]).name == "market"  # type: ignore[union-attr]


def test_who_can_do_with_an_expired_value_gets_it_though_a_bulk_read_fails(expired: Callable[..., None]) -> None:
    expired()
    leader = Slow(shop.read([KEY, Key("shop", "nowhere")])).until(is_load)
    other = Slow(shop.read([KEY])).until(is_join)
    failed = Load(shop, [KEY]).run()._replace(values={}, error=DatabaseError("the disk is full"))
    leader.step = SimpleNamespace(run=lambda: failed)
    with pytest.raises(DatabaseError):
        leader.finish()
    other.finish()
    assert other.result[KEY].stale


# --- a slow database --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["here", "in Redis alone"])
def test_who_joins_a_slow_load_waits_no_longer_than_who_began_it(
    expired: Callable[..., None], loader: Loader, tiers: str, where: str
) -> None:
    loader.go.release()
    expired(soft_timeout=0.001)
    # Its threads alone: a listener would begin by dropping local memory.
    runtime.refresher = Refresher()
    runtime.refresher._stopped = False
    if where != "here" and tiers == "with Redis":
        forget_here()
    assert shop.entry("corner").stale
    before = requests(shop.counters)
    for _ in range(3):
        assert shop.entry("corner").stale
    assert async_to_sync(shop.aget)("corner").name == "old"  # type: ignore[union-attr]
    assert loader.loads == 2
    assert requests(shop.counters) - before == 4
    loader.go.release()
    runtime.refresher.stop()


def test_who_joins_a_slow_load_after_a_write_does_not_get_the_expired_value(
    expired: Callable[..., None],
) -> None:
    expired(soft_timeout=0.001)
    leader = Slow(shop.read([KEY])).until(is_load)
    late = Slow(shop.read([KEY])).until(is_join)
    rename("new")
    later = Slow(shop.read([KEY])).until(is_join)
    for each in (late, later):
        each.step = each._steps.send({})
    later.until(lambda step: is_load(step) or is_join(step))
    leader.finish()
    later.finish()
    assert shop.value(later.result[KEY]).name == "new"  # type: ignore[union-attr]


def test_who_joins_a_slow_load_gets_no_expired_value_of_redis_while_a_writer_that_it_did_not_hear_is_under_way(
    redis: Any, expired: Callable[..., None]
) -> None:
    expired(soft_timeout=0.001)
    forget_here()
    leader = Slow(shop.read([KEY])).until(is_load)
    late = Slow(shop.read([KEY])).until(is_join)
    assert runtime.stamps is not None
    runtime.stamps.pend([slots_of(KEY).key])
    late.step = late._steps.send({})
    assert is_join(late.step)
    leader.finish()
    late.finish()
    assert not late.result[KEY].stale


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


def test_what_may_stand_in_elsewhere_is_not_fresh_where_nothing_may(
    redis: Any, clock: MovableClock, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {"local_ttl": TTL, "redis_ttl": TTL}
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": {**times, "stale_for": 600}}, "TTL_JITTER": 0.0}
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
    times = {"local_ttl": TTL, "redis_ttl": TTL}
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": {**times, "stale_for": 600}}, "TTL_JITTER": 0.0}
    shop.get("corner")
    forget_here()
    clock.advance(TTL + 100)
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": {**times, "stale_for": 60}}}

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
