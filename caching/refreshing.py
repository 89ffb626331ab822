"""Loads in the background: what is about to expire, and what a caller no longer waits for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from caching.conf import conf
from caching.flights import NOTHING
from caching.keys import Key
from caching.runtime import runtime
from caching.steps import Steps, drive

if TYPE_CHECKING:
    from caching.regions import Region

__all__ = ["Refresher"]

logger = logging.getLogger("caching")

_THREADS: Final = 2
# More loads than this waiting would come too late to be of use.
_MOST_WAITING: Final = 100


class Refresher:
    """A few threads that load for nobody in particular. They have database connections of their own, closed after each.

    Without threads of our own (`CACHING["BACKGROUND"]`) it declines everything.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[Key] = set()
        self._pool: ThreadPoolExecutor | None = None
        self._stopped = not conf.BACKGROUND

    def refresh(self, region: Region[Any], key: Key) -> bool:
        """Load a key anew though its value is good still; returns whether that will be done."""
        return self._submit(key, lambda: region.refreshing(key)) is not None

    def take_over(self, region: Region[Any], kind: str, key: Key) -> bool:
        """Go on with a flight that the caller leads; returns False when the caller must do so."""
        flights = runtime.flights

        def land_if_never_begun(job: Future[None]) -> None:
            if job.cancelled():
                flights.land(kind, key, lambda: NOTHING)

        job = self._submit(key, lambda: region.flying(kind, key))
        if job is None:
            return False
        job.add_done_callback(land_if_never_begun)
        return True

    def stop(self) -> None:
        """End the threads, after what they are doing now."""
        with self._lock:
            self._stopped = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _submit(self, key: Key, steps: Callable[[], Steps[Any]]) -> Future[None] | None:
        with self._lock:
            if self._stopped or key in self._waiting or len(self._waiting) >= _MOST_WAITING:
                return None
            self._waiting.add(key)
            self._pool = self._pool or ThreadPoolExecutor(_THREADS, thread_name_prefix="caching-refresh")
            dropped: list[Key] = []
            try:
                return self._pool.submit(self._run, key, steps, dropped)
            except RuntimeError:
                # The machine has no thread left, or the interpreter ends. It may stand in the queue all the same.
                dropped.append(key)
                self._waiting.discard(key)
                return None

    def _run(self, key: Key, steps: Callable[[], Steps[Any]], dropped: list[Key]) -> None:
        with self._lock:
            if dropped:
                return
        try:
            drive(steps())
        except Exception as error:
            logger.warning("A value of region %s could not be loaded in the background: %r", key.region, type(error))
        finally:
            with self._lock:
                self._waiting.discard(key)
            connections.close_all()
