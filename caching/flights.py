"""Single flight: the simultaneous misses of one key in this process share one load, in threads and in tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Final, NamedTuple

from caching.keys import Key
from caching.tiers.local import Entry

__all__ = ["NOTHING", "Flights", "Landing", "Seat", "in_task"]

# Keys whose lease's holder seems dead: more would be a fault elsewhere.
_MOST_STUCK: Final = 10_000


class Landing(NamedTuple):
    """How a flight ended.

    `accepted`: no write came between its start and its end, so that whoever joined meanwhile may take the entry.
    `fresh`: it shows what was committed when the flight began, so that whoever came before that may take it.
    `loaded`: the database was asked. `error` is what the load raised, if others would meet it, too; like an entry it is
    for those alone who may take it.
    """

    entry: Entry | None
    accepted: bool
    fresh: bool
    loaded: bool
    error: Exception | None


#: A flight without result: its leader was cancelled, or may not share what it saw.
NOTHING: Final = Landing(None, accepted=False, fresh=False, loaded=False, error=None)


class Seat(NamedTuple):
    """A place in somebody else's flight: `landing` arrives there; `by_task` tells that a coroutine leads it."""

    landing: Future[Landing]
    by_task: bool


class _Flight:
    __slots__ = ("by_task", "seats")

    def __init__(self, by_task: bool) -> None:
        self.by_task = by_task
        self.seats: list[Future[Landing]] = []

    def seat(self) -> Seat:
        landing: Future[Landing] = Future()
        self.seats.append(landing)
        return Seat(landing, self.by_task)


def in_task() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Flights:
    """The reads under way in this process, one per key and kind (a list's own value, and the list composed of it).

    An older flight may have read before a newer commit: who joins one takes its entry only if it was accepted. Who
    cannot joins, or leads, the next one, which began after everybody who waited for it had come.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[tuple[str, Key], _Flight] = {}
        self._stuck: dict[Key, float] = {}

    def board(self, kind: str, keys: Iterable[Key]) -> tuple[list[Key], dict[Key, Seat]]:
        """Return the keys that the caller now leads, and must `land`, and its seats in the flights of the others."""
        by_task = in_task()
        led: list[Key] = []
        joined: dict[Key, Seat] = {}
        with self._lock:
            for key in keys:
                flight = self._flights.get((kind, key))
                if flight is None:
                    self._flights[kind, key] = _Flight(by_task)
                    led.append(key)
                else:
                    joined[key] = flight.seat()
        return led, joined

    def hand_over(self, kind: str, key: Key) -> Seat:
        """Return a seat in a flight that the caller led and that a thread of the refresher will land."""
        with self._lock:
            flight = self._flights[kind, key]
            flight.by_task = False
            return flight.seat()

    def land(self, kind: str, key: Key, judge: Callable[[], Landing]) -> None:
        """End a flight: those who wait for it get the landing, those who come now start anew.

        `judge` tells the landing when nobody can join any more: who came later might have seen a newer commit.
        """
        with self._lock:
            flight = self._flights.pop((kind, key))
        landing = NOTHING
        try:
            landing = judge()
        finally:
            for seat in flight.seats:
                # A waiter that was cancelled wants it no more.
                if seat.set_running_or_notify_cancel():
                    seat.set_result(landing)

    # --- leases of other processes ------------------------------------------------------------------------------------

    def gave_up(self, key: Key, until: float) -> None:
        """Note that the lease of `key` was waited for in vain: its holder delays nobody else before it runs out."""
        if len(self._stuck) >= _MOST_STUCK:
            self._stuck.clear()
        self._stuck[key] = until

    def is_stuck(self, key: Key, now: float) -> bool:
        """Whether another read has waited for the present lease of `key` in vain."""
        until = self._stuck.get(key)
        if until is None or now < until:
            return until is not None
        self._stuck.pop(key, None)
        return False
