"""What is left to say after a clear or a warm-up is true, and says why nothing was done."""

from __future__ import annotations

import pytest

from caching.outcome import nothing_here, why_nothing_warmed
from caching.registry import registry


def test_why_nothing_was_warmed_is_said_as_far_as_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_nothing_warmed("dish", key=True) == "The database has no such row."
    assert why_nothing_warmed("dish", key=False) == "The region declares nothing as hot."
    assert why_nothing_warmed("shop", key=False) == "The database has nothing of what is declared as hot."
    assert why_nothing_warmed("", key=False) == "The database has nothing of what is declared as hot."
    monkeypatch.setattr(registry, "regions", {"dish": registry.regions["dish"]})
    assert why_nothing_warmed("", key=False) == "No region declares anything as hot."


def test_where_nothing_was_found_depends_on_whether_there_is_a_redis(tiers: str) -> None:
    where = "neither in the memory of the process that answered nor in Redis"
    if tiers == "local memory alone":
        where = "not in the memory of the process that answered"

    assert nothing_here() == (
        f"Nothing of that name was in the cache, {where}. It was cleared all the same, wherever else it may be."
    )
