"""Loads in the background: what is about to expire, and what a caller no longer waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import connections

from caching.conf import conf
from caching.flights import NOTHING
from caching.keys import Key
from caching.logs import logger
from caching.runtime import runtime
from caching.steps import Steps, drive

if TYPE_CHECKING:
    from caching.regions import Region

__all__ = ["Refresher"]

_THREADS: Final = 2
# More loads than this waiting would come too late to be of use.
_MOST_WAITING: Final = 100
# How long a process that ends waits for a load under way.
_PATIENCE_SECONDS: Final = 2.0


class _Job(NamedTuple):
    key: Key
    steps: Callable[[], Steps[Any]]
    abandon: Callable[[], None]


class Refresher:
    """A few threads that load for nobody in particular. They have database connections of their own, closed after each.

    Without threads of our own (`CACHING["BACKGROUND"]`) it declines everything.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[Key] = set()
        # Not an executor: the interpreter would not end before all that waits in one is done.
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopped = not conf.BACKGROUND

    def refresh(self, region: Region[Any], key: Key) -> bool:
        """Load a key anew though its value is good still; returns whether that will be done."""
        return self._submit(_Job(key, lambda: region.refreshing(key), lambda: None))

    def take_over(self, region: Region[Any], kind: str, key: Key) -> bool:
        """Go on with a flight that the caller leads; returns False when the caller must do so."""
        flights = runtime.flights
        return self._submit(
            _Job(key, lambda: region.flying(kind, key), lambda: flights.land(kind, key, lambda: NOTHING))
        )

    def stop(self) -> None:
        """End the threads, after what they are doing now."""
        with self._lock:
            self._stopped = True
        with suppress(Empty):
            while job := self._jobs.get_nowait():
                job.abandon()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)

    def _submit(self, job: _Job) -> bool:
        with self._lock:
            if self._stopped or job.key in self._waiting or len(self._waiting) >= _MOST_WAITING:
                return False
            try:
                self._start()
            except RuntimeError:
                # The machine has no thread left, or the interpreter ends.
                return False
            self._waiting.add(job.key)
            self._jobs.put(job)
            return True

    def _start(self) -> None:
        while len(self._threads) < _THREADS:
            thread = threading.Thread(target=self._run, name="caching-refresh", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        while job := self._jobs.get():
            try:
                drive(job.steps())
            except Exception as error:
                logger.warning(
                    "A value of region %(region)s could not be loaded in the background: %(error)s",
                    {"region": job.key.region, "error": error},
                    extra={"event": "refresh_failed"},
                )
            finally:
                with self._lock:
                    self._waiting.discard(job.key)
                connections.close_all()
