"""A run imports the days once and plays them for each policy that there are settings for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.policies import run
from benchmarks.policies.policies import FIXED, POLICIES, available
from benchmarks.policies.simulation import Plan
from caching.conf import DEFAULTS
from tests.benchmarks.policies.test_page import outcome
from tests.benchmarks.policies.weeks import FIRST, SEED, file_write

pytestmark = pytest.mark.django_db


def test_policies_change_settings_that_there_are_and_the_fixed_one_nothing() -> None:
    found = available()
    assert set(found) <= set(POLICIES)
    assert {"fixed", "adaptive"} <= set(found)
    assert all(set(options) <= set(DEFAULTS) for options in found.values())
    assert not any(found[FIXED].values())


def test_a_policy_of_a_setting_that_there_is_not_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLICIES, "imagined", {"NO_SUCH_SETTING": True})  # type: ignore[misc]
    assert "imagined" not in available()


def compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **given: Any
) -> tuple[run.Comparison, list[Plan], list[str]]:
    played: list[Plan] = []
    told: list[str] = []

    def simulate(name: str, options: Any, plan: Plan) -> Any:
        played.append(plan)
        return outcome(name, 50)

    monkeypatch.setattr(run, "simulate", simulate)
    options = {"first": FIRST, "days": 2, "learn": 1, "seed": SEED, "only": None, **given}
    found = run.policies_compare(file=file_write(tmp_path), told=told.append, **options)
    return found, played, told


def test_all_are_played_with_the_same_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, played, told = compare(tmp_path, monkeypatch)
    assert [each.policy for each in found.outcomes] == list(available())
    assert all(plan is played[0] for plan in played)
    assert [len(played[0].learnt), len(played[0].counted)] == [1, 2]
    assert (found.first, found.orders, found.writes) == (FIRST, 3, 20)
    assert told[0] == "imported 3 orders"
    assert told[-1] == f"played {found.outcomes[-1].policy}"


def test_some_can_be_chosen_and_the_fixed_one_is_always_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _, _ = compare(tmp_path, monkeypatch, only=["adaptive"])
    assert [each.policy for each in found.outcomes] == ["fixed", "adaptive"]
