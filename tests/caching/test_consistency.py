"""What so many audits show, and no more than that."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest

from caching.consistency import consistency, upper_bound, wait_seconds, within_seconds


def probability_of_at_most(violations: int, audited: int, share: Fraction) -> Fraction:
    return sum(
        (
            math.comb(audited, count) * share**count * (1 - share) ** (audited - count)
            for count in range(violations + 1)
        ),
        Fraction(0),
    )


def said(audited: int, violations: int = 0) -> str:
    return consistency({"audited": audited, "violations": violations}).sentence


@pytest.mark.parametrize("audited", [30, 100, 3_000, 1_000_000])
def test_none_old_among_many_is_the_rule_of_three(audited: int) -> None:
    assert 2.8 / audited < upper_bound(0, audited) < 3 / audited


# Tables of Clopper and Pearson's one-sided 95 % bounds.
@pytest.mark.parametrize(
    ("violations", "audited", "bound"),
    [(0, 10, 0.2589), (1, 10, 0.3942), (2, 20, 0.2826), (5, 100, 0.1023), (1, 1_000, 0.00473)],
)
def test_bounds_are_those_of_the_tables(violations: int, audited: int, bound: float) -> None:
    assert upper_bound(violations, audited) == pytest.approx(bound, rel=2e-3)


@pytest.mark.parametrize(("violations", "audited"), [(0, 7), (1, 12), (3, 40), (17, 60), (59, 60)])
def test_at_its_bound_so_few_are_as_likely_as_one_in_twenty(violations: int, audited: int) -> None:
    bound = Fraction(upper_bound(violations, audited))

    assert float(probability_of_at_most(violations, audited, bound)) == pytest.approx(0.05, rel=1e-6)


def test_a_bound_of_very_many_is_still_near_their_share() -> None:
    assert 0.01 < upper_bound(10_000, 1_000_000) < 0.0102


@pytest.mark.parametrize(("violations", "audited"), [(0, 0), (1, 1), (5, 5), (6, 5)])
def test_what_says_nothing_good_is_bounded_by_everything(violations: int, audited: int) -> None:
    assert upper_bound(violations, audited) == 1.0


@pytest.mark.parametrize(
    ("audited", "violations", "nines"),
    [(10, 0, 0), (29, 0, 1), (298, 0, 1), (299, 0, 2), (2_995, 0, 3), (29_956, 0, 4), (1_000, 1, 2), (2, 2, 0)],
)
def test_nines_are_those_of_the_bound(audited: int, violations: int, nines: int) -> None:
    assert consistency({"audited": audited, "violations": violations}).nines == nines


def test_nothing_audited_has_no_nines() -> None:
    found = consistency({"audited": 0, "violations": 0})

    assert (found.nines, found.sentence) == (None, "not audited yet")


def test_sentences_say_what_was_found(settings: Any) -> None:
    settings.CACHING = {**settings.CACHING, "AUDIT_WINDOW_SECONDS": 0.4, "OBSERVE_SECONDS": 0.1}

    assert said(29_956) == "4 nines consistent within 500 ms (0 of 29,956 audited were old)"
    assert said(1_000, 90) == "less than 1 nine consistent within 500 ms (90 of 1,000 audited were old)"
    assert said(100, 1) == "1 nine consistent within 500 ms (1 of 100 audited was old)"
    assert said(10) == "none of 10 audited were old: too few to tell"
    assert said(1) == "none of 1 audited was old: too few to tell"


def test_the_wait_is_as_long_as_a_change_may_take(settings: Any, redis: Any) -> None:
    own = {**settings.CACHING, "AUDIT_WINDOW_SECONDS": 0.1, "OBSERVE_SECONDS": 1.0}
    settings.CACHING = {**own, "REDIS_ALIAS": None}
    assert (wait_seconds(), within_seconds()) == (0.1, 1.1)

    # Without threads nobody hears of other hosts' changes.
    settings.CACHING = {**own, "LOCAL_TTL_WITHOUT_TRACKING": 7.0}
    assert (wait_seconds(), within_seconds()) == (7.0, 8.0)

    settings.CACHING = {**own, "LOCAL_TTL_WITHOUT_TRACKING": 0.2, "TRUST_SECONDS": 0.3, "RELAY_SECONDS": 0.2}
    assert wait_seconds() == 0.5

    settings.CACHING = {**own, "AUDIT_WINDOW_SECONDS": 30.0}
    assert wait_seconds() == 30.0
