"""The search itself: it misses no state, and its traces are the shortest."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import pytest

from tests.model.cases import settled
from tests.model.explorer import Breach, Case, Step, explore


@dataclass(frozen=True)
class Counters:
    """Two counters that count to three; both at two is wrong, and so is to rest before the end."""

    alike: bool = False
    stuck: bool = False

    @property
    def start(self) -> tuple[int, int]:
        return 0, 0

    def steps(self, state: tuple[int, int]) -> Iterator[Step]:
        for index in range(2):
            if state[index] < 3 and not (self.stuck and state == (0, 3)):
                after = (state[0] + (index == 0), state[1] + (index == 1))
                yield f"counter {index}", after, ("T", "both are two") if after == (2, 2) else None

    def at_rest(self, state: tuple[int, int]) -> Breach | None:
        return None if state == (3, 3) else ("R", f"rests at {state}")

    def canonical(self, state: tuple[int, int]) -> Hashable:
        return tuple(sorted(state)) if self.alike else state


def test_every_state_is_visited_once_and_every_violation_counted() -> None:
    outcome = explore(Counters())
    assert outcome.states == 16
    assert outcome.counts == {"T": 2}, "both ways into the state are violations"


def test_the_trace_is_a_shortest_one_and_ends_with_what_is_wrong() -> None:
    trace = explore(Counters()).traces["T"].split(" > ")
    assert len(trace) == 5
    assert trace[-1] == "both are two"


def test_states_that_differ_in_names_only_are_one() -> None:
    assert explore(Counters(alike=True)).states == 10


def test_a_state_in_which_nothing_can_happen_is_judged() -> None:
    assert explore(Counters(stuck=True)).traces["R"].endswith("all is quiet > rests at (0, 3)")


def test_the_search_ends_when_the_kinds_asked_for_were_seen() -> None:
    assert explore(Counters(), until=frozenset("T")).states < 16


@pytest.mark.parametrize(
    ("shows", "broken", "good"),
    [
        ("T", False, True),
        ("", False, False),
        ("TR", False, False),
        ("T", True, True),
        ("R", True, False),
        ("", True, False),
    ],
)
def test_a_case_is_settled_by_the_kinds_it_shows(shows: str, broken: bool, good: bool) -> None:
    assert settled(Case("counters", Counters(), frozenset(shows), broken))[1] == good
