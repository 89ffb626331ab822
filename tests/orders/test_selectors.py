"""Orders are read newest first, of one organisation only, in as few queries as can be."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.sql.compiler import SQLCompiler
from pytest_django import DjangoAssertNumQueries

from orders.models import Order, OrderLine
from orders.selectors import (
    menu_items,
    order_counts_by_status,
    order_get,
    order_refs_active,
    order_refs_by_status,
    order_refs_page,
    orders_get,
)
from orders.statuses import ACTIVE, Status
from restaurant.profiles.models import BusinessProfile
from tests.factories import NOON, BusinessProfileFactory, MenuItemFactory, OrderFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile() -> BusinessProfile:
    return BusinessProfileFactory()


def _refs(*orders: Order) -> list[tuple[object, int]]:
    return [(order.pk, order.version) for order in orders]


def test_an_order_comes_with_its_lines_in_two_queries(
    profile: BusinessProfile, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    order = OrderFactory(org=profile, lines=3)
    with django_assert_num_queries(2):
        found = order_get(org_id=profile.org_id, order_id=order.pk)
        assert found is not None
        assert len(found.lines.all()) == 3


def test_one_order_is_read_as_it_is_among_others(profile: BusinessProfile) -> None:
    first, second = (OrderFactory(org=profile, lines=2, discount="1.50", external_ref=ref) for ref in ("A1", None))
    among_others = orders_get(org_id=profile.org_id, order_ids=[first.pk, second.pk])
    alone = [orders_get(org_id=profile.org_id, order_ids=[each.pk], using="default") for each in (second, first)]
    assert [_everything(order) for (order,) in alone] == [_everything(order) for order in among_others]
    assert alone[0][0].currency == profile.currency


def _everything(order: Order) -> list[dict[str, Any]]:
    lines = order.lines.all()
    assert all(line.order is order for line in lines)
    return [
        {name: value for name, value in vars(row).items() if not name.startswith("_")} | {"database": row._state.db}
        for row in (order, *lines)
    ]


def test_the_lines_of_one_order_can_still_be_filtered(profile: BusinessProfile) -> None:
    OrderFactory(org=profile, lines=3)
    order = order_get(org_id=profile.org_id, order_id=OrderFactory(org=profile, lines=3).pk)
    assert order is not None
    assert order.lines.filter(position__gt=order.lines.all()[0].position).count() == 2


def test_what_is_read_after_each_write_is_compiled_once(
    profile: BusinessProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> list[object]:
        refs = order_refs_active(org_id=profile.org_id), order_refs_by_status(org_id=profile.org_id, status="ready")
        return [*refs, order_get(org_id=profile.org_id, order_id=order.pk)]

    order = OrderFactory(org=profile, lines=2, status="ready")
    expected = read()
    monkeypatch.delattr(SQLCompiler, "as_sql")
    assert read() == expected == [_refs(order), _refs(order), order]


def test_an_order_of_another_organisation_is_not_found(profile: BusinessProfile) -> None:
    order = OrderFactory()
    assert order_get(org_id=profile.org_id, order_id=order.pk) is None
    assert orders_get(org_id=profile.org_id, order_ids=[order.pk]) == []


def test_many_orders_cost_two_queries(
    profile: BusinessProfile, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    orders = [OrderFactory(org=profile, lines=2) for _ in range(5)]
    with django_assert_num_queries(2):
        found = orders_get(org_id=profile.org_id, order_ids=[order.pk for order in orders] + [uuid4()])
        assert sum(len(order.lines.all()) for order in found) == 10
        assert {order.currency for order in found} == {profile.currency}


def test_the_active_list_holds_exactly_the_orders_that_are_not_finished(profile: BusinessProfile) -> None:
    orders = [OrderFactory(org=profile, status=status) for status in Status]
    OrderFactory(status=Status.PENDING)
    expected = [order for order in reversed(orders) if order.status in ACTIVE]
    assert order_refs_active(org_id=profile.org_id) == _refs(*expected)


def test_orders_are_listed_by_status(profile: BusinessProfile) -> None:
    ready = OrderFactory(org=profile, status=Status.READY)
    OrderFactory(org=profile, status=Status.PAID)
    assert order_refs_by_status(org_id=profile.org_id, status="ready") == _refs(ready)


def test_pages_run_from_the_newest_order_to_the_oldest(profile: BusinessProfile) -> None:
    first, second, third = (OrderFactory(org=profile, placed_at=NOON + timedelta(hours=hour)) for hour in range(3))
    twin = OrderFactory(org=profile, placed_at=third.placed_at)
    assert order_refs_page(org_id=profile.org_id, page=1, page_size=3) == (4, _refs(twin, third, second))
    assert order_refs_page(org_id=profile.org_id, page=2, page_size=3) == (4, _refs(first))
    assert order_refs_page(org_id=profile.org_id, page=3, page_size=3) == (4, [])


def test_the_orders_of_a_day_are_counted_by_status(profile: BusinessProfile) -> None:
    for status in ("paid", "paid", "pending"):
        OrderFactory(org=profile, status=status)
    OrderFactory(org=profile, placed_at=NOON - timedelta(days=1))
    assert order_counts_by_status(org_id=profile.org_id, day=date(2026, 3, 14)) == {"paid": 2, "pending": 1}


def test_the_menu_is_sorted_and_of_one_organisation(profile: BusinessProfile) -> None:
    for category, name in (("Mains", "Pie"), ("Drinks", "Tea"), ("Drinks", "Ale")):
        MenuItemFactory(org=profile, category=category, name=name)
    MenuItemFactory()
    assert [item.name for item in menu_items(org_id=profile.org_id)] == ["Ale", "Tea", "Pie"]


class Meanwhile:
    """Lets somebody write between the query of orders and the query of their lines, a number of times."""

    def __init__(self, write: Callable[[], object], times: int) -> None:
        self._write = write
        self.times = times

    def __call__(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if self.times and sql.startswith("SELECT") and 'FROM "orders_orderline"' in sql:
            times, self.times = self.times, 0
            self._write()
            self.times = times - 1
        return execute(sql, *rest)


class TestOneMoment:
    @pytest.fixture
    def order(self, profile: BusinessProfile) -> Order:
        return OrderFactory(org=profile, lines=1)

    def write(self, order: Order) -> None:
        """Raise discount and quantity together, by one."""
        OrderLine.objects.filter(order=order).update(quantity=F("quantity") + 1)
        Order.objects.filter(pk=order.pk).update(discount=F("discount") + 1)

    def test_an_order_changed_between_the_queries_is_read_again(self, order: Order) -> None:
        meanwhile = Meanwhile(lambda: self.write(order), times=2)
        with connection.execute_wrapper(meanwhile):
            found = order_get(org_id=order.org_id, order_id=order.pk)
        assert found is not None
        assert (found.discount, [line.quantity for line in found.lines.all()]) == (2, [3])
        assert meanwhile.times == 0

    def test_under_writes_without_end_it_gives_up_and_answers(self, order: Order) -> None:
        with connection.execute_wrapper(Meanwhile(lambda: self.write(order), times=100)):
            found = order_get(org_id=order.org_id, order_id=order.pk)
        assert found is not None
        assert found.pk == order.pk
