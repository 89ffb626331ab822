"""Processes of several hosts within one: each has tiers of its own, and only one of them runs at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection

from caching.invalidation import Invalidation
from caching.runtime import runtime

__all__ = ["Process", "Writer", "stopping_writers"]

_PATIENCE = 30.0
_SHARED = ("clock", "_lock", "_displaced")


class Process:
    """One process: the processes of a host share the directory of its stamps, and nothing else."""

    def __init__(self, name: str, host: str, stamps_dir: str) -> None:
        self.name = name
        self.host = host
        self._stamps_dir = stamps_dir
        self._tiers: dict[str, Any] = {}

    def __repr__(self) -> str:
        return self.name

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let it be the process that runs."""
        others, caching = _taken(), settings.CACHING
        settings.CACHING = {**caching, "STAMPS_DIR": self._stamps_dir}
        vars(runtime).update(self._tiers)
        try:
            yield
        finally:
            self._tiers = _taken()
            settings.CACHING = caching
            vars(runtime).update(others)

    def die(self) -> None:
        """Forget all it had in memory; a new process takes its place."""
        redis = self._tiers.get("redis")
        if redis is not None:
            redis.close()
        self._tiers = {}


def _taken() -> dict[str, Any]:
    return {name: vars(runtime).pop(name) for name in list(vars(runtime)) if name not in _SHARED}


class _Killed(BaseException):
    """The process of this writer is no more."""


class Writer:
    """A thread of a process that writes in a transaction, and stops when it has written, marked and committed.

    `at` is where it stands: "written", "marked", "committed" or "ended". `error` is what it raised.
    """

    def __init__(self, process: Process, change: Callable[[], object]) -> None:
        self.process = process
        self.at = ""
        self.error: BaseException | None = None
        self._change = change
        self._turn = threading.Semaphore(0)
        self._paused = threading.Semaphore(0)
        self._is_killed = False
        self._thread = threading.Thread(target=self._run, name=f"writer-{process}")
        with process.running():
            self._thread.start()
            self._wait()

    def proceed(self) -> None:
        """Let it go on to its next stop."""
        with self.process.running():
            self._turn.release()
            self._wait()

    def kill(self) -> None:
        """End its process where it stands: nothing that it would have done happens any more."""
        self._is_killed = True
        self.proceed()
        self.process.die()

    def stop(self, point: str) -> None:
        self.at = point
        self._paused.release()
        assert self._turn.acquire(timeout=_PATIENCE), "nobody lets the writer go on"
        if self._is_killed:
            raise _Killed

    def _wait(self) -> None:
        assert self._paused.acquire(timeout=_PATIENCE), "the writer does not come back"
        if self.at == "ended":
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        _writers[threading.get_ident()] = self
        try:
            self._change()
        except _Killed:
            pass
        except BaseException as error:
            self.error = error
        finally:
            del _writers[threading.get_ident()]
            connection.close()
            redis = vars(runtime).get("redis")
            if redis is not None:
                # Of this thread.
                redis.close()
            self.at = "ended"
            self._paused.release()


_writers: dict[int, Writer] = {}


def _reach(point: str) -> None:
    writer = _writers.get(threading.get_ident())
    if writer is not None:
        writer.stop(point)


@contextmanager
def stopping_writers() -> Iterator[None]:
    """Put the stops of writers in place, around whatever sabotage there is."""
    begin, finish = Invalidation.begin, Invalidation.finish

    def begin_stopped(self: Invalidation) -> None:
        _reach("written")
        begin(self)
        _reach("marked")

    def finish_stopped(self: Invalidation) -> None:
        _reach("committed")
        finish(self)

    Invalidation.begin, Invalidation.finish = begin_stopped, finish_stopped  # type: ignore[method-assign]
    try:
        yield
    finally:
        Invalidation.begin, Invalidation.finish = begin, finish  # type: ignore[method-assign]
