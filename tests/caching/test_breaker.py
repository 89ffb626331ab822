"""The circuit breaker: what opens it, when a probe is due, what it says."""

from __future__ import annotations

import logging

import pytest

from caching.breaker import Breaker
from tests.conftest import MovableClock


@pytest.fixture
def breaker(clock: MovableClock) -> Breaker:
    return Breaker(clock)


def test_it_is_closed_until_it_trips_and_after_it_closes(breaker: Breaker) -> None:
    assert (breaker.closed, breaker.state) == (True, "closed")
    breaker.trip("no answer")
    assert (breaker.closed, breaker.state) == (False, "open")
    breaker.probing()
    assert (breaker.closed, breaker.state) == (False, "half-open")
    breaker.close()
    assert (breaker.closed, breaker.state) == (True, "closed")


def test_a_probe_is_due_only_after_the_server_was_left_alone(breaker: Breaker, clock: MovableClock) -> None:
    assert not breaker.probe_is_due
    breaker.trip("no answer")
    assert not breaker.probe_is_due
    clock.advance(0.1)
    assert breaker.probe_is_due


def test_failed_probes_become_rarer_up_to_a_bound(
    breaker: Breaker, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caching.breaker.random.uniform", lambda least, most: most)
    breaker.trip("no answer")
    waits = []
    for _ in range(8):
        before = clock.seconds
        while not breaker.probe_is_due:
            clock.advance(0.05)
        waits.append(round(clock.seconds - before, 2))
        breaker.probing()
        breaker.trip("no answer")
    assert waits == sorted(waits)
    assert waits[0] < waits[3]
    assert waits[-1] == waits[-2] <= 2.05


def test_probes_keep_step_with_nothing(breaker: Breaker, clock: MovableClock) -> None:
    """A server that is there every other 200 ms would never be met by probes at multiples of 400."""
    waits = set()
    for _ in range(20):
        breaker.trip("no answer")
        before = clock.seconds
        while not breaker.probe_is_due:
            clock.advance(0.001)
        waits.add(round(clock.seconds - before, 3))
        breaker.close()
    assert len(waits) > 5
    assert all(0.05 < wait <= 0.101 for wait in waits)


def test_a_new_outage_is_probed_soon_again(breaker: Breaker, clock: MovableClock) -> None:
    breaker.trip("no answer")
    for _ in range(5):
        breaker.probing()
        breaker.trip("no answer")
    breaker.close()
    breaker.trip("no answer")
    clock.advance(0.11)
    assert breaker.probe_is_due


def test_each_change_is_logged_once(breaker: Breaker, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "caching"):
        for _ in range(3):
            breaker.trip("no answer")
        breaker.probing()
        breaker.trip("still none")
        breaker.close()
        breaker.close()
    assert [record.getMessage() for record in caplog.records] == [
        "Redis is left alone until it answers again: no answer",
        "Redis answers again.",
    ]


def test_operators_read_state_time_reason_and_count(breaker: Breaker, clock: MovableClock) -> None:
    clock.advance(5)
    breaker.trip("no answer")
    clock.advance(5)
    breaker.trip("reset")
    assert breaker.describe() == {"state": "open", "since": 1_000_005.0, "trips": 1, "why": "reset"}


def test_probing_a_closed_breaker_leaves_it_closed(breaker: Breaker) -> None:
    breaker.probing()
    assert breaker.state == "closed"
