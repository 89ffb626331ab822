"""Whatever happens in whatever order, no read is stale; and with a part of the protocol switched off some are."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from caching import exchange
from caching.invalidation import Invalidation
from caching.stamps import Stamps
from caching.steps import Pause
from caching.tiers import local
from tests.conftest import MovableClock
from tests.machine.machine import Machine, Surroundings
from tests.machine.processes import stopping_writers
from tests.prove import sabotage

pytestmark = pytest.mark.django_db(transaction=True)

# MACHINE_EXAMPLES=2000 looks for longer.
_EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "15"))
# A sabotaged protocol is caught long before.
_SABOTAGED_EXAMPLES = 1000


def play(examples: int, *phases: Phase) -> None:
    options = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        database=None,
        print_blob=True,
        phases=phases or (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    with stopping_writers():
        run_state_machine_as_test(Machine, settings=options)


@pytest.fixture
def surroundings(clock: MovableClock, tiers: str, request: Any, tmp_path: Any, monkeypatch: Any) -> None:
    redis = request.getfixturevalue("redis") if tiers == "with Redis" else None
    folders = tmp_path / "here", tmp_path / "there"
    for folder in folders:
        folder.mkdir()
    here, there = map(str, folders)

    async def pause(step: Pause) -> None:
        # The event loop's own clock would not move ours, and the wait for a resting read would have no end.
        step.run()

    monkeypatch.setattr(Pause, "arun", pause)
    monkeypatch.setattr(Machine, "surroundings", Surroundings(clock, redis, (here, there)), raising=False)


def test_no_read_is_stale_whatever_happens(surroundings: None) -> None:
    play(_EXAMPLES)


@pytest.fixture
def all_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is kept in local memory be folded at once, and every other hit expand it."""
    monkeypatch.setattr(local, "_MOST_EXPANDED", 1)
    monkeypatch.setattr(local, "_HITS_TO_EXPAND", 2)


def test_no_read_is_stale_when_entries_are_folded(surroundings: None, all_folded: None) -> None:
    play(_EXAMPLES)


@pytest.fixture
def sabotaged(request: Any, monkeypatch: Any) -> str:
    """Switch off a part of the protocol; it is put back after the test."""
    for place in (Invalidation, Stamps, exchange):
        for name in ("begin", "finish", "refresh", "keep", "bump", "pend", "unpend", "LEASE", "FILL"):
            if hasattr(place, name):
                monkeypatch.setattr(place, name, getattr(place, name))
    sabotage.install(request.param)
    return str(request.param)


@pytest.mark.parametrize("tiers", ["with Redis"], indirect=True)
# Lease and unmark are missed, too, but seldom within seconds; `tests.prove` sees to them.
@pytest.mark.parametrize("sabotaged", ["mark", "stamps"], indirect=True)
def test_a_part_of_the_protocol_that_is_switched_off_is_missed(surroundings: None, sabotaged: str) -> None:
    with pytest.raises(AssertionError, match="stale"):
        play(_SABOTAGED_EXAMPLES, Phase.generate)
