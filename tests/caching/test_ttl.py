"""Jitter and early refresh, as distributions (seeded)."""

from __future__ import annotations

import random
from statistics import fmean

import pytest
from pytest_django.fixtures import Settings

from caching.ttl import jittered, lead


@pytest.fixture(autouse=True)
def seeded() -> None:
    random.seed(7)


def test_times_to_live_are_spread_over_the_share_that_is_set(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "TTL_JITTER": 0.2}
    drawn = [jittered(100) for _ in range(2000)]
    assert 80 <= min(drawn) < 81
    assert 99 < max(drawn) <= 100


def test_without_jitter_they_are_exact(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "TTL_JITTER": 0}
    assert jittered(100) == 100


def test_the_lead_is_exponential_in_the_cost_of_the_load() -> None:
    drawn = [lead(2.0) for _ in range(20_000)]
    assert fmean(drawn) == pytest.approx(2.0, rel=0.05)
    # The share beyond one mean is 1/e.
    assert sum(each > 2.0 for each in drawn) / len(drawn) == pytest.approx(0.368, abs=0.02)


def test_what_costs_nothing_is_never_loaded_early() -> None:
    assert lead(0.0) == 0.0
