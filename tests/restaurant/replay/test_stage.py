"""Events take place in their order, at their time, and not far ahead of the screens."""

import threading
from datetime import timedelta

import pytest

from restaurant.replay import stage as module
from restaurant.replay.script import Event
from restaurant.replay.stage import Stage, StoppedError


def events(count: int, *, apart: timedelta = timedelta(0)) -> list[Event]:
    return [Event(index=index, at=apart * index, kind="pending", order=index, previous=None) for index in range(count)]


def returned(action: object, *args: object) -> threading.Thread:
    thread = threading.Thread(target=action, args=args, daemon=True)
    thread.start()
    return thread


def test_an_event_waits_for_the_one_before_of_its_order() -> None:
    first, second = events(2)
    second = Event(index=1, at=second.at, kind="paid", order=0, previous=0)
    stage = Stage([first, second], followers=["screen"], speed=None)
    waiting = returned(stage.await_turn, second)
    waiting.join(0.01)
    assert waiting.is_alive()

    stage.perform(first)

    waiting.join(20)
    assert not waiting.is_alive()
    assert stage.done_count == 1


def test_an_event_waits_for_screens_that_are_far_behind() -> None:
    script = events(6)
    stage = Stage(script, followers=["screen"], speed=None)
    stage.await_turn(script[4])
    waiting = returned(stage.await_turn, script[5])
    waiting.join(0.01)
    assert waiting.is_alive()

    stage.follow("screen", script[0])

    waiting.join(20)
    assert not waiting.is_alive()


def test_a_screen_waits_for_the_event_it_shows() -> None:
    script = events(1)
    stage = Stage(script, followers=["screen"], speed=None)
    waiting = returned(stage.await_event, script[0])
    waiting.join(0.01)
    assert waiting.is_alive()

    stage.perform(script[0])

    waiting.join(20)
    assert not waiting.is_alive()


def test_with_a_speed_an_event_waits_until_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    script = events(2, apart=timedelta(minutes=10))
    stage = Stage(script, followers=["screen"], speed=60)
    stage.await_turn(script[0])
    waiting = returned(stage.await_turn, script[1])
    now[0] = 109.0
    waiting.join(0.01)
    assert waiting.is_alive()

    now[0] = 110.0

    waiting.join(20)
    assert not waiting.is_alive()


def test_who_waits_when_it_is_stopped_is_told() -> None:
    script = events(1)
    stage = Stage(script, followers=["screen"], speed=None)
    told: list[type[Exception]] = []

    def wait() -> None:
        try:
            stage.await_event(script[0])
        except StoppedError:
            told.append(StoppedError)

    waiting = returned(wait)
    stage.stop()
    waiting.join(20)

    assert told == [StoppedError]
    with pytest.raises(StoppedError):
        stage.await_turn(script[0])
