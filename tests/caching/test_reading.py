"""The reader against writers at every instant: the logic is stepped by hand, so each interleaving is exact."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from caching.epochs import guard_names
from caching.invalidation import Invalidation, invalidate
from caching.runtime import runtime
from caching.steps import Pause
from tests.caching.stepping import KEY, Slow, cached_name, forget_here, is_ask, is_load, slow_read
from tests.conftest import MovableClock
from tests.shop.cached import dish, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="old")


def rename(name: str) -> None:
    Shop.objects.filter(slug="corner").update(name=name)


def test_the_first_read_loads_and_the_second_needs_no_database(tiers: str, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert shop.get("corner").name == "old"
    with django_assert_num_queries(0):
        assert shop.get("corner").name == "old"
    assert (shop.counters.misses, shop.counters.local_hits) == (1, 1)


def test_another_process_of_the_same_redis_needs_no_database(redis: Any, django_assert_num_queries: Any) -> None:
    shop.get("corner")
    forget_here()
    with django_assert_num_queries(0):
        assert shop.get("corner").name == "old"
    assert shop.counters.redis_hits == 1


def test_a_write_is_seen_at_once(tiers: str) -> None:
    shop.get("corner")
    rename("new")
    assert shop.get("corner").name == "new"


def test_a_load_that_read_before_a_commit_does_not_fill_after_it(tiers: str) -> None:
    read = slow_read().until(is_load)
    read.proceed()
    rename("new")
    assert read.finish().name == "old", "it began before the write, so this is no stale answer"
    assert cached_name() is None
    assert shop.get("corner").name == "new"


def test_a_reader_that_looked_before_the_mark_and_leases_after_it_does_not_fill(redis: Any) -> None:
    read = slow_read().until(is_ask("GETRANGE"))
    pending = Invalidation([KEY])
    pending.begin()
    read.finish()
    assert not redis.exists(guard_names(KEY)[0])
    pending.finish()
    assert shop.get("corner").name == "old"
    assert redis.exists(guard_names(KEY)[0])


def test_while_any_writer_is_pending_nobody_fills(tiers: str) -> None:
    first, second = Invalidation([KEY]), Invalidation([KEY])
    first.begin()
    second.begin()
    second.finish()
    shop.get("corner")
    assert cached_name() is None, "the first writer is still under way"
    first.finish()
    shop.get("corner")
    assert cached_name() == "old"


def test_a_wide_mark_stops_readers_of_every_key_of_the_scope(tiers: str) -> None:
    pending = Invalidation([KEY.scope])
    shop.get("corner")
    pending.begin()
    assert cached_name() is None
    shop.get("corner")
    assert cached_name() is None
    pending.finish()
    assert cached_name() is None
    shop.get("corner")
    assert cached_name() == "old"


def test_a_fill_delayed_over_a_whole_wide_write_is_never_served(redis: Any) -> None:
    read = slow_read().until(is_load)
    read.proceed()
    invalidate([KEY.scope])
    read.finish()
    assert cached_name() is None


def test_a_killed_writers_mark_runs_out(clock: MovableClock) -> None:
    Invalidation([KEY]).begin()
    shop.get("corner")
    assert cached_name() is None
    clock.advance(5.1)
    shop.get("corner")
    assert cached_name() == "old"


def test_a_killed_writers_mark_runs_out_in_redis_too(redis: Any, settings: Any) -> None:
    settings.CACHING = {**settings.CACHING, "MARK_SECONDS": 0.001}
    Invalidation([KEY]).begin()
    while redis.zrangebyscore(guard_names(KEY)[2], _server_milliseconds(redis), "+inf"):
        pass
    shop.get("corner")
    assert redis.exists(guard_names(KEY)[0])


def _server_milliseconds(redis: Any) -> int:
    seconds, micros = redis.time()
    return int(seconds * 1000 + micros // 1000)


def test_an_abandoned_commit_keeps_everybody_from_filling(tiers: str) -> None:
    write = Invalidation([KEY])
    write.begin()
    write.abandon()
    shop.get("corner")
    assert cached_name() is None


def test_simultaneous_misses_load_once_across_processes(redis: Any, settings: Any) -> None:
    settings.CACHING = {**settings.CACHING, "LEASE_WAIT_SECONDS": 60}
    first = slow_read().until(is_load)
    second = slow_read().until(lambda step: isinstance(step, Pause))
    first.finish()
    assert shop.value(_entry(second)).name == "old"
    assert shop.counters.loads == 1


def _entry(read: Slow) -> Any:
    while read.step is not None:
        if isinstance(read.step, Pause):
            read.step = read._steps.send(None)
        else:
            read.proceed()
    return read.result[KEY]


def test_the_loser_of_a_lease_loads_for_itself_when_the_winner_takes_too_long(redis: Any, clock: MovableClock) -> None:
    slow_read().until(is_load)
    assert slow_read().finish().name == "old"
    assert shop.counters.loads == 1
    assert not redis.exists(guard_names(KEY)[0])


def test_a_value_filled_between_look_and_lease_is_taken_and_not_loaded_again(redis: Any) -> None:
    late = slow_read().until(is_ask("GETRANGE"))
    shop.get("corner")
    forget_here()
    late.finish()
    assert shop.counters.loads == 1


def test_a_failed_load_gives_its_lease_back(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(shop, "_load", fail)
        shop.get("corner")
    assert not redis.exists(guard_names(KEY)[1])
    shop.get("corner")
    assert redis.exists(guard_names(KEY)[0])


def test_a_missing_row_is_remembered_and_its_creation_seen(tiers: str, django_assert_num_queries: Any) -> None:
    assert shop.get("nowhere") is None
    with django_assert_num_queries(0):
        assert shop.get("nowhere") is None
    Shop.objects.create(slug="nowhere", name="somewhere")
    assert shop.get("nowhere").name == "somewhere"


def test_a_missing_row_is_remembered_briefly(clock: MovableClock) -> None:
    shop.get("nowhere")
    clock.advance(10.1)
    shop.get("nowhere")
    assert shop.counters.loads == 2


def test_local_copies_end_with_their_ttl(clock: MovableClock) -> None:
    shop.get("corner")
    clock.advance(299)
    shop.get("corner")
    assert shop.counters.loads == 1
    clock.advance(2)
    shop.get("corner")
    assert shop.counters.loads == 2


def test_with_redis_a_local_copy_lives_two_seconds_at_most(redis: Any, clock: MovableClock) -> None:
    shop.get("corner")
    clock.advance(1.9)
    shop.get("corner")
    assert (shop.counters.local_hits, shop.counters.redis_hits) == (1, 0)
    clock.advance(0.2)
    shop.get("corner")
    assert (shop.counters.local_hits, shop.counters.redis_hits) == (1, 1)


def test_the_ttl_in_redis_is_shortened_by_the_jitter_at_most(redis: Any) -> None:
    shop.get("corner")
    assert 0.9 * 3600 - 5 < redis.ttl(guard_names(KEY)[0]) <= 3600


def test_inside_a_transaction_that_wrote_the_reader_sees_its_own_write(tiers: str) -> None:
    shop.get("corner")
    with transaction.atomic():
        rename("mine")
        assert shop.get("corner").name == "mine"
        transaction.set_rollback(True)
    assert cached_name() == "old", "the copy was good all the time"
    assert shop.get("corner").name == "old"


def test_nothing_is_filled_inside_a_transaction(tiers: str) -> None:
    with transaction.atomic():
        shop.get("corner")
    assert cached_name() is None
    assert shop.counters.refused == 1


def test_nothing_is_filled_when_autocommit_is_off(tiers: str) -> None:
    transaction.set_autocommit(False)
    try:
        shop.get("corner")
    finally:
        connection.rollback()
        transaction.set_autocommit(True)
    assert cached_name() is None


def test_a_transaction_uses_copies_of_what_it_has_not_touched(tiers: str, django_assert_num_queries: Any) -> None:
    Shop.objects.create(slug="other", name="other")
    shop.get("other")
    with transaction.atomic():
        rename("mine")
        with django_assert_num_queries(0):
            assert shop.get("other").name == "other"


def test_around_the_cache_nothing_is_kept(tiers: str) -> None:
    assert shop.get("corner", use_cache=False).name == "old"
    assert cached_name() is None


def test_many_keys_take_one_query_and_one_round_trip_a_step(redis: Any, django_assert_num_queries: Any) -> None:
    dishes = [Dish.objects.create(shop_id="corner", name=f"dish {number}") for number in range(20)]
    names = [("corner", each.pk) for each in dishes]
    dish.get("corner", uuid4())  # makes the epochs, once for ever
    trips = _count_trips()
    with django_assert_num_queries(2):
        assert len(dish.get_many(names)) == 20
    assert len(trips) == 3, "look, lease, fill"
    trips.clear()
    forget_here()
    with django_assert_num_queries(0):
        assert all(dish.get_many(names).values())
    assert len(trips) == 1


def _count_trips() -> list[Any]:
    tier = runtime.redis
    assert tier is not None
    execute = tier.execute
    trips: list[Any] = []
    tier.execute = lambda commands: (trips.append(commands), execute(commands))[1]  # type: ignore[method-assign]
    return trips
