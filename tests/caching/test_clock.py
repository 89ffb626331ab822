"""The clock: what stands behind it, and that all of it can be replaced."""

from __future__ import annotations

import time

import pytest

from caching.clock import Clock


def test_it_is_the_machines_clock_unless_told_otherwise() -> None:
    clock = Clock()

    before = time.clock_gettime(time.CLOCK_BOOTTIME), time.time()
    now = clock.now(), clock.wall()
    after = time.clock_gettime(time.CLOCK_BOOTTIME), time.time()

    assert before[0] <= now[0] <= after[0]
    assert before[1] <= now[1] <= after[1]
    assert clock.sleep is time.sleep


def test_where_no_clock_counts_through_sleep_the_monotonic_one_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")

    assert Clock().now is time.monotonic


def test_everything_can_be_replaced() -> None:
    waited: list[float] = []
    clock = Clock(now=lambda: 1.0, wall=lambda: 2.0, sleep=waited.append)

    clock.sleep(3.0)

    assert (clock.now(), clock.wall(), waited) == (1.0, 2.0, [3.0])
