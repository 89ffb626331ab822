"""The odds of a guess follow how its last ones ended."""

from __future__ import annotations

import pytest

from caching.odds import Odds

TEA, CAKE = ("stale", "shop", "tea"), ("stale", "shop", "cake")


def test_nobody_knows_at_first() -> None:
    assert Odds().chance(TEA) == 0.5


def test_they_are_those_of_laplaces_rule() -> None:
    odds = Odds()
    for came_true in (True, True, False):
        odds.judge(TEA, came_true=came_true)
    assert odds.chance(TEA) == pytest.approx(3 / 5)
    assert odds.chance(CAKE) == 0.5


def test_what_was_always_right_and_is_wrong_now_is_soon_unlikely() -> None:
    odds = Odds()
    for _ in range(1000):
        odds.judge(TEA, came_true=True)
    assert odds.chance(TEA) > 0.85
    failures = 0
    while odds.chance(TEA) >= 0.5:
        odds.judge(TEA, came_true=False)
        failures += 1
    assert failures <= 16


def test_those_not_judged_for_longest_are_forgotten() -> None:
    odds = Odds()
    odds.judge(TEA, came_true=False)
    odds.judge(CAKE, came_true=False)
    for number in range(9_999):
        odds.judge(("stale", "shop", str(number)), came_true=True)
    assert odds.chance(TEA) == 0.5
    assert odds.chance(CAKE) < 0.5
