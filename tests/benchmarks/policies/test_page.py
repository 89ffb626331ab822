"""What a comparison says, as a table, in words and as a page."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest

from benchmarks.policies.habits import HABITS
from benchmarks.policies.page import Comparison, page
from benchmarks.policies.simulation import Outcome

DAY = date(2019, 4, 29)


def outcome(policy: str, hits: int, **other: Any) -> Outcome:
    return Outcome(
        policy, Counter(orders=100, profile=100), Counter(orders=hits, profile=50), **{"queries": 90, **other}
    )


def compared(*others: Outcome) -> Comparison:
    return Comparison(DAY, DAY, 7, 3, 10, 61, [outcome("fixed", 50), *others])


def test_the_table_has_a_row_for_each_policy() -> None:
    headings, fixed, adaptive = compared(outcome("adaptive", 70, prefetched=5, used=4, held=12.6)).rows()
    assert fixed[:5] == ["fixed", "200", "50.00%", "50.00%", "50.00%"]
    assert dict(zip(headings, adaptive, strict=True)) == {
        "Policy": "adaptive", "Reads": "200", "Hit rate": "60.00%", "Profile": "50.00%", "Orders": "70.00%",
        "Billing": "0.00%", "Balance": "0.00%", "Queries of reads": "90", "Queries ahead": "0", "Loaded ahead": "5",
        "of these used": "4", "Values held": "13", "Stale reads": "0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (outcome("a", 70, queries=60), "a: 20.0% fewer misses (100 to 80); 60.00% of reads are hits instead of 50.00%; "
         "queries: -30."),
        (outcome("a", 50), "a: no gain. 50.00% of reads are hits instead of 50.00%; queries: +0."),
        (outcome("a", 50, background=5), "a: no gain. 50.00% of reads are hits instead of 50.00%; queries: +5."),
        (outcome("a", 49), "a: worse. 49.50% of reads are hits instead of 50.00%."),
    ],
)  # fmt: skip
def test_each_is_told_as_the_figures_are(other: Outcome, said: str) -> None:
    assert compared(other).verdicts() == [said]


def test_faults_are_stale_reads_and_what_is_worse() -> None:
    assert compared(outcome("a", 70), outcome("b", 50)).faults() == []
    assert compared(outcome("a", 70, stale=2), outcome("b", 40)).faults() == [
        "a: 2 stale reads.",
        "b: worse. 45.00% of reads are hits instead of 50.00%.",
    ]


def test_the_page_says_when_it_was_measured_and_how() -> None:
    text = page(compared(outcome("adaptive", 70)), "python -m benchmarks.policies", date(2026, 11, 23))
    assert "Written by `python -m benchmarks.policies` on 2026-11-23." in text
    assert "2019-04-29 to 2019-04-29 (10 orders," in text
    assert "(seed 3)" in text
    assert "| adaptive | 200 | 60.00% |" in text
    assert "- adaptive: 20.0% fewer misses" in text
    assert all(who in text and what in text for who, what in HABITS)
    assert all(len(line) <= 120 for line in text.splitlines() if not line.startswith("|"))
