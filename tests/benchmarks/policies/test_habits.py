"""Reads are drawn from habits: the same for the same seed, at the times that people are there."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from benchmarks.policies.habits import HABITS, looks_of_day
from benchmarks.policies.simulation import GROUPS
from caching.registry import registry
from orders.statuses import Status
from tests.benchmarks.policies.weeks import FIRST, SEED, plan_make

pytestmark = pytest.mark.django_db

ZONE = "Europe/London"


def test_the_same_seed_draws_the_same_reads_and_another_one_others(tmp_path: Path) -> None:
    week = plan_make(tmp_path).week
    assert looks_of_day(week, FIRST, ZONE, SEED) == looks_of_day(week, FIRST, ZONE, SEED)
    assert looks_of_day(week, FIRST, ZONE, SEED) != looks_of_day(week, FIRST, ZONE, SEED + 1)


def test_reads_are_of_regions_there_are_in_order_of_time(tmp_path: Path) -> None:
    looks = looks_of_day(plan_make(tmp_path).week, FIRST, ZONE, SEED)
    assert [look.at for look in looks] == sorted(look.at for look in looks)
    assert {look.region for look in looks} == set(GROUPS)
    assert set(GROUPS) <= set(registry.regions)
    assert len(HABITS) == 8


def test_the_kitchen_looks_every_15_seconds_while_open_and_at_no_other_time(tmp_path: Path) -> None:
    looks = [
        look.at for look in looks_of_day(plan_make(tmp_path).week, FIRST, ZONE, SEED) if look.region == "active_orders"
    ]
    opens = datetime(2019, 4, 29, 16, 30, tzinfo=ZoneInfo(ZONE)).timestamp()
    assert opens <= looks[0] < opens + 15
    assert looks[-1] < opens + 6.5 * 3600
    assert {round(after - before, 6) for before, after in itertools.pairwise(looks)} == {15.0}


def test_before_a_payment_the_order_its_bill_and_the_balance_are_read_in_this_order(tmp_path: Path) -> None:
    week = plan_make(tmp_path).week
    known = next(index for index, order in enumerate(week.orders) if order.phone)
    paid = next(write.at for write in week.days[FIRST] if write.kind == Status.PAID and write.order == known)
    looks = [
        look for look in looks_of_day(week, FIRST, ZONE, SEED) if look.order == known and paid - 61 < look.at < paid
    ]
    regions = [look.region for look in looks if look.region != "order"]
    assert regions == ["bill_total", "customer_balance"]
    assert looks[0].region == "order"


def test_the_accounts_read_the_orders_of_the_day_before(tmp_path: Path) -> None:
    plan = plan_make(tmp_path, days=2)
    morning = datetime(2019, 4, 30, 12, tzinfo=ZoneInfo(ZONE)).timestamp()
    looks = [look for look in looks_of_day(plan.week, FIRST + timedelta(days=1), ZONE, SEED) if look.at < morning]
    assert Counter(look.region for look in looks if look.order is not None)["order"] == 2
    assert ("billing_summary", (FIRST,)) in {(look.region, look.parts) for look in looks}
