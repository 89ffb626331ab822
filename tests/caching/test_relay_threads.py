"""The relay's threads: Redis is trusted when they have looked, and they survive what they meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import pytest
from django.db import connections
from pytest_django.fixtures import Settings

from caching.clock import Clock
from caching.hostlock import HostLock
from caching.keys import Key
from caching.outbox import Outbox, insert
from caching.relay import Relay
from caching.runtime import runtime
from tests.caching.conftest import Child
from tests.caching.outboxes import KEY, VALUE, Broken, is_bypassed, relay, save, shown, unnoticed_shop, waiting
from tests.faults.servers import Server
from tests.shop.models import Shop

_PATIENCE_SECONDS = 30

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return unnoticed_shop()


@pytest.fixture
def begin(redis: Any, settings: Settings) -> Iterator[Callable[..., None]]:
    """Be a process that starts now, and whose threads are hasty."""

    def start_anew(**caching: Any) -> None:
        settings.CACHING = {**settings.CACHING, "BACKGROUND": True, "RELAY_SECONDS": 0.01, **caching}
        relay()

    yield start_anew
    runtime.reset()


def put(*keys: Key) -> None:
    insert(connections["default"], keys, commit_id="commit", writer="another")


def until(happened: Callable[[], object]) -> None:
    """Wait until threads have brought it about; fail when they do not."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < end, "the threads do not bring it about"
        threading.Event().wait(0.005)


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name in ("caching-relay", "caching-renewal")]


def test_a_process_has_delivered_what_waits_before_it_first_reads_from_redis(
    begin: Callable[..., None], redis: Any
) -> None:
    shown()
    put(KEY)
    begin()
    assert (waiting(), redis.exists(VALUE)) == ([], 0)
    assert runtime.breaker.closed


def test_until_it_has_looked_a_process_reads_around_redis(
    begin: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    deliver = Outbox.deliver
    monkeypatch.setattr(
        Outbox, "deliver", lambda *args, **how: (go_on.wait(_PATIENCE_SECONDS), deliver(*args, **how))[1]
    )
    begin(REDIS_BUDGET_SECONDS=0.05)
    assert not runtime.breaker.closed
    go_on.set()
    until(lambda: runtime.breaker.closed)


@pytest.mark.parametrize("error", [RuntimeError("unexpected"), OSError("unexpected")])
def test_a_process_that_could_not_look_tries_again(
    begin: Callable[..., None], monkeypatch: pytest.MonkeyPatch, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "deliver", Broken(error))
        begin()
        assert not runtime.breaker.closed
        until(lambda: "goes on" in caplog.text)
    until(lambda: runtime.breaker.closed)
    assert caplog.text.count("goes on") == 1, "once, not in each round"


def test_what_is_put_later_is_delivered(begin: Callable[..., None]) -> None:
    begin()
    for _ in range(2):
        put(KEY)
        until(lambda: not waiting())


def test_all_ends_when_it_is_told_to(begin: Callable[..., None]) -> None:
    begin()
    until(lambda: relay().describe()["is_relay"])
    assert len(ours()) == 2
    runtime.reset()
    assert ours() == []
    assert HostLock("relay", Clock()).take()


def test_records_and_marks_are_renewed_whatever_the_database_does(
    begin: Callable[..., None], redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.3
    stuck = threading.Event()
    begin(MARK_SECONDS=seconds)
    monkeypatch.setattr(Relay, "go_round", lambda self: stuck.wait(_PATIENCE_SECONDS))
    runtime.breaker.trip("gone")
    save("new")
    end = time.monotonic() + 2 * seconds
    # What is seen, at whatever moment, must be so.
    until(lambda: not is_bypassed() or time.monotonic() > end)
    assert is_bypassed()
    stuck.set()


@pytest.mark.sql  # elsewhere the driver has one pool for all threads
def test_a_process_that_is_not_the_relay_keeps_no_connection_to_the_database(
    begin: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = HostLock("relay", Clock())
    rounds: list[bool] = []
    go_round = Relay.go_round

    def look(self: Relay) -> None:
        lock.beat()
        rounds.append(connections["default"].connection is None)
        self.drain()
        go_round(self)

    monkeypatch.setattr(Relay, "go_round", look)
    begin()
    assert lock.take() or not relay().stop()
    rounds.clear()
    until(lambda: len(rounds) > 3)
    assert all(rounds[1:])
    lock.release()


def test_a_redis_that_dies_and_comes_back_empty_hears_of_everything(
    begin: Callable[..., None], settings: Settings
) -> None:
    server = Server()
    location = f"redis://127.0.0.1:{server.port}/0"
    settings.CACHES = {**settings.CACHES, "redis": {**settings.CACHES["redis"], "LOCATION": location}}
    begin()
    assert shown() == "old"
    server.kill()
    save("new")
    assert waiting() == [("key", KEY.name)]
    assert shown() == "new"
    server.start()
    try:
        until(lambda: runtime.breaker.closed)
        assert waiting() == []
        until(lambda: not is_bypassed())
        assert shown() == "new"
    finally:
        server.end()


def _relay_in_child(pipe: Connection) -> None:
    connections.close_all()
    mine = relay()
    pipe.send((len(ours()), mine.describe()["is_relay"]))
    pipe.recv()
    until(lambda: mine.describe()["is_relay"])
    pipe.send("relay")
    pipe.recv()


def test_a_forked_child_has_threads_of_its_own_and_not_its_parent_s_lock(
    begin: Callable[..., None], start: Callable[..., Child]
) -> None:
    begin()
    until(lambda: relay().describe()["is_relay"])
    connections.close_all()
    child = start(_relay_in_child)
    assert child.receive() == (2, False)
    runtime.reset()
    child.send("the lock is free")
    assert child.receive() == "relay"
