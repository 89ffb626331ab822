"""A shop whose name is cached, what looks at it, and time that passes until there is a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from caching.audit import Judge, Verdict, Violation, violation_found
from caching.keys import Key
from caching.regions import Region
from tests.conftest import MovableClock
from tests.shop.cached import shop

__all__ = ["TEA", "counted", "heard", "named", "settle"]

TEA = Key("shop", "tea")

_MOST_WAITS = 10


def named(slug: str = "tea") -> str | None:
    """Return what the cache calls the shop."""
    found = shop.get(slug)
    return None if found is None else found.name


def counted(region: Region[Any] = shop) -> tuple[int, int]:
    """Return how many hits were audited, and how many of them were old."""
    return region.counters.audited, region.counters.violations


def settle(judge: Judge, clock: MovableClock, key: Key = TEA, before: Callable[[], object] = lambda: None) -> Verdict:
    """Let time pass until there is a verdict; `before` happens each time that it waits."""
    for _ in range(_MOST_WAITS):
        assert judge.due is not None, "there is no suspect"
        before()
        clock.advance(judge.due - clock.now())
        for each, verdict in judge.judge():
            assert each == key
            return verdict
    raise AssertionError("It waits for ever.")


@contextmanager
def heard() -> Iterator[list[Violation]]:
    """Every alarm that is raised."""
    alarms: list[Violation] = []

    def hear(violation: Violation, **_: Any) -> None:
        alarms.append(violation)

    violation_found.connect(hear)
    try:
        yield alarms
    finally:
        violation_found.disconnect(hear)
