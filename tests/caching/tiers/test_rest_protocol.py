"""The coherence protocol over REST: leases, fills, marks, clears and two hosts that nobody tells of changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from pytest_django.fixtures import Settings

from caching.epochs import guard_names
from caching.invalidation import clear
from caching.listener import Listener
from caching.marks import mark, told, unmark
from caching.models import PendingInvalidation
from caching.runtime import runtime
from caching.steps import Ask
from caching.tiers.rest import RestTier
from tests.caching.stepping import KEY, forget_here, is_ask, slow_read
from tests.conftest import MovableClock
from tests.faults.hosts import Host
from tests.servers.rest_front import TOKEN, Front
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

BOUND = 2.0


@pytest.fixture
def front(redis: Any, settings: Settings) -> Iterator[Front]:
    front = Front(redis.connection_pool.connection_kwargs["port"])
    caching = {"REDIS_ALIAS": None, "REST_URL": front.url, "REST_TOKEN": TOKEN, "REST_BUDGET_SECONDS": 5.0}
    settings.CACHING = {**settings.CACHING, **caching, "LOCAL_TTL_WITHOUT_TRACKING": BOUND}
    yield front
    runtime.reset()
    front.close()


@pytest.fixture(autouse=True)
def corner(clock: MovableClock, front: Front) -> Shop:
    assert isinstance(runtime.redis, RestTier)
    return Shop.objects.create(slug="corner", name="old")


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Another host: stamps of its own, the same service."""
    host = Host(STAMPS_DIR=str(tmp_path_factory.mktemp("other")))
    yield host
    host.close()


def name() -> str:
    value = shop.get("corner")
    assert value is not None
    return value.name


def test_what_one_host_loaded_is_a_hit_for_another(other: Host, redis: Any) -> None:
    assert name() == "old"
    with other.here():
        assert name() == "old"
    assert shop.counters.loads == 1
    assert redis.get(guard_names(KEY)[0]).isascii()


def test_a_bit_that_flips_in_a_value_makes_it_a_miss(redis: Any) -> None:
    assert name() == "old"
    value = guard_names(KEY)[0]
    raw = bytearray(redis.get(value))
    for bit in range(8):
        damaged = raw[:-6] + bytes([raw[-6] ^ 1 << bit]) + raw[-5:]
        redis.set(value, bytes(damaged), keepttl=True)
        runtime.drop_local()
        assert name() == "old"
    assert shop.counters.loads == 9


def test_coroutines_fill_and_hit_as_threads_do(other: Host) -> None:
    async def read() -> str:
        return (await shop.aget("corner")).name

    assert async_to_sync(read)() == "old"
    with other.here():
        assert async_to_sync(read)() == "old"
    assert shop.counters.loads == 1


def test_many_keys_are_one_request_to_look_one_for_leases_and_one_to_fill(front: Front, other: Host) -> None:
    Shop.objects.bulk_create([Shop(slug=f"shop-{number}", name="new") for number in range(20)])
    orgs = [f"shop-{number}" for number in range(20)]
    clear()
    shop.get_many([(org,) for org in orgs])
    front.asked.clear()
    with other.here():
        found = shop.get_many([(org,) for org in orgs])
    assert len(found) == 20
    assert len(front.asked) == 1


def test_a_write_is_seen_by_its_own_host_at_once(corner: Shop) -> None:
    assert name() == "old"
    corner.name = "new"
    corner.save()
    assert name() == "new"


def test_another_host_sees_a_write_when_its_copy_is_as_old_as_agreed(
    clock: MovableClock, other: Host, corner: Shop
) -> None:
    with other.here():
        assert name() == "old"
    corner.name = "new"
    corner.save()
    with other.here():
        clock.advance(BOUND - 0.01)
        assert name() == "old"
        clock.advance(0.01)
        assert name() == "new"
        # A copy is as old as the question was, not as the answer.
        clock.advance(BOUND)
        assert runtime.find(KEY.local) is None


def test_a_copy_is_as_old_as_the_question_it_answers(clock: MovableClock) -> None:
    read = slow_read().until(lambda step: isinstance(step, Ask))
    clock.advance(BOUND)
    assert read.finish().name == "old"
    assert runtime.find(KEY.local) is None


@pytest.mark.parametrize("what", [{}, {"region": "shop"}, {"org": "corner"}, {"region": "shop", "org": "corner"}])
def test_a_clear_is_one_small_write_that_others_see_as_soon(
    clock: MovableClock, other: Host, front: Front, what: dict[str, str]
) -> None:
    with other.here():
        name()
    front.asked.clear()
    clear(**what)
    assert len(front.asked) <= 2
    loads = shop.counters.loads
    clock.advance(BOUND)
    with other.here():
        name()
    assert shop.counters.loads == loads + 1


def test_while_a_writer_is_pending_nobody_fills(other: Host, redis: Any) -> None:
    assert runtime.redis is not None
    name()
    runtime.redis.execute([mark(KEY, "me")])
    with other.here():
        assert name() == "old"
    assert redis.get(guard_names(KEY)[0]) is None
    runtime.redis.execute([unmark(told(KEY), "me")])
    with other.here():
        forget_here()
        name()
    assert redis.get(guard_names(KEY)[0]) is not None


def test_a_fill_that_a_write_overtook_is_refused(other: Host, corner: Shop) -> None:
    with other.here():
        read = slow_read().until(is_ask("'SET', KEYS[2]"))
    corner.name = "new"
    corner.save()
    with other.here():
        read.finish()
        assert name() == "new"


def test_who_lost_the_race_for_a_lease_is_told_that_there_is_a_value(other: Host, front: Front) -> None:
    with other.here():
        late = slow_read().until(is_ask("GETRANGE"))
    name()
    with other.here():
        assert late.step.run().values == [b"value"]


def test_a_value_of_before_a_clear_is_none_for_the_lease(other: Host) -> None:
    name()
    clear()
    with other.here():
        read = slow_read().until(is_ask("GETRANGE"))
        assert read.step.run().values == [b"taken"]


def test_reads_and_writes_go_on_without_the_service_and_it_is_told_later(
    clock: MovableClock, other: Host, front: Front, corner: Shop
) -> None:
    with other.here():
        assert name() == "old"
    front.kill()
    corner.name = "new"
    corner.save()
    assert name() == "new"
    assert PendingInvalidation.objects.count() == 1
    front.start()
    clock.advance(BOUND)
    assert runtime.relay is not None
    runtime.relay.go_round()
    assert PendingInvalidation.objects.count() == 0
    assert runtime.breaker.closed
    with other.here():
        assert name() == "new"


def test_a_service_that_goes_away_between_mark_and_commit_is_told_later(
    clock: MovableClock, front: Front, corner: Shop, other: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runtime.redis is not None
    execute, trips = runtime.redis.execute, []

    def die_after_the_mark(commands: Any, **options: Any) -> Any:
        answer = execute(commands, **options)
        trips.append(commands)
        if len(trips) == 1:
            front.kill()
        return answer

    monkeypatch.setattr(runtime.redis, "execute", die_after_the_mark)
    corner.name = "new"
    corner.save()
    assert len(trips) == 1
    assert PendingInvalidation.objects.count() == 1
    front.start()
    clock.advance(BOUND)
    assert runtime.relay is not None
    runtime.relay.go_round()
    with other.here():
        assert name() == "new"


def test_there_is_no_listener_and_nobody_says_that_it_is_missing(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}
    assert runtime.redis is not None
    assert not isinstance(runtime.listener, Listener)
    assert not runtime.hears_changes
    assert runtime.local is not None
    assert runtime.trust(runtime.local)
