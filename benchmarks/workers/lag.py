"""A writer that says when it told of a write, and a reader that says when its local copy was no hit any more."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import count
from typing import Any, Final

import django

from benchmarks.conversation import Answer, serve
from benchmarks.results import Sample

__all__ = [
    "BEFORE",
    "HELD",
    "RETURNED",
    "SEEN",
    "STORED",
    "TOLD",
    "held",
    "invalidated",
    "pinned",
    "saved",
    "watched",
    "watched_politely",
]

HELD: Final = "held"
#: Moments, in seconds of the machine's monotonic clock, which all processes share. The writer's: just before and after
#: what makes the copy stale. The reader's: its last look but one, then beginning and end of the one that was no hit.
TOLD: Final = "told"
STORED: Final = "stored"
BEFORE: Final = "before"
SEEN: Final = "seen"
RETURNED: Final = "returned"

_PATIENCE_SECONDS: Final = 20.0
# By then the reader is looking.
_HEAD_START_SECONDS: Final = 0.005
_SETTLED_SECONDS: Final = 0.002

_number = count(1)


def held() -> Answer:
    """Read the profile until local memory keeps it; raises TimeoutError."""
    from benchmarks.world import ORG
    from restaurant.profiles.cached import profile

    key, end = profile.key(ORG).local, time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        profile.get(ORG)
        if profile.hit(key) is not None:
            # What is heard late of an earlier write drops it again.
            time.sleep(_SETTLED_SECONDS)
            if profile.hit(key) is not None:
                return {HELD: Sample((1.0,))}
    raise TimeoutError("Local memory does not keep the profile.")


def pinned(index: int) -> Answer:
    """Stay on one processor, where the system offers that: two processes that never rest shall not share one."""
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[index % len(processors)]})
    return {}


def watched() -> Answer:
    """Look without a pause until the copy is no hit, because its stamp was changed; say when that look was."""
    return _watched(lambda: None)


def watched_politely() -> Answer:
    """Do the same, letting other threads of this process have the interpreter after each look."""
    return _watched(lambda: time.sleep(0))


def invalidated() -> Answer:
    """Make the profile stale; say when, just before and after the first stamp was changed."""
    from benchmarks.world import ORG
    from caching.runtime import runtime
    from restaurant.profiles.cached import profile

    _give_a_start()
    return _first_call(runtime.stamps, "bump", lambda: profile.invalidate(ORG))


def saved() -> Answer:
    """Save the profile; say when, just before and after the first batch was sent to Redis: its mark."""
    from benchmarks.world import ORG
    from caching.runtime import runtime
    from restaurant.profiles.services import profile_update

    _give_a_start()
    updates = {"name": f"Bench Kitchen and Bar {next(_number)}"}
    return _first_call(runtime.redis, "execute", lambda: profile_update(org_id=ORG, updates=updates))


def _watched(between: Callable[[], object]) -> Answer:
    from benchmarks.world import ORG
    from caching.runtime import runtime
    from caching.stamps import slots_of
    from restaurant.profiles.cached import profile

    key, stamps = profile.key(ORG), runtime.stamps
    assert stamps is not None  # noqa: S101 -- for the type checker: there is a file to share
    slots = slots_of(key)
    noted, local_key, hit, clock = stamps.note(slots), key.local, profile.hit, time.monotonic
    before = clock()
    end = before + _PATIENCE_SECONDS
    if hit(local_key) is None:
        return {}
    while True:
        began = clock()
        # A copy may also be no hit because nothing was heard for a moment: that is not what is waited for.
        if hit(local_key) is None and stamps.note(slots) != noted:
            return {BEFORE: Sample((before,)), SEEN: Sample((began,)), RETURNED: Sample((clock(),))}
        if began > end:
            raise TimeoutError("The write never arrived.")
        before = began
        between()


def _give_a_start() -> None:
    # Not asleep: a writer comes from its work, not from a core that has rested.
    end = time.monotonic() + _HEAD_START_SECONDS
    while time.monotonic() < end:
        pass


def _first_call(owner: Any, name: str, work: Callable[[], object]) -> Answer:
    """Do the work; return the moments just before and after it first called that method."""
    method, moments = getattr(owner, name), list[float]()

    def noting(*arguments: Any, **options: Any) -> Any:
        moments.append(time.monotonic())
        try:
            return method(*arguments, **options)
        finally:
            moments.append(time.monotonic())

    setattr(owner, name, noting)
    try:
        work()
    finally:
        delattr(owner, name)
    return {TOLD: Sample((moments[0],)), STORED: Sample((moments[1],))}


def main() -> None:
    """Answer the questions of the section."""
    django.setup()
    serve(
        {
            "pinned": pinned,
            "held": held,
            "watched": watched,
            "watched politely": watched_politely,
            "invalidated": invalidated,
            "saved": saved,
        }
    )


if __name__ == "__main__":
    main()
