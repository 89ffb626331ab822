"""Time behind one small object, so that tests move it instead of sleeping."""

import time
from collections.abc import Callable
from functools import partial

__all__ = ["Clock"]


def _boot_clock() -> Callable[[], float]:
    # CLOCK_MONOTONIC stands still while a laptop sleeps; an entry must not outlive its TTL by a night.
    if hasattr(time, "CLOCK_BOOTTIME"):
        return partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    return time.monotonic


class Clock:
    """Seconds since boot (`now`, never set back), seconds since 1970 (`wall`) and waiting (`sleep`)."""

    def __init__(
        self,
        now: Callable[[], float] | None = None,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.now = now or _boot_clock()
        self.wall = wall
        self.sleep = sleep
