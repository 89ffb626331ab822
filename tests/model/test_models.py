"""The protocol as implemented shows no violation but the windows that CAVEATS names; every broken variant is caught."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.model.cases import CASES, settled
from tests.model.explorer import Case

OURS = [(f"{model}: {case.name}", case) for model, cases in CASES.items() for case in cases if not case.broken]
BROKEN = [(f"{model}: {case.name}", case) for model, cases in CASES.items() for case in cases if case.broken]


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in OURS if not case.big])
def test_ours_shows_the_known_windows_and_nothing_else(case: Case) -> None:
    outcome, good = settled(case)
    assert good, f"expected {sorted(case.shows) or 'no violation'} in {outcome.states} states\n{outcome.told()}"


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in BROKEN])
def test_what_is_broken_is_caught(case: Case) -> None:
    outcome, good = settled(case)
    assert good, f"expected {sorted(case.shows)} in {outcome.states} states\n{outcome.told()}"


@pytest.mark.parametrize("model", CASES)
def test_every_rule_of_a_model_is_broken_in_some_case(model: str) -> None:
    rules = {each.name for each in fields(CASES[model][0].model) if each.default is True}  # type: ignore[arg-type]
    broken = {name for name in rules for case in CASES[model] if case.broken and not getattr(case.model, name)}
    assert rules == broken
