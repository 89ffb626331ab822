"""Compressed and encrypted values in a real Redis: hits as ever, and whatever somebody else puts there is a miss."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from pytest_django.fixtures import Settings

from caching.encryption import new_key
from caching.envelope import CODED, FORMAT
from caching.epochs import guard_names
from caching.keys import Key
from caching.runtime import runtime
from tests.caching.stepping import forget_here
from tests.caching.test_encryption import with_right_checksum
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "The Corner Shop"
LIST = guard_names(Key("menu", "corner"))[0]
VALUE = guard_names(Key("shop", "corner"))[0]
Configure = Callable[..., None]

ways_to_read = pytest.mark.parametrize(
    "read",
    [shop.get, async_to_sync(shop.aget), lambda org: shop.get_many([(org,)])[(org,)]],
    ids=["sync", "async", "many"],
)


@pytest.fixture
def configure(redis: Any, settings: Settings) -> Configure:
    """Set keys and the options of `shop`; what is in Redis stays there."""

    def _configure(keys: Any = (), **options: Any) -> None:
        settings.CACHING = {**settings.CACHING, "ENCRYPTION_KEYS": list(keys), "REGIONS": {"shop": options}}
        forget_here()
        shop.counters.reset()

    Shop.objects.create(slug="corner", name=NAME)
    return _configure


def counted() -> tuple[int, int, int, int]:
    counters = shop.counters
    return counters.redis_hits, counters.loads, counters.rejected, counters.undecryptable


def read_anew(read: Callable[..., Any] = shop.get, org: str = "corner") -> tuple[int, int, int, int]:
    """Read from Redis, and return what was counted: hits there, loads, values rejected, and refused by encryption."""
    forget_here()
    shop.counters.reset()
    assert read(org).name == NAME
    return counted()


HIT, MENDED, REFUSED = (1, 0, 0, 0), (0, 1, 1, 0), (0, 1, 1, 1)


@ways_to_read
@pytest.mark.parametrize("keys", [[], [new_key()]], ids=["plain", "encrypted"])
@pytest.mark.parametrize("above", [None, 0])
def test_what_is_stored_is_a_hit_however_it_lies_there(
    configure: Configure, redis: Any, read: Any, keys: Any, above: Any
) -> None:
    configure(keys, compress_above=above)
    shop.get("corner")
    assert read_anew(read) == HIT
    assert (NAME.encode() in redis.get(VALUE)) is not bool(keys)


@pytest.mark.parametrize("keys", [[], [new_key()]], ids=["plain", "encrypted"])
def test_a_large_value_is_compressed_and_comes_back(configure: Configure, redis: Any, keys: Any) -> None:
    configure(keys, compress_above=100)
    Shop.objects.filter(pk="corner").update(name="x" * 49)
    shop.get("corner")
    small = redis.strlen(VALUE)
    assert redis.get(VALUE)[0] == (CODED if keys else FORMAT)
    configure(keys, compress_above=10)
    redis.delete(VALUE)
    assert shop.get("corner").name == "x" * 49
    assert redis.strlen(VALUE) < small
    forget_here()
    assert shop.get("corner").name == "x" * 49
    assert shop.counters.redis_hits == 1


def test_missing_rows_are_encrypted_and_remembered(configure: Configure, redis: Any) -> None:
    configure([new_key()])
    assert shop.get("nowhere") is None
    assert b"null" not in redis.get(guard_names(Key("shop", "nowhere"))[0])
    forget_here()
    assert shop.get("nowhere") is None
    assert shop.counters.loads == 1


@ways_to_read
def test_plain_text_put_in_place_of_an_encrypted_value_is_refused_and_mended(
    configure: Configure, redis: Any, read: Any, caplog: pytest.LogCaptureFixture
) -> None:
    configure()
    shop.get("corner")
    plain = redis.get(VALUE)
    configure([new_key()])
    # It has the right epochs, schema and name: nothing but encryption is missing.
    with caplog.at_level(logging.ERROR, logger="caching"):
        assert read_anew(read) == REFUSED
    assert [each.event for each in caplog.records] == ["value_not_decrypted"]
    assert NAME not in caplog.text
    assert redis.get(VALUE) != plain
    assert read_anew(read) == HIT


@ways_to_read
def test_an_encrypted_value_where_none_is_demanded_is_a_miss(configure: Configure, read: Any) -> None:
    configure([new_key()])
    shop.get("corner")
    configure()
    assert read_anew(read) == MENDED
    assert read_anew(read) == HIT


@ways_to_read
def test_a_value_of_another_key_is_refused(configure: Configure, read: Any) -> None:
    configure([new_key()])
    shop.get("corner")
    configure([new_key()])
    assert read_anew(read) == REFUSED
    assert read_anew(read) == HIT


def test_a_rotation_in_three_steps_costs_no_miss(configure: Configure) -> None:
    old, new = new_key(), new_key()
    configure([old])
    shop.get("corner")
    for keys in ([old, new], [new, old]):
        configure(keys)
        assert read_anew() == HIT
    shop.clear()
    assert read_anew()[1] == 1
    configure([old, new])
    assert read_anew() == HIT
    configure([new])
    assert read_anew() == HIT


@pytest.mark.parametrize("at", [40, 90, -1])
def test_a_value_that_was_changed_is_refused_though_its_checksum_is_right(
    configure: Configure, redis: Any, at: int
) -> None:
    configure([new_key()])
    shop.get("corner")
    bad = bytearray(redis.get(VALUE))
    bad[at] ^= 1
    redis.set(VALUE, with_right_checksum(bytes(bad)))
    assert read_anew()[1:3] == (1, 1)
    assert read_anew() == HIT


def test_a_region_that_demands_encryption_without_keys_lives_in_local_memory_alone(
    configure: Configure, redis: Any
) -> None:
    configure([], encrypted=True)
    assert shop.get("corner").name == NAME
    assert redis.get(VALUE) is None
    assert shop.get("corner").name == NAME
    assert (shop.counters.local_hits, shop.counters.loads) == (1, 1)
    # Nobody waits for the lease of a value that cannot come.
    assert redis.keys("*l:*") == []
    Shop.objects.get(pk="corner").save()
    assert read_anew() == (0, 1, 0, 0)


def test_a_write_makes_an_encrypted_value_stale(configure: Configure, redis: Any) -> None:
    configure([new_key()], compress_above=0)
    row = Shop.objects.get(pk="corner")
    shop.get("corner")
    row.name = "another"
    row.save()
    assert shop.get("corner").name == "another"
    shop.clear()
    forget_here()
    assert shop.get("corner").name == "another"


def test_a_list_is_composed_of_encrypted_items_and_what_was_refused_counts_where_it_was(
    configure: Configure, redis: Any
) -> None:
    configure([new_key()])
    for name in ("soup", "stew"):
        Dish.objects.create(shop_id="corner", name=name)
    assert [each.name for each in menu.get("corner").results] == ["soup", "stew"]
    forget_here()
    assert [each.name for each in menu.get("corner").results] == ["soup", "stew"]
    assert (menu.counters.redis_hits, menu.counters.undecryptable) == (1, 0)
    first, second = (guard_names(Key("dish", "corner", (each.pk,)))[0] for each in Dish.objects.all())
    redis.set(first, redis.get(second))
    bad = bytearray(redis.get(second))
    bad[-1] ^= 1
    redis.set(second, with_right_checksum(bytes(bad)))
    forget_here()
    menu.counters.reset()
    assert [each.name for each in menu.get("corner").results] == ["soup", "stew"]
    # The other one names another key.
    assert (dish.counters.undecryptable, menu.counters.undecryptable) == (1, 0)
    redis.set(LIST, with_right_checksum(redis.get(LIST)[:-16] + bytes(16)))
    forget_here()
    assert [each.name for each in menu.get("corner").results] == ["soup", "stew"]
    assert (dish.counters.undecryptable, menu.counters.undecryptable) == (1, 1)


def test_what_was_refused_is_in_the_statistics(configure: Configure) -> None:
    configure([new_key()])
    shop.get("corner")
    configure([new_key()])
    shop.get("corner")
    assert runtime.statistics.host()["shop"]["undecryptable"] == 1
