"""A file of orders becomes an organisation and what is written on each day, at the moments of the file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.policies.errors import NoOrders
from benchmarks.policies.week import days_from, orders_import, week_open
from orders.models import MenuItem, Order
from orders.statuses import Status
from tests.benchmarks.policies.weeks import FIRST, file_write, plan_make

pytestmark = pytest.mark.django_db


def test_orders_are_written_at_the_moments_of_the_file(tmp_path: Path) -> None:
    plan = plan_make(tmp_path, days=2)
    placed = [write for day in plan.counted for write in plan.week.days[day] if write.kind == Status.PENDING]
    # Summer time in London.
    expected = ["2019-04-29T18:00", "2019-04-29T19:30", "2019-04-30T17:15"]
    assert [datetime.fromtimestamp(write.at, UTC).isoformat()[:16] for write in placed] == expected
    assert [write.order for write in placed] == [0, 1, 2]
    assert len(plan.week.orders) == 3


def test_each_order_goes_all_its_way_and_the_settings_change_once_a_day(tmp_path: Path) -> None:
    plan = plan_make(tmp_path, days=2)
    for day, orders in zip(plan.counted, (2, 1), strict=True):
        writes = plan.week.days[day]
        assert list(writes) == sorted(writes, key=lambda write: write.at)
        assert len([write for write in writes if write.order is None]) == 1
        assert len([write for write in writes if write.kind == Status.PAID]) == orders


def test_of_a_file_only_the_days_that_are_wanted_are_imported(tmp_path: Path) -> None:
    plan_make(tmp_path)
    assert Order.objects.count() == 2


def test_days_without_orders_are_days(tmp_path: Path) -> None:
    plan = plan_make(tmp_path, days=4)
    assert plan.week.days[FIRST + timedelta(days=3)] == ()


def test_the_scratch_organisation_has_no_orders_and_the_menu_of_the_week(tmp_path: Path) -> None:
    plan = plan_make(tmp_path, days=2)
    org, menu = week_open(plan.week)
    assert not Order.objects.filter(org_id=org).exists()
    assert set(menu.values()) == set(MenuItem.objects.filter(org_id=org).values_list("pk", flat=True))
    assert {dish for order in plan.week.orders for dish, _ in order.dishes} == set(menu)


def test_a_file_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(NoOrders, match=r"missing\.csv cannot be read .*; name a file of orders with --orders\.$"):
        orders_import(tmp_path / "missing.csv", days_from(FIRST, 1))


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\x00"])
def test_so_is_a_file_of_something_else(tmp_path: Path, content: str) -> None:
    other = tmp_path / "other.csv"
    other.write_text(content)
    with pytest.raises(NoOrders, match=r"other\.csv (has no column|cannot be read).*--orders\.$"):
        orders_import(other, days_from(FIRST, 1))


def test_so_are_days_that_it_has_nothing_of(tmp_path: Path) -> None:
    with pytest.raises(NoOrders, match=r"has no orders from 2019-05-03 to 2019-05-04\.$"):
        orders_import(file_write(tmp_path), days_from(FIRST + timedelta(days=4), 2))
