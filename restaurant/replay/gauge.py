"""Takes the time of reads, tells hits from misses, and compares sampled hits with the database."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from django.db import connection

from restaurant.replay.reads import Read

_SAMPLED_SHARE: Final = 0.125
_ATTEMPTS: Final = 20


class Observation(NamedTuple):
    """One read through the cache: how long it took, and how many queries; none means that it was a hit."""

    group: str
    name: str
    nanoseconds: int
    queries: int


class WriteLog:
    """Counts the writes of a replay, so that a comparison knows how many may have happened meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = 0
        self._ended = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Surround one write, which is one transaction."""
        with self._lock:
            self._begun += 1
        try:
            yield
        finally:
            with self._lock:
                self._ended += 1

    def watch(self) -> Callable[[], int]:
        """Return a function that tells how many writes were under way at any moment since now."""
        with self._lock:
            ended = self._ended

        def overlapping() -> int:
            with self._lock:
                return self._begun - ended

        return overlapping


class Gauge:
    """The reads of one thread, and what came of them.

    A sampled hit is compared with what the database says before and after it. It is fresh when it equals one of the
    two. When it equals neither and at most one write was under way, there is no third state that it could rightly be:
    it is stale. With more writes under way it may be a state in between; the comparison is then made again, and counted
    as undecided if that never helps. So no alarm is false, and a copy that stays stale is found.
    """

    def __init__(self, writes: WriteLog, *, seed: int) -> None:
        self._writes = writes
        self._chance = random.Random(seed)  # noqa: S311 - chooses samples, guards nothing
        self._queries = 0
        self.observations: list[Observation] = []
        #: The names of the reads that were compared, that were found stale, and that could not be decided.
        self.compared: list[str] = []
        self.stale: list[str] = []
        self.undecided: list[str] = []

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count this thread's queries; every read must be made inside."""
        with connection.execute_wrapper(self._count):
            yield

    def _count(self, execute: Callable[..., Any], *args: Any) -> Any:
        self._queries += 1
        return execute(*args)

    def read(self, read: Read, times: int = 1) -> None:
        """Read so many times through the cache, and compare a random share of the hits with the database."""
        for _ in range(times):
            if self._chance.random() < _SAMPLED_SHARE:
                self.compare(read)
            else:
                self.observations.append(self._observe(read)[0])

    def compare(self, read: Read) -> None:
        """Read once, and compare the answer, if it is a hit, with the database."""
        for attempt in range(_ATTEMPTS):
            overlapping = self._writes.watch()
            before = read.stored()
            observation, value = self._observe(read)
            if attempt == 0:
                self.observations.append(observation)
            if observation.queries:
                return
            after = read.stored()
            if value in (before, after):
                self.compared.append(read.name)
                return
            if overlapping() <= 1:
                self.compared.append(read.name)
                self.stale.append(read.name)
                return
        self.undecided.append(read.name)

    def _observe(self, read: Read) -> tuple[Observation, Any]:
        queries = self._queries
        began = time.perf_counter_ns()
        value = read.cached()
        took = time.perf_counter_ns() - began
        return Observation(read.group, read.name, took, self._queries - queries), value
