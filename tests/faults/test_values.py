"""Whatever lies under the cache's names in Redis, a read returns what the database holds, and mends what it found."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from msgspec.structs import replace

from caching.envelope import FORMAT, Envelope, pack
from caching.epochs import epoch_names, guard_names, wide_names
from caching.keys import Key
from caching.runtime import runtime
from tests.caching.stepping import KEY, forget_here
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

VALUE, LEASE, PENDING = guard_names(KEY)
WIDE_PENDING = wide_names(KEY.scope)[1]

ways_to_read = pytest.mark.parametrize("read", [shop.get, async_to_sync(shop.aget)], ids=["sync", "async"])


@pytest.fixture(autouse=True)
def corner(redis: Any) -> Shop:
    """A shop whose good value is in Redis, and no longer here."""
    row = Shop.objects.create(slug="corner", name="old")
    shop.get("corner")
    shop.counters.reset()
    forget_here()
    return row


@pytest.fixture
def seeded() -> Iterator[random.Random]:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 -- shown with a failure, which it repeats
    return random.Random(seed)


def assert_a_miss_that_mends(redis: Any, bad: bytes, read: Callable[..., Any] = shop.get) -> None:
    """Put `bad` where the value was: the next read loads, says so, and puts a good value in its place."""
    redis.set(VALUE, bad)
    forget_here()
    shop.counters.reset()
    assert read("corner").name == "old"
    assert (shop.counters.rejected, shop.counters.loads, shop.counters.redis_hits) == (1, 1, 0), bad
    forget_here()
    assert read("corner").name == "old"
    assert (shop.counters.rejected, shop.counters.loads, shop.counters.redis_hits) == (1, 1, 1), bad


# --- damage ----------------------------------------------------------------------------------------------------------


def test_a_value_cut_off_anywhere_is_a_miss(redis: Any) -> None:
    raw = redis.get(VALUE)
    for length in range(len(raw)):
        assert_a_miss_that_mends(redis, raw[:length])


def test_a_flipped_bit_in_any_byte_is_a_miss(redis: Any, seeded: random.Random) -> None:
    raw = redis.get(VALUE)
    for index in range(len(raw)):
        bad = bytearray(raw)
        bad[index] ^= 1 << seeded.randrange(8)
        assert_a_miss_that_mends(redis, bytes(bad))


def test_random_damage_is_a_miss(redis: Any, seeded: random.Random) -> None:
    raw = redis.get(VALUE)
    for _ in range(200):
        begin, end = sorted(seeded.choices(range(len(raw) + 1), k=2))
        bad = raw[:begin] + seeded.choice([b"", seeded.randbytes(end - begin), raw[begin:end] * 2]) + raw[end:]
        if bad != raw:
            assert_a_miss_that_mends(redis, bad)


@ways_to_read
@pytest.mark.parametrize("bad", [b"", b"\x00", b"\x00" * 200, b"\xff" * 200, b"null", b"x" * 1_000_000], ids=repr)
def test_what_never_was_a_value_is_a_miss(redis: Any, bad: bytes, read: Any) -> None:
    assert_a_miss_that_mends(redis, bad, read)


def test_one_bad_value_among_good_ones_costs_no_more_than_itself(redis: Any, corner: Shop) -> None:
    dishes = [Dish.objects.create(shop=corner, name=f"dish {number}") for number in range(3)]
    names = [("corner", each.pk) for each in dishes]
    dish.get_many(names)
    redis.set(guard_names(Key("dish", "corner", (dishes[1].pk,)))[0], b"bad")
    forget_here()
    dish.counters.reset()
    found = dish.get_many(names)
    assert [found[name].name for name in names] == ["dish 0", "dish 1", "dish 2"]
    assert (dish.counters.rejected, dish.counters.redis_hits, dish.counters.misses) == (1, 2, 1)


def test_a_bad_list_is_composed_anew(redis: Any, corner: Shop) -> None:
    Dish.objects.create(shop=corner, name="soup")
    menu.get("corner")
    redis.set(guard_names(Key("menu", "corner"))[0], b"bad")
    forget_here()
    assert [each.name for each in menu.get("corner").results] == ["soup"]
    assert menu.counters.rejected == 1


# --- whole, but another's --------------------------------------------------------------------------------------------


def forged(redis: Any, **changes: Any) -> bytes:
    """Return the good value with some of its fields changed, and a checksum that is right."""
    head = struct.Struct("<BBI8s16sdddfqH")
    raw = redis.get(VALUE)
    _, _, _, schema, epochs, created, soft, hard, cost, version, length = head.unpack_from(raw)
    good = Envelope(
        raw[head.size : head.size + length].decode(),
        schema,
        epochs,
        created,
        soft,
        hard,
        cost,
        version,
        raw[head.size + length :],
    )
    return pack(replace(good, **changes))


def test_a_value_forged_without_a_change_is_accepted(redis: Any) -> None:
    """Or the next tests would prove nothing."""
    redis.set(VALUE, forged(redis))
    assert shop.get("corner").name == "old"
    assert (shop.counters.rejected, shop.counters.redis_hits) == (0, 1)


@ways_to_read
@pytest.mark.parametrize(
    "changes",
    [
        {"key": "{corner}:shop:more"},
        {"key": Key("shop", "rival").name},
        {"key": Key("dish", "corner").name},
        {"key": ""},
        {"schema": b"12345678"},
        {"schema": bytes(8)},
        {"schema": dish.schema},
        {"epochs": bytes(16)},
    ],
    ids=repr,
)
def test_a_whole_value_of_another_key_schema_or_epoch_is_a_miss(redis: Any, changes: Any, read: Any) -> None:
    assert_a_miss_that_mends(redis, forged(redis, body=b'{"slug":"corner","name":"forged"}', **changes), read)


@pytest.mark.parametrize("form", [FORMAT - 1, FORMAT + 1, 255])
def test_a_value_of_another_format_is_a_miss(redis: Any, form: int) -> None:
    assert_a_miss_that_mends(redis, bytes([form]) + redis.get(VALUE)[1:])


def test_releases_with_other_fields_take_turns_at_a_key_and_none_reads_the_others(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = shop.schema
    for schema in (b"newer---", ours, b"older---", ours):
        monkeypatch.setitem(shop.__dict__, "schema", schema)
        forget_here()
        shop.counters.reset()
        assert shop.get("corner").name == "old"
        assert (shop.counters.rejected, shop.counters.loads) == (1, 1)


def test_another_organisations_value_under_this_name_is_a_miss(redis: Any) -> None:
    Shop.objects.create(slug="rival", name="rival")
    shop.get("rival")
    assert_a_miss_that_mends(redis, redis.get(guard_names(Key("shop", "rival"))[0]))


# --- another type ----------------------------------------------------------------------------------------------------

FOREIGN: dict[str, Callable[[Any, str], object]] = {
    "list": lambda redis, name: redis.rpush(name, "x"),
    "hash": lambda redis, name: redis.hset(name, "x", "x"),
    "set": lambda redis, name: redis.sadd(name, "x"),
    "sorted set": lambda redis, name: redis.zadd(name, {"x": 0}),
    "stream": lambda redis, name: redis.xadd(name, {"x": "x"}),
    "number": lambda redis, name: redis.set(name, 5),
}


def assert_cached_again(read: Callable[..., Any], expected: str) -> None:
    """The next reads return what the database holds, and the second is answered by Redis."""
    assert read("corner").name == expected
    forget_here()
    shop.counters.reset()
    assert read("corner").name == expected
    assert (shop.counters.redis_hits, shop.counters.loads) == (1, 0)


def put_foreign(redis: Any, kind: str, name: str) -> None:
    redis.delete(name)
    FOREIGN[kind](redis, name)
    if name == LEASE:
        # Or nobody would ask for it.
        redis.delete(VALUE)
    forget_here()


all_names = pytest.mark.parametrize("name", [VALUE, LEASE, PENDING, WIDE_PENDING, *epoch_names(KEY.scope)])


@ways_to_read
@all_names
def test_a_key_of_another_type_is_a_miss_that_is_mended(redis: Any, name: str, read: Any) -> None:
    for kind in FOREIGN:
        put_foreign(redis, kind, name)
        assert_cached_again(read, "old")
    assert runtime.breaker.closed


@all_names
def test_a_key_of_another_type_hinders_no_write(redis: Any, name: str, corner: Shop) -> None:
    for kind in FOREIGN:
        put_foreign(redis, kind, name)
        corner.name = f"after a {kind}"
        corner.save()
        assert_cached_again(shop.get, corner.name)
        put_foreign(redis, kind, name)
        Shop.objects.filter(pk="corner").update(name="silently")
        shop.invalidate_org("corner")
        assert_cached_again(shop.get, "silently")
    assert runtime.breaker.closed


def test_a_clear_takes_the_place_of_a_foreign_epoch(redis: Any) -> None:
    for kind in FOREIGN:
        put_foreign(redis, kind, epoch_names(KEY.scope)[1])
        shop.clear()
        assert_cached_again(shop.get, "old")
