"""Points of the protocol at which a scenario stops a thread, and at which the others now and then dawdle."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from caching.invalidation import Invalidation
from caching.steps import Load

__all__ = ["COMMITTED", "LOADED", "MARKED", "install", "renewing", "stopping_at"]

#: A writer has placed its marks and will COMMIT now.
MARKED = "marked"
#: A writer's COMMIT is done, nothing after it.
COMMITTED = "committed"
#: A reader has loaded from the database and will fill now.
LOADED = "loaded"

#: While it is not set, the marks of commits under way run out as if their process stood still.
renewing = threading.Event()
renewing.set()

_DAWDLE_SHARE = 0.05
_DAWDLE_SECONDS = 0.01

_thread = threading.local()
_random = random.Random()


@contextmanager
def stopping_at(points: Sequence[str], stop: Callable[[str], None]) -> Iterator[None]:
    """Call `stop(point)`, which returns when the thread may go on, at each of the points in this order."""
    _thread.points, _thread.stop = list(points), stop
    try:
        yield
    finally:
        _thread.points = []


def _reach(point: str) -> None:
    points = getattr(_thread, "points", [])
    if points:
        if points[0] == point:
            points.pop(0)
            _thread.stop(point)
    elif _random.random() < _DAWDLE_SHARE:
        time.sleep(_random.uniform(0, _DAWDLE_SECONDS))


def _before(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def gated(*args: Any, **kwargs: Any) -> Any:
        _reach(point)
        return function(*args, **kwargs)

    return gated


def _after(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def gated(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        _reach(point)
        return result

    return gated


def _while_renewing(keep: Callable[[Invalidation], None]) -> Callable[[Invalidation], None]:
    @wraps(keep)
    def kept(commit: Invalidation) -> None:
        if renewing.is_set():
            keep(commit)

    return kept


def _seed() -> None:
    _random.seed(f"{os.environ.get('PROVE_SEED', '')}-{os.getpid()}")


def install() -> None:
    """Put the gates in place, around whatever sabotage there is."""
    Invalidation.begin = _after(MARKED, Invalidation.begin)  # type: ignore[method-assign]
    Invalidation.keep = _while_renewing(Invalidation.keep)  # type: ignore[method-assign]
    Invalidation.finish = _before(COMMITTED, Invalidation.finish)  # type: ignore[method-assign]
    Load.run = _after(LOADED, Load.run)  # type: ignore[method-assign]
    # What is chosen without a thought of timing is the same when a seed is given again.
    random.seed(f"{os.environ.get('PROVE_SEED', '')}-{sys.argv[-1]}")
    _seed()
    os.register_at_fork(after_in_child=_seed)
