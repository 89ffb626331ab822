"""Loaders that a test holds up, flights it can wait for, and the background's end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from caching.flights import Flights, Seat
from caching.keys import Key
from caching.runtime import runtime

__all__ = ["PATIENCE", "CountedFlights", "Loader", "wait_for_the_background"]

#: Seconds after which a test no longer waits for what must come.
PATIENCE = 60


class CountedFlights(Flights):
    """Flights that a test can wait for: `joined` is released by everybody who takes a seat."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = threading.Semaphore(0)

    def board(self, kind: str, keys: Any) -> tuple[list[Key], dict[Key, Seat]]:
        led, joined = super().board(kind, keys)
        for _ in joined:
            self.joined.release()
        return led, joined

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.joined.acquire(timeout=PATIENCE), "fewer reads joined than should"


class Loader:
    """The region's loader, held up by the test: each load says that it began and waits to be let go."""

    def __init__(self, load: Callable[..., Any]) -> None:
        self._load = load
        self.began = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.error: Exception | None = None
        self.loads = 0

    def __call__(self, *name: Any, using: str) -> Any:
        self.loads += 1
        # Read first: what is held up is the answer, which may be old when it arrives.
        value = self._load(*name, using=using)
        self.began.release()
        assert self.go.acquire(timeout=PATIENCE), "the load was never let go"
        if self.error is not None:
            raise self.error
        return value

    def wait(self) -> None:
        assert self.began.acquire(timeout=PATIENCE), "nobody loads"


def wait_for_the_background() -> None:
    refresher = runtime.refresher
    assert refresher._threads, "nothing was refreshed"
    deadline = time.monotonic() + PATIENCE
    while refresher._waiting:
        assert time.monotonic() < deadline, "the background does not come to its end"
        threading.Event().wait(0.001)
    refresher.stop()
