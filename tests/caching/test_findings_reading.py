"""What an attack on the reader's side found: loads that fail, and loads that are slow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import DatabaseError, DataError, OperationalError, connections

from caching.epochs import guard_names
from caching.keys import Key
from caching.reading import Reading
from caching.refreshing import Refresher
from caching.runtime import runtime
from caching.stamps import slots_of
from caching.stats import Counters
from caching.steps import Join, Load
from tests.caching.loaders import PATIENCE, CountedFlights, Loader
from tests.caching.stepping import KEY, Slow, forget_here, is_load
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

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused")

    connection = connections["default"]
    connection.close()
    with pytest.MonkeyPatch.context() as patched:
        # MongoDB's driver keeps its connections to itself.
        asked_first = "get_collection" if connection.vendor == "mongodb" else "get_new_connection"
        patched.setattr(connection, asked_first, refuse)
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
