"""The observer hands every batch to all its consumers, and one process of the host leads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest
from django.conf import settings as settings_of_django
from pytest_django.fixtures import Settings

from caching.activity import Batch
from caching.observer import Consumer, Observer
from caching.runtime import runtime
from caching.usage import Usage
from tests.shop.cached import shop


class Witness(Consumer):
    def __init__(self, error: Exception | None = None) -> None:
        self.batches: list[Batch] = []
        self.led = 0
        self.stopped = False
        self.error = error

    def observe(self, batch: Batch) -> None:
        self.batches.append(batch)
        if self.error is not None:
            raise self.error

    def lead(self) -> None:
        self.led += 1

    def stop(self) -> None:
        self.stopped = True


def watching(*witnesses: Witness) -> Observer:
    observer = runtime.observer
    observer.consumers = list(witnesses)
    return observer


def test_every_consumer_gets_the_same_batch() -> None:
    first, second = Witness(), Witness()
    observer = watching(first, second)
    runtime.activity.missed.append(("shop", "default", "tea"))

    observer.tick()

    assert first.batches == second.batches
    assert first.batches[0].missed == {("shop", "default", "tea"): 1}


def test_a_consumer_that_fails_is_logged_once_without_its_words_and_keeps_nobody_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad, good = Witness(ValueError("+447700900001")), Witness()
    observer = watching(bad, good)

    with caplog.at_level(logging.WARNING, "caching"):
        observer.tick()
        observer.tick()

    assert len(good.batches) == len(bad.batches) == 2
    assert [record.getMessage() for record in caplog.records] == ["Witness failed and goes on: ValueError"]


def test_what_failed_once_and_fails_again_later_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    bad = Witness(ValueError())
    observer = watching(bad)

    with caplog.at_level(logging.WARNING, "caching"):
        observer.tick()
        bad.error = None
        observer.tick()
        bad.error = ValueError()
        observer.tick()

    assert len(caplog.records) == 2


def _observe(pipe: Connection) -> None:
    witness = Witness()
    observer = watching(witness)
    while pipe.recv() == "tick":
        observer.tick()
        pipe.send(witness.led)


def test_one_process_of_the_host_leads_until_it_dies(start: Callable[..., Any]) -> None:
    witness = Witness()
    child = start(_observe)
    child.send("tick")
    assert child.receive() == 1

    observer = watching(witness)
    observer.tick()
    assert (witness.led, observer.leads) == (0, False)

    child.kill()
    observer.tick()
    assert (witness.led, observer.leads) == (1, True)


def test_the_lead_is_left_to_others_when_the_observer_stops(start: Callable[..., Any]) -> None:
    witness = Witness()
    observer = watching(witness)
    observer.tick()
    observer.stop()
    assert witness.stopped

    child = start(_observe)
    child.send("tick")

    assert child.receive() == 1


def test_a_thread_goes_its_rounds_once_somebody_reads(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = threading.Event()
    monkeypatch.setattr(Usage, "observe", lambda self, batch: seen.set())
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True, "OBSERVE_SECONDS": 0.001}

    runtime.statistics.share_soon()

    assert seen.wait(60)
    runtime.reset()
    assert not any(thread.name == "caching-observer" for thread in threading.enumerate())


@pytest.mark.parametrize("settings_that_forbid_it", [{"BACKGROUND": False}, {"OBSERVE_SECONDS": 0}])
def test_there_is_no_thread_where_there_may_be_none(settings: Settings, settings_that_forbid_it: Any) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True, "OBSERVE_SECONDS": 0.001, **settings_that_forbid_it}

    runtime.statistics.share_soon()

    assert not any(thread.name == "caching-observer" for thread in threading.enumerate())


def test_consumers_are_found_by_their_class() -> None:
    assert runtime.observer.consumer(Usage) is runtime.usage


def test_a_child_watches_for_itself(start: Callable[..., Any]) -> None:
    shop.counters.misses = 5
    runtime.activity.missed.append(("shop", "default", "tea"))

    def watch(pipe: Connection) -> None:
        pipe.send(len(runtime.activity.missed))

    assert start(watch).receive() == 0


# --- trouble ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def busy(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True, "OBSERVE_SECONDS": 0.001}


def test_a_read_needs_no_thread_that_cannot_be_started(
    busy: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with caplog.at_level(logging.WARNING, "caching"):
        runtime.statistics.share_soon()
        runtime.statistics._share_again = 0.0
        runtime.statistics.share_soon()

    assert len(caplog.records) == 1


def test_a_round_that_fails_as_a_whole_is_said_once_and_not_the_last(
    busy: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds, enough = [], threading.Event()

    def fail(observer: Observer) -> None:
        rounds.append(observer)
        if len(rounds) == 3:
            enough.set()
        raise ValueError

    monkeypatch.setattr(Observer, "tick", fail)
    with caplog.at_level(logging.WARNING, "caching"):
        assert runtime.observer
        assert enough.wait(60)
        runtime.reset()

    assert [record.getMessage() for record in caplog.records] == ["A round was left out: ValueError"]


def test_where_nothing_can_be_locked_every_process_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    witness = Witness()
    watching(witness).tick()

    assert witness.led == 1


def test_no_observer_outlives_a_change_of_settings_during_which_others_read(busy: None) -> None:
    class Reader(Consumer):
        def stop(self) -> None:
            # As another thread's request does, at this moment of all.
            runtime.statistics._share_again = 0.0
            runtime.statistics.share_soon()

    runtime.observer.consumers = [Reader()]
    runtime.reset()

    assert "observer" not in runtime.__dict__
    assert not any(thread.name == "caching-observer" for thread in threading.enumerate())


def test_changed_settings_lose_no_counts() -> None:
    shop.counters.misses = 5
    runtime.statistics.share()
    shop.counters.misses = 8

    runtime.reset()

    assert runtime.statistics.host()["shop"]["misses"] == 8


def test_what_hangs_keeps_no_process_from_its_end(busy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, done = threading.Event(), threading.Event()

    class Hung(Consumer):
        def stop(self) -> None:
            hangs.set()
            done.wait(60)

    monkeypatch.setattr("caching.observer._PATIENCE_SECONDS", 0.01)
    observer = runtime.observer
    observer.consumers = [Hung()]

    runtime.reset()

    assert hangs.wait(60)
    assert not done.is_set()
    done.set()
    assert observer._thread is not None
    observer._thread.join(60)


def test_a_consumer_may_change_settings_itself(busy: None) -> None:
    changed = threading.Event()

    class Changer(Witness):
        def observe(self, batch: Batch) -> None:
            runtime.reset()
            changed.set()

    witness = Changer()
    observer = runtime.observer
    observer.consumers = [witness]

    assert changed.wait(60)
    assert observer._thread is not None
    observer._thread.join(60)
    assert witness.stopped


def test_a_test_run_is_not_watched_in_the_sites_own_database(monkeypatch: pytest.MonkeyPatch) -> None:
    witness = Witness()
    observer = watching(witness)
    observer.tick()
    monkeypatch.setitem(settings_of_django.DATABASES["default"], "NAME", "another")

    observer.tick()
    assert len(witness.batches) == 1

    monkeypatch.undo()
    monkeypatch.setitem(settings_of_django.DATABASES, "a tenant's", {"ENGINE": "x", "NAME": "y"})
    observer.tick()
    assert len(witness.batches) == 2, "one more is none of its business"
