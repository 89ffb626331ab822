"""Single flight: one load for all who miss at once, and nobody gets what was read before a commit he has seen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import DatabaseError, connections, transaction

from caching.epochs import guard_names
from caching.flights import NOTHING
from caching.invalidation import Invalidation
from caching.runtime import runtime
from tests.caching.loaders import PATIENCE, CountedFlights, Loader
from tests.caching.stepping import KEY, forget_here
from tests.conftest import MovableClock
from tests.shop.cached import ShopCopy, dish, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 200


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="old")


@pytest.fixture
def flights(tiers: str) -> CountedFlights:
    runtime.flights = CountedFlights()
    return runtime.flights


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    held = Loader(shop._load)  # type: ignore[arg-type]
    monkeypatch.setattr(shop, "_load", held)
    return held


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MANY) as threads:
        yield threads


def get() -> str:
    try:
        value = shop.get("corner")
        assert value is not None
        return value.name
    finally:
        connections.close_all()


def rename(name: str) -> None:
    Shop.objects.filter(slug="corner").update(name=name)


# --- one load ---------------------------------------------------------------------------------------------------------


def test_two_hundred_threads_that_miss_at_once_cost_one_load(
    flights: CountedFlights, loader: Loader, pool: ThreadPoolExecutor
) -> None:
    reads = [pool.submit(get) for _ in range(MANY)]
    flights.wait_for(MANY - 1)
    loader.go.release()
    assert {read.result(PATIENCE) for read in reads} == {"old"}
    assert loader.loads == 1
    assert (shop.counters.misses, shop.counters.joined) == (MANY, MANY - 1)


def test_two_hundred_tasks_that_miss_at_once_cost_one_load(flights: CountedFlights, loader: Loader) -> None:
    async def all_at_once() -> list[ShopCopy | None]:
        reads = [asyncio.create_task(shop.aget("corner")) for _ in range(MANY)]
        await asyncio.to_thread(flights.wait_for, MANY - 1)
        loader.go.release()
        return await asyncio.gather(*reads)

    values = async_to_sync(all_at_once)()
    assert {value and value.name for value in values} == {"old"}
    assert loader.loads == 1


def test_threads_and_tasks_share_a_load(flights: CountedFlights, loader: Loader, pool: ThreadPoolExecutor) -> None:
    first = pool.submit(get)
    loader.wait()

    async def later() -> ShopCopy | None:
        read = asyncio.create_task(shop.aget("corner"))
        await asyncio.to_thread(flights.wait_for, 1)
        loader.go.release()
        return await read

    value = async_to_sync(later)()
    assert (first.result(PATIENCE), value and value.name, loader.loads) == ("old", "old", 1)


def test_a_bulk_read_loads_what_nobody_else_is_loading(
    flights: CountedFlights, loader: Loader, pool: ThreadPoolExecutor
) -> None:
    Shop.objects.create(slug="market", name="market")
    first = pool.submit(get)
    loader.wait()
    both = pool.submit(lambda: (shop.get_many([("corner",), ("market",)]), connections.close_all())[0])
    flights.wait_for(1)
    loader.go.release(2)
    found = both.result(PATIENCE)
    assert {name: value and value.name for name, value in found.items()} == {("corner",): "old", ("market",): "market"}
    assert (first.result(PATIENCE), loader.loads) == ("old", 2)


def test_lists_share_the_loads_of_their_parts(flights: CountedFlights, pool: ThreadPoolExecutor, corner: Shop) -> None:
    Dish.objects.create(shop=corner, name="soup")
    start = threading.Barrier(20)

    def read() -> int:
        try:
            start.wait(PATIENCE)
            return menu.get("corner").count  # type: ignore[union-attr]
        finally:
            connections.close_all()

    assert {read.result(PATIENCE) for read in [pool.submit(read) for _ in range(20)]} == {1}
    # Reads that come after the first flight has landed hit what it left; none loads on top of another.
    assert (menu.counters.loads, dish.counters.loads) == (1, 1)


# --- the rule on joining ----------------------------------------------------------------------------------------------


def test_who_joins_a_flight_older_than_a_commit_gets_what_was_committed(
    flights: CountedFlights, loader: Loader, pool: ThreadPoolExecutor
) -> None:
    early = pool.submit(get)
    loader.wait()
    rename("new")
    late = pool.submit(get)
    flights.wait_for(1)
    loader.go.release(2)
    assert late.result(PATIENCE) == "new"
    assert early.result(PATIENCE) == "old"
    forget_here()
    loader.go.release()
    assert get() == "new"


def test_while_a_writer_is_pending_one_loads_at_a_time_and_all_who_wait_share_the_next(
    flights: CountedFlights, loader: Loader, pool: ThreadPoolExecutor
) -> None:
    write = Invalidation([KEY])
    write.begin()
    first = pool.submit(get)
    loader.wait()
    others = [pool.submit(get) for _ in range(50)]
    flights.wait_for(50)
    loader.go.release()
    # The first flight's result may not be taken: 49 of the 50 now wait for the one who leads the second.
    flights.wait_for(49)
    loader.go.release()
    assert {read.result(PATIENCE) for read in (first, *others)} == {"old"}
    assert loader.loads == 2
    write.finish()


def test_what_a_transaction_sees_is_not_shared(
    flights: CountedFlights, loader: Loader, pool: ThreadPoolExecutor
) -> None:
    def inside() -> str:
        with transaction.atomic():
            # An old snapshot, on SQLite.
            assert Shop.objects.filter(slug="corner").exists()
            return get_here()

    def get_here() -> str:
        value = shop.get("corner")
        assert value is not None
        return value.name

    old = pool.submit(lambda: (inside(), connections.close_all())[0])
    loader.wait()
    # Two wait for the transaction's flight, and one of them for the other's.
    reads = [pool.submit(get) for _ in range(2)]
    flights.wait_for(2)
    loader.go.release()
    loader.wait()
    flights.wait_for(1)
    loader.go.release()
    assert {read.result(PATIENCE) for read in reads} == {"old"}
    assert (old.result(PATIENCE), loader.loads) == ("old", 2)


def test_own_uncommitted_writes_are_read_alone(
    flights: CountedFlights, loader: Loader, pool: ThreadPoolExecutor
) -> None:
    loader.go.release(2)
    with transaction.atomic():
        rename("mine")
        assert shop.get("corner").name == "mine"  # type: ignore[union-attr]
        assert pool.submit(get).result(PATIENCE) == "old"
    assert not flights._flights


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_failed_load_fails_all_who_wait_and_nobody_after(
    flights: CountedFlights, loader: Loader, pool: ThreadPoolExecutor
) -> None:
    loader.error = DatabaseError("the disk is full")
    reads = [pool.submit(get) for _ in range(20)]
    flights.wait_for(19)
    loader.go.release()
    for read in reads:
        assert isinstance(read.exception(PATIENCE), DatabaseError)
    assert loader.loads == 1
    loader.error = None
    loader.go.release()
    assert get() == "old"


def test_an_error_of_somebodys_transaction_is_not_shared(
    flights: CountedFlights, loader: Loader, pool: ThreadPoolExecutor
) -> None:
    def inside() -> None:
        try:
            with transaction.atomic():
                shop.get("corner")
        finally:
            connections.close_all()

    loader.error = DatabaseError("current transaction is aborted")
    broken = pool.submit(inside)
    loader.wait()
    other = pool.submit(get)
    flights.wait_for(1)
    loader.go.release()
    loader.wait()
    loader.error = None
    loader.go.release()
    assert isinstance(broken.exception(PATIENCE), DatabaseError)
    assert other.result(PATIENCE) == "old"


def test_a_cancelled_waiter_leaves_the_others_theirs(flights: CountedFlights, loader: Loader) -> None:
    async def cancelled() -> list[ShopCopy | None]:
        reads = [asyncio.create_task(shop.aget("corner")) for _ in range(3)]
        await asyncio.to_thread(flights.wait_for, 2)
        reads[1].cancel()
        await asyncio.wait([reads[1]])
        loader.go.release()
        return await asyncio.gather(reads[0], reads[2])

    assert [value and value.name for value in async_to_sync(cancelled)()] == ["old", "old"]
    assert loader.loads == 1


def test_who_leads_may_be_cancelled_and_the_load_goes_on(flights: CountedFlights, loader: Loader) -> None:
    async def cancelled() -> list[ShopCopy | None]:
        leader = asyncio.create_task(shop.aget("corner"))
        await asyncio.to_thread(loader.wait)
        others = [asyncio.create_task(shop.aget("corner")) for _ in range(2)]
        await asyncio.to_thread(flights.wait_for, 2)
        leader.cancel()
        await asyncio.wait([leader])
        assert leader.cancelled()
        loader.go.release()
        return await asyncio.gather(*others)

    assert [value and value.name for value in async_to_sync(cancelled)()] == ["old", "old"]
    assert loader.loads == 1


def test_a_cancelled_leader_whose_load_fails_leaves_no_trace(
    flights: CountedFlights, loader: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    loader.error = DatabaseError("the disk is full")

    async def cancelled() -> None:
        leader = asyncio.create_task(shop.aget("corner"))
        await asyncio.to_thread(loader.wait)
        leader.cancel()
        await asyncio.wait([leader])
        other = asyncio.create_task(shop.aget("corner"))
        await asyncio.to_thread(flights.wait_for, 1)
        loader.go.release()
        with pytest.raises(DatabaseError):
            await other

    async_to_sync(cancelled)()
    assert not flights._flights
    assert "never retrieved" not in caplog.text


def test_a_leader_cancelled_before_it_loads_leaves_the_flight_to_the_next(
    redis: Any, loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.flights = flights = CountedFlights()
    assert runtime.redis is not None
    asked, answer, ask = asyncio.Event(), asyncio.Event(), runtime.redis.aexecute

    async def slowly(commands: Any) -> Any:
        asked.set()
        await answer.wait()
        return await ask(commands)

    monkeypatch.setattr(runtime.redis, "aexecute", slowly)

    async def cancelled() -> ShopCopy | None:
        leader = asyncio.create_task(shop.aget("corner"))
        await asked.wait()
        other = asyncio.create_task(shop.aget("corner"))
        await asyncio.to_thread(flights.wait_for, 1)
        leader.cancel()
        await asyncio.wait([leader])
        answer.set()
        loader.go.release()
        return await other

    assert async_to_sync(cancelled)().name == "old"


# --- other processes --------------------------------------------------------------------------------------------------


def test_a_dead_holder_of_the_lease_delays_one_read_of_the_process_not_each(redis: Any, clock: MovableClock) -> None:
    redis.set(guard_names(KEY)[1], "somebody who died", px=60_000)
    before = clock.seconds
    assert get() == "old"
    waited = clock.seconds - before
    assert 0.25 <= waited < 0.3
    for _ in range(3):
        assert get() == "old"
    assert clock.seconds - before == waited
    # Its lease has run out by then; another one's is waited for again.
    clock.advance(5)
    assert get() == "old"
    assert clock.seconds - before - 5 >= 2 * waited - 0.01


def test_a_thread_waits_little_for_a_task_that_may_need_this_very_thread(
    tiers: str, loader: Loader, settings: Any
) -> None:
    settings.CACHING = {**settings.CACHING, "LEASE_SECONDS": PATIENCE, "LEASE_WAIT_SECONDS": 0.01}
    runtime.flights = flights = CountedFlights()

    async def one_thread_for_both() -> tuple[Any, Any]:
        led, _ = flights.board("value", [KEY])
        assert led == [KEY]
        return await asyncio.gather(asyncio.to_thread(get), land_later())

    async def land_later() -> None:
        await asyncio.to_thread(loader.wait)
        loader.go.release()

    assert async_to_sync(one_thread_for_both)()[0] == "old"
    flights.land("value", KEY, lambda: NOTHING)
