"""A server warms itself behind its first requests, says when it is ready, and serves even if it cannot."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import pytest
from django.db import DatabaseError, connections
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from caching import operations, warming
from caching.models import CacheEvent, HotKey
from caching.warming import WarmUpState, is_ready, warm_in_background, warm_up
from tests.caching.conftest import Child
from tests.caching.operators import shop_of
from tests.conftest import MovableClock
from tests.shop import cached


@pytest.fixture(autouse=True)
def fresh_start() -> Iterator[None]:
    yield
    warm_up.reset()


@pytest.fixture
def at_start(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "WARM_AT_START": True}


def finish() -> None:
    thread = warm_in_background()
    assert thread is not None
    assert thread.daemon
    thread.join(60)
    assert not thread.is_alive()


def test_nothing_is_warmed_unless_the_setting_says_so() -> None:
    assert warm_in_background() is None
    assert (warm_up.state, is_ready()) == (WarmUpState.NOT_WANTED, True)


@pytest.mark.usefixtures("at_start")
@pytest.mark.django_db(transaction=True)
def test_hot_keys_are_loaded_counted_and_not_recorded(
    caplog: pytest.LogCaptureFixture, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    shop_of()
    caplog.set_level(logging.INFO, "caching")

    finish()

    with django_assert_num_queries(0):
        assert cached.shop.get("tea") is not None
    assert "Warmed 1 values" in caplog.text
    assert "'shop': 1" in caplog.text
    assert not CacheEvent.objects.exists()
    assert (warm_up.state, is_ready()) == (WarmUpState.DONE, True)


@pytest.mark.usefixtures("at_start", "shops")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("most", [500, 0])
def test_the_last_runs_hot_keys_are_loaded_unless_that_is_off(
    settings: Settings, caplog: pytest.LogCaptureFixture, most: int
) -> None:
    shop_of()
    HotKey.objects.create(host="h", region="menu", org="tea", parts="[]", weight=1.0, seen_at=timezone.now())
    settings.CACHING = {**settings.CACHING, "HOT_KEYS": most}
    caplog.set_level(logging.INFO, "caching")

    finish()

    assert ("Warmed 1 hot keys of the last run: {'menu': 1}" in caplog.text) is bool(most)
    assert (cached.menu.hit(("menu", "default", "tea")) is not None) is bool(most)
    assert warm_up.state == WarmUpState.DONE


@pytest.mark.usefixtures("at_start")
@pytest.mark.parametrize("failure", [None, DatabaseError("no such table")])
def test_the_thread_closes_its_connections_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: Exception | None
) -> None:
    closed = []
    monkeypatch.setattr(connections, "close_all", lambda: closed.append(True))

    def load() -> dict[str, int]:
        if failure is not None:
            raise failure
        return {}

    monkeypatch.setattr(operations, "cache_load", load)
    monkeypatch.setattr("caching.hotkeys.hot_keys_load", load)

    finish()

    assert closed == [True]
    assert ("The cache was not warmed." in caplog.text) is (failure is not None)
    assert warm_up.state == (WarmUpState.FAILED if failure is not None else WarmUpState.DONE)
    assert is_ready()


@pytest.mark.usefixtures("redis_down", "at_start")
def test_without_redis_the_server_says_so_and_goes_on(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.CACHING = {**settings.CACHING, "WARM_AT_START": True}

    finish()

    assert "The cache was not warmed: Nothing was warmed: Redis did not answer" in caplog.text
    assert (warm_up.state, is_ready()) == (WarmUpState.FAILED, True)


class TestReadiness:
    @pytest.mark.parametrize(("bound", "waits"), [(10.0, True), (0, False)])
    def test_a_warming_process_is_ready_when_it_is_done_or_the_bound_has_passed(
        self,
        clock: MovableClock,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
        bound: float,
        waits: bool,
    ) -> None:
        settings.CACHING = {**settings.CACHING, "WARM_AT_START": True, "WARM_BOUND_SECONDS": bound}
        go_on = threading.Event()
        monkeypatch.setattr(warming, "_load", lambda: go_on.wait(60))
        thread = warm_in_background()
        assert thread is not None
        try:
            assert warm_up.state == WarmUpState.WARMING
            assert is_ready() is not waits
            clock.advance(9.9)
            assert is_ready() is not waits
            clock.advance(0.1)
            # However long it takes, the load balancer is not kept waiting for longer.
            assert is_ready()
            assert warm_up.state == WarmUpState.WARMING
        finally:
            go_on.set()
            thread.join(60)
        assert (warm_up.state, is_ready()) == (WarmUpState.DONE, True)

    def test_a_forked_child_waits_for_no_thread_of_its_parent(
        self, start: Callable[..., Child], clock: MovableClock
    ) -> None:
        warm_up.state = WarmUpState.WARMING
        warm_up._began = clock.now()
        assert not is_ready()

        child = start(_tell_readiness)

        assert child.receive() == (str(WarmUpState.NOT_WANTED), True)


def _tell_readiness(pipe: Connection, *_: Any) -> None:
    pipe.send((str(warm_up.state), is_ready()))
    pipe.close()
    os._exit(0)
