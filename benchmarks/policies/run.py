"""One run: the days are imported once, and played once for each policy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, timedelta
from pathlib import Path

from benchmarks.policies.page import Comparison
from benchmarks.policies.policies import FIXED, available
from benchmarks.policies.simulation import Plan, simulate
from benchmarks.policies.week import days_from, orders_import, week_read

__all__ = ["policies_compare"]


def policies_compare(
    *,
    file: Path,
    first: date,
    days: int,
    learn: int,
    seed: int,
    only: Collection[str] | None,
    told: Callable[[str], object],
) -> Comparison:
    """Import the orders of the days and play them with the fixed policy and the others, or `only` some of these.

    `learn` days before `first` are played and not counted. `told` hears how far it is. Raises NoOrders.
    """
    every_day = days_from(first - timedelta(days=learn), learn + days)
    orders_import(file, every_day)
    week = week_read(every_day)
    plan = Plan(week, every_day[:learn], every_day[learn:], seed)
    told(f"imported {len(week.orders):,} orders")
    outcomes = []
    for name, options in available().items():
        if not only or name in (*only, FIXED):
            outcomes.append(simulate(name, options, plan))
            told(f"played {name}")
    writes = [write for day in plan.counted for write in week.days[day]]
    orders = len({write.order for write in writes if write.order is not None})
    return Comparison(plan.counted[0], plan.counted[-1], learn, seed, orders, len(writes), outcomes)
