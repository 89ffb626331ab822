"""What Redis answers is believed only when it is whole, ours and of this epoch; without an answer life goes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from caching.epochs import guard_names
from caching.errors import RedisUnavailable
from caching.keys import Key
from caching.runtime import runtime
from caching.steps import Pause
from tests.caching.stepping import KEY, forget_here, is_ask, is_load, slow_read
from tests.conftest import MovableClock
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="old")


@pytest.mark.parametrize("damage", [b"", b"x", b"\x00" * 80, "flip", "cut"])
def test_damaged_bytes_in_redis_are_a_counted_miss(redis: Any, damage: Any) -> None:
    shop.get("corner")
    name = guard_names(KEY)[0]
    raw = redis.get(name)
    redis.set(name, {"flip": raw[:-1] + bytes([raw[-1] ^ 1]), "cut": raw[:-3]}.get(damage, damage))
    forget_here()
    assert shop.get("corner").name == "old"
    assert (shop.counters.rejected, shop.counters.loads) == (1, 2)
    forget_here()
    shop.get("corner")
    assert shop.counters.redis_hits == 1, "the good value took the place of the bad one"


def test_another_tenants_value_under_a_key_is_not_served(redis: Any) -> None:
    Shop.objects.create(slug="rival", name="rival")
    shop.get("rival")
    shop.get("corner")
    redis.set(guard_names(KEY)[0], redis.get(guard_names(Key("shop", "rival"))[0]))
    forget_here()
    assert shop.get("corner").name == "old"


def test_an_evicted_epoch_is_a_miss_and_never_repeats(redis: Any) -> None:
    shop.get("corner")
    for name in redis.keys("fa:e:*"):
        redis.delete(name)
    forget_here()
    shop.get("corner")
    assert shop.counters.loads == 2
    assert all(len(redis.get(name)) == 16 for name in redis.keys("fa:e:*"))


def test_values_of_another_server_process_are_misses(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.get("corner")
    forget_here()
    tier = runtime.redis
    assert tier is not None
    execute = tier.execute
    monkeypatch.setattr(tier, "execute", lambda commands: execute(commands)._replace(run_id=b"promoted"))
    shop.get("corner")
    assert shop.counters.loads == 2


def test_without_an_answer_from_redis_reads_go_to_the_database_and_keep_nothing(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(commands: Any) -> None:
        raise RedisUnavailable("gone")

    monkeypatch.setattr(runtime.redis, "execute", silent)
    assert [shop.get("corner").name, shop.get("corner").name] == ["old", "old"]
    assert (shop.counters.errors, shop.counters.loads, shop.counters.local_hits) == (2, 2, 0)


@pytest.mark.parametrize("script", ["GETRANGE", "'SET', KEYS[2]"])
def test_an_answer_lost_midway_leaves_nothing_wrong(redis: Any, script: str) -> None:
    read = slow_read().until(is_ask(script))
    read.step = read._steps.throw(RedisUnavailable("gone")) if script == "GETRANGE" else None
    if script == "GETRANGE":
        assert read.finish().name == "old"
    else:
        with pytest.raises(StopIteration) as done:
            read._steps.throw(RedisUnavailable("gone"))
        assert done.value.value[KEY].value.name == "old"
    assert shop.counters.errors == 1
    assert runtime.local is not None
    assert not runtime.local.entries


def lose_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(commands: Any) -> None:
        raise RedisUnavailable("gone")

    monkeypatch.setattr(runtime.redis, "execute", silent)


def test_who_waits_for_another_loads_when_redis_goes_away(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_read().until(is_load)
    waiting = slow_read().until(lambda step: isinstance(step, Pause))
    lose_redis(monkeypatch)
    assert waiting.finish().name == "old"
    assert (shop.counters.errors, shop.counters.loads) == (1, 1)


def test_a_lease_that_cannot_be_given_back_is_left_to_run_out(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction.atomic():
        read = slow_read().until(is_load)
        lose_redis(monkeypatch)
        assert read.finish().name == "old"
    assert redis.exists(guard_names(KEY)[1])
    assert shop.counters.errors == 1


def test_values_come_in_the_order_in_which_they_were_asked_for(tiers: str) -> None:
    for slug in ("a", "b", "c"):
        Shop.objects.create(slug=slug, name=slug)
    shop.get("b")
    wanted = [("c",), ("b",), ("nowhere",), ("a",)]
    assert list(shop.get_many(wanted)) == wanted


def test_without_being_told_of_changes_a_copy_is_as_old_as_its_reading(redis: Any, clock: MovableClock) -> None:
    read = slow_read().until(is_ask("pcall('SET'"))
    # This process was stopped between the answer of the database and the fill.
    clock.advance(1.5)
    read.finish()
    assert runtime.find(KEY.local) is not None
    clock.advance(0.6)
    assert runtime.find(KEY.local) is None
