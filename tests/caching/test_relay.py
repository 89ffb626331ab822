"""A process trusts Redis again when it has delivered what waits; one process of a host delivers for all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connections
from django.utils import timezone

from caching import outbox
from caching import relay as relays
from caching.errors import HostFileForeign, RedisUnavailable
from caching.hostfile import host_file_path
from caching.keys import Key
from caching.models import PendingInvalidation
from caching.outbox import Outbox, insert
from caching.relay import Relay
from caching.runtime import runtime
from tests.caching.conftest import Cable
from tests.caching.outboxes import KEY, VALUE, Broken, is_bypassed, relay, save, shown, unnoticed_shop, waiting
from tests.conftest import MovableClock
from tests.databases import sqlite
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return unnoticed_shop()


def put(*keys: Key) -> None:
    insert(connections["default"], keys, commit_id="commit", writer="another")


# --- a Redis that was given up ----------------------------------------------------------------------------------------


def test_it_is_probed_when_a_probe_is_due_and_not_before(clock: MovableClock, cable: Cable) -> None:
    relay()
    runtime.breaker.trip("gone")
    relay().tick()
    assert not runtime.breaker.closed
    clock.advance(1)
    relay().tick()
    assert runtime.breaker.closed


def test_one_that_still_does_not_answer_is_left_alone_for_longer(clock: MovableClock, cable: Cable) -> None:
    relay()
    cable.unplug()
    runtime.breaker.trip("gone")
    for _ in range(8):
        clock.advance(2)
        relay().tick()
    clock.advance(0.2)
    assert (runtime.breaker.state, runtime.breaker.probe_is_due) == ("open", False)


def test_one_that_serves_reads_alone_is_not_well(clock: MovableClock, redis: Any) -> None:
    relay()
    runtime.breaker.trip("gone")
    redis.replicaof("127.0.0.1", 1)
    try:
        clock.advance(1)
        relay().tick()
        assert not runtime.breaker.closed
    finally:
        redis.replicaof("no", "one")
    clock.advance(10)
    relay().tick()
    assert runtime.breaker.closed


def test_it_is_trusted_only_when_all_that_waits_was_delivered(
    clock: MovableClock, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_BATCH", 2)
    shown()
    relay()
    runtime.breaker.trip("gone")
    put(*(Key("shop", f"shop-{number}") for number in range(5)), KEY)
    closed_at: list[int] = []
    close = runtime.breaker.close
    monkeypatch.setattr(runtime.breaker, "close", lambda: (closed_at.append(len(waiting())), close()))
    clock.advance(1)
    relay().tick()
    assert closed_at == [0]
    assert not redis.exists(VALUE)


def test_one_that_dies_while_it_is_told_is_left_alone_with_what_it_has_not_heard(
    clock: MovableClock, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_BATCH", 2)
    relay()
    runtime.breaker.trip("gone")
    put(*(Key("shop", f"shop-{number}") for number in range(5)))
    remove = Outbox._remove

    def remove_and_die(self: Outbox, rows: Any) -> None:
        remove(self, rows)
        cable.unplug()

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "_remove", remove_and_die)
        clock.advance(1)
        relay().tick()
    assert not runtime.breaker.closed
    assert len(waiting()) == 3
    cable.plug()
    clock.advance(10)
    relay().tick()
    assert runtime.breaker.closed
    assert (waiting(), relay().delivered) == ([], 5)


def test_while_the_outbox_cannot_be_read_nobody_knows_what_redis_was_not_told(
    clock: MovableClock, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay()
    runtime.breaker.trip("gone")
    clock.advance(1)
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "deliver", Broken(OperationalError("the database is away")))
        relay().tick()
    assert not runtime.breaker.closed
    assert runtime.breaker.describe()["why"] == "The outbox cannot be read: OperationalError"


def test_what_waits_in_any_database_is_delivered(
    clock: MovableClock, redis: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections["other"] = other = sqlite("other", tmp_path / "other.sqlite3")
    monkeypatch.setattr(relays, "aliases", lambda: ["default", "other"])
    try:
        relay().tick()
        with other.schema_editor() as editor:
            editor.create_model(Shop)
            editor.create_model(PendingInvalidation)
        shown()
        runtime.breaker.trip("gone")
        Shop.objects.using("other").create(slug="corner", name="other")
        save("new")
        assert [PendingInvalidation.objects.using(each).count() for each in ("default", "other")] == [1, 2]
        assert relay().describe()["depth"] == 3
        clock.advance(1)
        relay().tick()
        assert [PendingInvalidation.objects.using(each).count() for each in ("default", "other")] == [0, 0]
        assert not is_bypassed()
    finally:
        other.close()
        del connections["other"]


# --- the one relay of a host ------------------------------------------------------------------------------------------


@pytest.fixture
def others(clock: MovableClock, redis: Any) -> Relay:
    """The relay of another process of this host; it holds the lock."""
    relay()
    other = Relay()
    other.tick()
    assert other.describe()["is_relay"]
    return other


def test_what_waits_is_left_to_the_process_that_holds_the_lock(others: Relay) -> None:
    put(KEY)
    relay().tick()
    assert waiting() == [("key", KEY.name)]
    others.tick()
    assert waiting() == []
    assert (relay().delivered, others.delivered) == (0, 1)


def test_the_lock_goes_to_another_when_its_holder_stops(others: Relay) -> None:
    others.stop()
    put(KEY)
    relay().tick()
    assert waiting() == []
    assert relay().describe()["is_relay"]


def test_a_process_that_cannot_reach_redis_gives_the_lock_up(
    others: Relay, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(runtime.breaker, "closed", False)
        others.tick()
    assert not others.describe()["is_relay"]
    put(KEY)
    relay().tick()
    assert waiting() == []


def test_a_holder_that_is_silent_is_helped(others: Relay, clock: MovableClock) -> None:
    put(KEY)
    clock.advance(0.9)
    relay().tick()
    assert waiting() == [("key", KEY.name)]
    clock.advance(0.2)
    relay().tick()
    assert waiting() == []
    assert not relay().describe()["is_relay"]


def test_a_holder_that_goes_its_rounds_is_not_silent(others: Relay, clock: MovableClock) -> None:
    clock.advance(0.9)
    others.tick()
    put(KEY)
    clock.advance(0.9)
    relay().tick()
    assert waiting() == [("key", KEY.name)]


def test_a_long_backlog_is_left_to_the_process_that_is_at_it(
    others: Relay, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_BATCH", 2)
    runtime.breaker.trip("gone")
    put(*(Key("shop", f"shop-{number}") for number in range(3)))
    clock.advance(0.9)
    relay().tick()
    assert (len(waiting()), runtime.breaker.closed) == (3, False)
    others.drain()
    clock.advance(0.9)
    relay().tick()
    assert (waiting(), runtime.breaker.closed) == ([], True)


def test_a_long_backlog_at_which_nobody_works_is_delivered_by_whoever_finds_it(
    others: Relay, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_BATCH", 2)
    runtime.breaker.trip("gone")
    put(*(Key("shop", f"shop-{number}") for number in range(3)))
    clock.advance(1.1)
    relay().tick()
    assert (waiting(), runtime.breaker.closed) == ([], True)


def test_a_holder_that_delivers_for_long_is_not_silent(others: Relay, clock: MovableClock) -> None:
    put(KEY)
    clock.advance(0.9)
    others.drain()
    put(KEY)
    clock.advance(0.9)
    relay().tick()
    assert waiting() == [("key", KEY.name)]


def test_a_holder_that_cannot_read_the_outbox_gives_the_lock_up(
    others: Relay, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(KEY)
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "deliver", Broken(OperationalError("the database is away")))
        for _ in range(3):
            others.tick()
    assert caplog.text.count("cannot be read: OperationalError") == 1
    assert not others.describe()["is_relay"]
    assert runtime.breaker.closed, "Redis is well"
    relay().tick()
    assert waiting() == []


def test_a_holder_that_redis_refuses_trusts_it_no_more(
    redis: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(KEY)
    relay()
    with monkeypatch.context() as patch:
        patch.setattr(runtime.redis, "execute", Broken(RedisUnavailable("a script failed")))
        relay().tick()
    assert not runtime.breaker.closed
    assert waiting() == [("key", KEY.name)]


def test_without_a_usable_lock_every_process_delivers(
    redis: Any, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    relay()
    host_file_path("relay").mkdir()
    for _ in range(2):
        put(KEY)
        relay().tick()
        assert waiting() == []
    assert caplog.text.count("cannot be opened") == 1


def test_a_foreign_stamps_file_is_complained_of_once_and_stops_nothing(
    redis: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(KEY)
    relay().undelivered.begin("default", ["shop"], None)
    monkeypatch.setattr(runtime, "writers_stamps", Broken(HostFileForeign("somebody else's")), raising=False)
    for _ in range(2):
        relay().tick()
    assert caplog.text.count("somebody else's") == 1
    assert waiting() == []


# --- what it tells ----------------------------------------------------------------------------------------------------


def test_operators_see_what_waits_and_since_when(redis: Any, clock: MovableClock) -> None:
    assert relay().describe() == {"depth": 0, "oldest_seconds": None, "delivered": 0, "is_relay": False}
    put(KEY, Key("menu", "corner"))
    PendingInvalidation.objects.filter(name=KEY.name).update(created=timezone.now() - timedelta(seconds=60))
    told = relay().describe()
    assert told["depth"] == 2
    assert 60 <= told["oldest_seconds"] < 120
    relay().tick()
    assert relay().describe() == {"depth": 0, "oldest_seconds": None, "delivered": 2, "is_relay": True}


def test_operators_see_that_the_outbox_cannot_be_read(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "waiting", Broken(DatabaseError("gone")))
    assert (relay().describe()["depth"], relay().describe()["oldest_seconds"]) == (None, None)


def test_a_database_error_while_a_bypass_is_to_be_ended_leaves_it(
    cable: Cable, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cable.unplug()
    save("new")
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "holds", Broken(OperationalError("the database is away")))
        for _ in range(3):
            relay().tick()
    assert is_bypassed()
    assert caplog.text.count("cannot be read: OperationalError") == 1
