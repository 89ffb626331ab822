"""The direct way to Redis: what it answers by itself, what it leaves to the long way, and that nothing old comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from caching import direct
from caching.epochs import clear_name, fresh_token, guard_names, wide_names
from caching.errors import RedisUnavailable
from caching.invalidation import clear
from caching.keys import Key, Scope
from caching.runtime import Runtime, runtime
from caching.stamps import slots_of
from caching.steps import drive
from tests.caching.hearing import write_elsewhere
from tests.caching.stepping import KEY
from tests.conftest import MovableClock
from tests.shop.cached import dish, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

RIVAL = Key("shop", "rival")


@pytest.fixture(autouse=True)
def told_of_changes(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a listener stood: only what a test tells by hand is heard. Two shops are in Redis, their epochs known."""
    monkeypatch.setattr(Runtime, "hears_changes", True)
    Shop.objects.create(slug="corner", name="old")
    Shop.objects.create(slug="rival", name="rival")
    shop.get("corner")
    shop.get("rival")
    forget_values_here()
    shop.counters.reset()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was sent to Redis: "ask" for a question of the direct way, "execute" for a batch of the long one."""
    sent: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        send = getattr(runtime.redis, name)
        return lambda *args, **options: (sent.append(name), send(*args, **options))[1]

    for name in ("ask", "execute"):
        monkeypatch.setattr(runtime.redis, name, noted(name))
    return sent


def forget_values_here() -> None:
    assert runtime.local is not None
    for entry in list(runtime.local.entries.values()):
        runtime.local.discard(entry)


def plain_hits(*keys: Key) -> dict[str, str]:
    """Ask for the keys at once on the direct way alone; return the names that were found."""
    found = drive(direct.hits(shop, [key.local for key in keys]))
    return {key.org: shop.value(entry).name for key, entry in zip(keys, found, strict=True) if entry is not None}  # type: ignore[union-attr]


def test_a_hit_is_one_question_and_is_kept_in_local_memory(asked: list[str]) -> None:
    assert shop.get("corner").name == "old"
    assert asked == ["ask"]
    assert shop.get("corner").name == "old"
    assert asked == ["ask"]
    counters = shop.counters
    assert (counters.redis_hits, counters.local_hits, counters.misses, counters.loads) == (1, 1, 0, 0)
    assert counters.redis_samples == 1


async def test_so_it_is_for_coroutines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.redis, "aexecute", None)
    assert (await shop.aget("corner")).name == "old"
    assert (shop.counters.redis_hits, shop.counters.loads) == (1, 0)


def test_many_hits_are_one_question_and_are_kept_in_local_memory(asked: list[str]) -> None:
    names = [("corner",), ("rival",)]
    assert [value.name for value in shop.get_many(names).values()] == ["old", "rival"]
    assert asked == ["ask"]
    shop.get_many(names)
    assert asked == ["ask"]
    assert (shop.counters.redis_hits, shop.counters.local_hits, shop.counters.loads) == (2, 2, 0)


def test_of_many_each_is_found_where_it_is_and_nothing_is_looked_for_twice(asked: list[str]) -> None:
    Shop.objects.create(slug="late", name="late")
    shop.get("corner")
    asked.clear()
    names = [("nowhere",), ("rival",), ("late",), ("corner",), ("rival",)]
    found = shop.get_many(names)
    assert [(name, value and value.name) for name, value in found.items()] == [
        (("nowhere",), None),
        (("rival",), "rival"),
        (("late",), "late"),
        (("corner",), "old"),
    ]
    assert asked.count("ask") == 1, "what the direct way has not found is not looked for there again"
    assert asked[0] == "ask"
    counters = shop.counters
    assert (counters.local_hits, counters.redis_hits, counters.misses) == (1, 2, 2)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("decode", [False, True])
def test_that_there_is_no_row_is_remembered_no_longer_for_being_found_directly(
    settings: Any, monkeypatch: pytest.MonkeyPatch, many: bool, decode: bool
) -> None:
    shop.get("nowhere")
    forget_values_here()
    # In place: what this process knows of epochs stays.
    monkeypatch.setitem(settings.CACHING, "NEGATIVE_TTL", 1.0)
    local = runtime.local
    assert local is not None
    nowhere = Key("shop", "nowhere").local
    if many:
        entry = drive(direct.hits(shop, [nowhere, KEY.local], decode=decode))[0]
    else:
        entry = direct.hit(shop, nowhere, decode=decode)
    assert entry is not None
    assert shop.value(entry) is None
    assert entry.usable == entry.until <= local.now() + 1.0


def test_many_hits_of_scopes_nobody_knows_are_one_question_too(asked: list[str]) -> None:
    assert runtime.local is not None
    runtime.local.clear()
    shop.get_many([("corner",), ("rival",)])
    assert asked == ["ask"]
    forget_values_here()
    shop.get("corner")
    assert asked == ["ask", "ask"], "what was learnt for many serves one"
    assert shop.counters.loads == 0


def test_the_body_alone_is_found_as_directly(asked: list[str]) -> None:
    assert shop.entry("corner").body == b'{"slug":"corner","name":"old"}'
    assert asked == ["ask"]


@pytest.mark.parametrize("many", [False, True])
def test_what_a_write_elsewhere_made_stale_is_not_found(redis: Any, many: bool) -> None:
    write_elsewhere(redis, KEY)
    assert plain_hits(KEY, RIVAL) == {"rival": "rival"} if many else direct.hit(shop, KEY.local) is None


@pytest.mark.parametrize("many", [False, True])
def test_what_a_wide_write_elsewhere_made_stale_is_not_found(redis: Any, many: bool) -> None:
    write_elsewhere(redis, Scope("shop", "corner"))
    assert plain_hits(KEY, RIVAL) == {"rival": "rival"} if many else direct.hit(shop, KEY.local) is None


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(("region", "org"), [(None, None), ("shop", None), (None, "corner"), ("shop", "corner")])
def test_what_was_cleared_on_this_host_is_not_found(region: str | None, org: str | None, many: bool) -> None:
    clear(region, org)
    assert "corner" not in plain_hits(KEY, RIVAL) if many else direct.hit(shop, KEY.local) is None


@pytest.mark.parametrize("many", [False, True])
def test_what_a_writer_of_this_host_is_changing_is_not_asked_for(asked: list[str], many: bool) -> None:
    stamps = runtime.stamps
    assert stamps is not None
    records = stamps.pend([slots_of(KEY).key])
    try:
        assert plain_hits(KEY, RIVAL) == {"rival": "rival"} if many else direct.hit(shop, KEY.local) is None
        assert plain_hits(KEY) == {}
    finally:
        stamps.unpend(records)
    assert asked == (["ask"] if many else [])


def test_a_write_between_question_and_answer_is_not_outlived(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.redis is not None
    ask = runtime.redis.ask

    def ask_and_write(request: bytes) -> Any:
        answer = ask(request)
        Shop.objects.filter(pk="corner").update(name="new")
        return answer

    monkeypatch.setattr(runtime.redis, "ask", ask_and_write)
    # Asked before the write, it may have the old name; who comes after must not.
    assert shop.get("corner").name == "old"
    monkeypatch.setattr(runtime.redis, "ask", ask)
    assert shop.get("corner").name == "new"


@pytest.mark.parametrize("many", [False, True])
def test_a_clear_after_the_epochs_were_known_is_not_outlived(monkeypatch: pytest.MonkeyPatch, many: bool) -> None:
    local = runtime.local
    assert local is not None
    known_epochs = local.known_epochs

    def known_and_cleared(scope: Scope) -> Any:
        known = known_epochs(scope)
        clear("shop")
        return known

    with monkeypatch.context() as patched:
        patched.setattr(local, "known_epochs", known_and_cleared)
        # Asked before the clear, it may be found; who comes after must not have it.
        shop.get_many([("corner",), ("rival",)]) if many else shop.get("corner")
    assert shop.hit(KEY.local) is None


def test_a_transaction_that_has_written_reads_in_its_own_way(asked: list[str]) -> None:
    with transaction.atomic():
        Shop.objects.filter(pk="corner").update(name="new")
        assert shop.get("corner").name == "new"
        assert "ask" not in asked


@pytest.mark.parametrize("many", [False, True])
def test_without_being_told_of_changes_nothing_is_found_directly(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], many: bool
) -> None:
    monkeypatch.setattr(Runtime, "hears_changes", False)
    assert plain_hits(KEY, RIVAL) == {} if many else direct.hit(shop, KEY.local) is None
    assert asked == []


@pytest.mark.parametrize("many", [False, True])
def test_local_memory_that_is_not_trusted_asks_nothing_directly(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], many: bool
) -> None:
    assert runtime.local is not None
    runtime.local.trusted_until = 0.0
    monkeypatch.setattr(runtime, "trust", lambda local: False)
    assert plain_hits(KEY, RIVAL) == {} if many else direct.hit(shop, KEY.local) is None
    assert asked == []


@pytest.mark.parametrize("many", [False, True])
def test_another_server_process_is_not_believed(monkeypatch: pytest.MonkeyPatch, many: bool) -> None:
    assert runtime.redis is not None
    ask = runtime.redis.ask
    monkeypatch.setattr(runtime.redis, "ask", lambda request: (ask(request)[0], b"promoted"))
    assert plain_hits(KEY, RIVAL) == {} if many else direct.hit(shop, KEY.local) is None


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("damage", [b"x", b"\x00" * 80])
def test_damaged_bytes_are_left_to_the_long_way_which_counts_them(redis: Any, damage: bytes, many: bool) -> None:
    redis.set(guard_names(KEY)[0], damage)
    if many:
        assert plain_hits(KEY, RIVAL) == {"rival": "rival"}
    assert shop.get("corner").name == "old"
    assert (shop.counters.rejected, shop.counters.loads) == (1, 1)


@pytest.mark.parametrize("many", [False, True])
def test_an_epoch_that_was_evicted_is_made_by_the_long_way(redis: Any, many: bool) -> None:
    redis.delete(wide_names(Scope("shop", "corner"))[0])
    assert plain_hits(KEY, RIVAL) == {"rival": "rival"} if many else direct.hit(shop, KEY.local) is None


def test_an_upper_epoch_that_was_evicted_is_made_by_the_long_way(redis: Any) -> None:
    assert runtime.local is not None
    runtime.local.clear()
    redis.delete(clear_name(None, "corner"))
    assert plain_hits(KEY, RIVAL) == {"rival": "rival"}
    redis.set(clear_name(None, "corner"), fresh_token())
    assert plain_hits(KEY, RIVAL) == {"rival": "rival"}


@pytest.mark.parametrize("many", [False, True])
def test_what_has_expired_is_not_found(monkeypatch: pytest.MonkeyPatch, many: bool) -> None:
    clock = MovableClock()
    clock.seconds = runtime.clock.wall() + shop.redis_ttl
    monkeypatch.setattr(runtime.clock, "wall", clock.wall)
    assert plain_hits(KEY, RIVAL) == {} if many else direct.hit(shop, KEY.local) is None


@pytest.mark.parametrize("many", [False, True])
def test_what_is_near_its_end_is_loaded_anew_by_somebody(monkeypatch: pytest.MonkeyPatch, many: bool) -> None:
    refreshed: list[Key] = []
    monkeypatch.setattr(runtime.refresher, "refresh", lambda region, key: refreshed.append(key))
    monkeypatch.setattr(direct, "_MOST_COSTS", 10**12)
    monkeypatch.setattr(direct, "lead", lambda cost: 10**9)
    plain_hits(KEY) if many else direct.hit(shop, KEY.local)
    assert refreshed == [KEY]


@pytest.mark.parametrize("many", [False, True])
def test_a_redis_that_does_not_answer_is_counted_once_and_done_without(
    monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    def silent(*_: Any) -> None:
        raise RedisUnavailable("gone")

    monkeypatch.setattr(runtime.redis, "ask", silent)
    monkeypatch.setattr(runtime.redis, "execute", silent)
    names = [value.name for value in shop.get_many([("corner",), ("rival",)]).values()] if many else []
    assert names == (["old", "rival"] if many else [])
    if not many:
        assert shop.get("corner").name == "old"
    assert (shop.counters.errors, shop.counters.misses) == (1, 2 if many else 1)


@pytest.mark.parametrize("many", [False, True])
def test_an_answer_that_says_no_is_no_hit(monkeypatch: pytest.MonkeyPatch, many: bool) -> None:
    assert runtime.redis is not None
    refused = runtime.redis.ask(b"*1\r\n$4\r\nWHAT\r\n")
    monkeypatch.setattr(runtime.redis, "ask", lambda request: refused)
    assert plain_hits(KEY, RIVAL) == {} if many else direct.hit(shop, KEY.local) is None


def test_some_are_found_and_the_rest_is_loaded_in_one_query(django_assert_num_queries: Any) -> None:
    corner = Shop.objects.get(pk="corner")
    dishes = [Dish.objects.create(shop=corner, name=str(number)) for number in range(3)]
    ids: list[UUID] = [each.pk for each in dishes]
    dish.get("corner", ids[0])
    forget_values_here()
    dish.counters.reset()
    with django_assert_num_queries(2):
        found = dish.get_many([("corner", pk) for pk in ids])
    assert [value.name for value in found.values()] == ["0", "1", "2"]
    assert (dish.counters.redis_hits, dish.counters.misses) == (1, 2)
