"""Keeps the threads of a replay in step: nobody acts before what must come first, or runs far ahead of the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from restaurant.replay.script import Event

_AHEAD: Final = 4
_LOOK_SECONDS: Final = 0.2


class StoppedError(Exception):
    """The replay ends early, because somebody asked for it or another thread failed."""


class Stage:
    """Who has come how far.

    An event takes place when it is due, when the event before it of the same order has happened, and when every
    follower (a screen that reads after each event) is at most `_AHEAD` events behind. Each of these waits for earlier
    events alone, so that no two threads can wait for each other.
    """

    def __init__(self, events: Sequence[Event], *, followers: Sequence[str], speed: float | None) -> None:
        self._done = [False] * len(events)
        self._positions = dict.fromkeys(followers, 0)
        self._speed = speed
        self._began = time.monotonic()
        self._changed = threading.Condition()
        self._is_stopped = False
        self.done_count = 0

    def await_turn(self, event: Event) -> None:
        """Return when the event may take place; raises StoppedError."""
        self._await(
            lambda: (
                (event.previous is None or self._done[event.previous])
                and min(self._positions.values()) >= event.index - _AHEAD
            )
        )
        if self._speed is not None:
            due = self._began + event.at.total_seconds() / self._speed
            self._await(lambda: time.monotonic() >= due, until=due)

    def await_event(self, event: Event) -> None:
        """Return when the event has taken place; raises StoppedError."""
        self._await(lambda: self._done[event.index])

    def perform(self, event: Event) -> None:
        """Tell that the event has taken place."""
        with self._changed:
            self._done[event.index] = True
            self.done_count += 1
            self._changed.notify_all()

    def follow(self, follower: str, event: Event) -> None:
        """Tell that a follower is done with the event."""
        with self._changed:
            self._positions[follower] = event.index + 1
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Return after so many seconds; raises StoppedError."""
        until = time.monotonic() + seconds
        self._await(lambda: time.monotonic() >= until, until=until)

    def stop(self) -> None:
        """Let every waiting thread raise StoppedError."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _await(self, is_time: Callable[[], bool], *, until: float | None = None) -> None:
        with self._changed:
            while not self._is_stopped and not is_time():
                left = _LOOK_SECONDS if until is None else max(0.0, until - time.monotonic())
                self._changed.wait(min(left, _LOOK_SECONDS))
            if self._is_stopped:
                raise StoppedError
