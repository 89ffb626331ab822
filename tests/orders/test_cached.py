"""Cached orders and their lists: what they hold, and that no write of an order or a line leaves an old copy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from caching import Region, Snapshot
from caching.snapshots import encode
from orders.cached import (
    MAX_PAGE,
    OrderLineSnapshot,
    OrderSnapshot,
    active_orders,
    order,
    orders_by_status,
    orders_page,
)
from orders.models import Order, OrderLine
from orders.services import LineDraft, order_change_status, order_create, order_update
from orders.statuses import ACTIVE, Status
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.services import profile_update
from tests.factories import NOON, BusinessProfileFactory, MenuItemFactory, OrderFactory, OrderLineFactory
from tests.freshness import assert_fresh_after, assert_hit, assert_untouched_by
from tests.snapshots import rendered_by_drf, snapshots

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def placed() -> Order:
    """A pending order of two lines, 10.00 each."""
    return OrderFactory(lines=2)


def key_of(region: Region[Any], row: Order) -> tuple[Any, ...]:
    """Return the key under which the region shows a pending order."""
    parts: dict[str, tuple[Any, ...]] = {
        "order": (row.pk,),
        "active_orders": (),
        "orders_by_status": ("pending",),
        "orders_page": (1, 20),
    }
    return (row.org_id, *parts[region.name])


REGIONS = pytest.mark.parametrize(
    "region", [order, active_orders, orders_by_status, orders_page], ids=lambda region: region.name
)
LISTS = pytest.mark.parametrize(
    "region", [active_orders, orders_by_status, orders_page], ids=lambda region: region.name
)


def _order_service(row: Order) -> None:
    order_update(org_id=row.org_id, order_id=row.pk, changes={"notes": "no onions"})


def _order_save(row: Order) -> None:
    row.notes = "no onions"
    row.save(update_fields=["notes"])


def _order_queryset(row: Order) -> None:
    Order.objects.filter(pk=row.pk).update(notes="no onions")


def _order_bulk(row: Order) -> None:
    row.notes = "no onions"
    Order.objects.bulk_update([row], ["notes"])


def _line_service(row: Order) -> None:
    order_update(org_id=row.org_id, order_id=row.pk, lines_added=[LineDraft(MenuItemFactory(org=row.org).pk)])


def _line_save(row: Order) -> None:
    line = row.lines.all()[0]
    line.quantity = 7
    line.save()


def _line_queryset(row: Order) -> None:
    OrderLine.objects.filter(order=row).update(quantity=7)


def _line_bulk_update(row: Order) -> None:
    lines = list(row.lines.all())
    for line in lines:
        line.quantity = 7
    OrderLine.objects.bulk_update(lines, ["quantity"])


def _line_bulk_create(row: Order) -> None:
    OrderLine.objects.bulk_create([OrderLineFactory.build(order=row, org=row.org, item=None, item_name="Soup")])


def _line_delete(row: Order) -> None:
    row.lines.all()[0].delete()


def _lines_delete(row: Order) -> None:
    OrderLine.objects.filter(order=row).delete()


CHANGES = pytest.mark.parametrize(
    "change",
    [
        _order_service,
        _order_save,
        _order_queryset,
        _order_bulk,
        _line_service,
        _line_save,
        _line_queryset,
        _line_bulk_update,
        _line_bulk_create,
        _line_delete,
        _lines_delete,
    ],
)


class TestFreshness:
    @REGIONS
    @CHANGES
    def test_a_changed_order_or_line_is_read_anew(
        self, region: Region[Any], change: Callable[[Order], None], placed: Order
    ) -> None:
        assert_fresh_after(lambda: change(placed), region, *key_of(region, placed))

    @REGIONS
    @pytest.mark.parametrize("change", [_order_queryset, _line_queryset, _line_bulk_create])
    def test_with_redis_too(
        self, redis: Any, region: Region[Any], change: Callable[[Order], None], placed: Order
    ) -> None:
        assert_fresh_after(lambda: change(placed), region, *key_of(region, placed))

    @REGIONS
    def test_a_deleted_order_is_gone(self, region: Region[Any], placed: Order) -> None:
        assert_fresh_after(placed.delete, region, *key_of(region, placed))
        other = OrderFactory(org=placed.org)
        assert_fresh_after(Order.objects.filter(pk=other.pk).delete, region, *key_of(region, other))

    @LISTS
    def test_a_new_order_appears(self, region: Region[Any], placed: Order) -> None:
        item = MenuItemFactory(org=placed.org)
        _, after = assert_fresh_after(
            lambda: order_create(org_id=placed.org_id, lines=[LineDraft(item.pk)], service="takeaway"),
            region,
            *key_of(region, placed),
        )
        assert after.count == 2
        _, after = assert_fresh_after(
            lambda: Order.objects.bulk_create([OrderFactory.build(org=placed.org, placed_on=NOON.date())]),
            region,
            *key_of(region, placed),
        )
        assert after.count == 3

    def test_a_missing_order_is_found_once_created(self, placed: Order) -> None:
        new_id = uuid4()
        assert_fresh_after(lambda: OrderFactory(id=new_id, org=placed.org), order, placed.org_id, new_id)

    def test_a_moved_order_leaves_one_status_list_for_the_other(self, placed: Order) -> None:
        org = placed.org_id
        assert orders_by_status.get(org, "confirmed").count == 0
        before, after = assert_fresh_after(
            lambda: order_change_status(org_id=org, order_id=placed.pk, status="confirmed"),
            orders_by_status,
            org,
            "pending",
        )
        assert (before.count, after.count) == (1, 0)
        assert [each.id for each in orders_by_status.get(org, "confirmed").results] == [placed.pk]

    @REGIONS
    def test_another_currency_rounds_anew(self, region: Region[Any], placed: Order) -> None:
        assert_fresh_after(
            lambda: profile_update(org_id=placed.org_id, updates={"currency": "JPY"}), region, *key_of(region, placed)
        )

    @REGIONS
    def test_other_fields_of_the_profile_and_other_organisations_orders_change_nothing(
        self, region: Region[Any], placed: Order
    ) -> None:
        BusinessProfile.objects.filter(pk=placed.org_id).update(name="Another name")
        assert_untouched_by(OrderFactory, region, *key_of(region, placed))
        assert_untouched_by(
            lambda: profile_update(org_id=placed.org_id, updates={"name": "Name"}), region, *key_of(region, placed)
        )


class TestCost:
    def test_one_changed_order_of_a_long_list_is_the_only_one_read_again(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        profile = BusinessProfileFactory()
        rows = [OrderFactory(org=profile, lines=1) for _ in range(10)]
        with django_assert_num_queries(3):  # the list, all orders with the currency, all lines
            active_orders.get(profile.pk)
        Order.objects.filter(pk=rows[3].pk).update(notes="no onions")
        with CaptureQueriesContext(connection) as queries:
            listing = active_orders.get(profile.pk)
        assert len(queries) == 3
        asked = " ".join(query["sql"] for query in queries)
        assert [row.pk for row in rows if row.pk.hex in asked] == [rows[3].pk]
        assert listing.count == 10

    def test_orders_of_several_organisations_are_loaded_together(self) -> None:
        rows = [OrderFactory(lines=1), OrderFactory(lines=1)]
        names = [(row.org_id, row.pk) for row in rows]
        missing = (rows[0].org_id, rows[1].pk)
        found = order.get_many([*names, missing, ("nowhere", rows[0].pk)])
        assert [found[name] and found[name].id for name in names] == [row.pk for row in rows]
        assert found[missing] is None
        assert found["nowhere", rows[0].pk] is None


class TestContent:
    def test_an_order_holds_its_fields_and_lines_in_the_currencys_places(self) -> None:
        row = OrderFactory(
            org__currency="GBP", discount=Decimal(1), customer_name="Ann", customer_phone="+447700900001"
        )
        second = OrderLineFactory(order=row, position=1, quantity=3, unit_price=Decimal("2.5"), options=["hot"])
        first = OrderLineFactory(order=row, position=0, item=None, item_name="Soup")
        row.refresh_from_db()
        copy = order.get(row.org_id, row.pk)
        assert copy is not None
        for name in set(OrderSnapshot.__struct_fields__) - {"currency", "subtotal", "lines"}:
            assert getattr(copy, name) == getattr(row, name), name
        assert (copy.currency, str(copy.subtotal), str(copy.discount)) == ("GBP", "17.50", "1.00")
        assert [line.id for line in copy.lines] == [first.pk, second.pk]
        assert copy.lines[0].item_id is None
        line = copy.lines[1]
        assert (line.item_id, line.options, line.quantity) == (second.item_id, ("hot",), 3)
        assert (str(line.unit_price), str(line.line_total)) == ("2.50", "7.50")

    def test_the_active_list_holds_what_is_neither_paid_nor_cancelled(self) -> None:
        profile = BusinessProfileFactory()
        for status in Status:
            OrderFactory(org=profile, status=status)
        OrderFactory()
        listing = active_orders.get(profile.pk)
        assert {each.status for each in listing.results} == set(ACTIVE)
        assert listing.count == len(ACTIVE)

    def test_pages_run_from_the_newest_and_tell_how_many_there_are(self) -> None:
        profile = BusinessProfileFactory()
        ids = [OrderFactory(org=profile, placed_at=NOON - timedelta(hours=hours)).pk for hours in range(5)]
        shown: list[UUID] = []
        for page in (1, 2, 3, 4):
            listing = orders_page.get(profile.pk, page, 2)
            assert listing.count == 5
            shown += [each.id for each in listing.results]
        assert shown == ids

    def test_an_unknown_organisation_has_empty_lists(self) -> None:
        assert active_orders.get("nowhere").results == ()
        assert orders_by_status.get("nowhere", "paid").results == ()
        assert orders_page.get("nowhere", 1, 20).count == 0

    @pytest.mark.parametrize(
        ("page", "page_size", "message"),
        [
            (0, 20, "numbered from 1"),
            (-1, 20, "numbered from 1"),
            (MAX_PAGE + 1, 20, "numbered from 1"),
            (1, 0, "holds 1 to 100"),
            (1, 101, "holds 1 to 100"),
        ],
    )
    def test_a_page_that_cannot_be_is_refused(self, page: int, page_size: int, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            orders_page.get("org", page, page_size)

    def test_a_status_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ValueError, match="lost"):
            orders_by_status.get("org", "lost")

    @pytest.mark.parametrize("kind", [OrderSnapshot, OrderLineSnapshot])
    @settings(max_examples=50, print_blob=True)
    @given(data=st.data())
    def test_the_json_is_what_the_rest_framework_sends(self, kind: type[Snapshot], data: st.DataObject) -> None:
        snapshot = data.draw(snapshots(kind))
        assert encode(snapshot) == rendered_by_drf(snapshot)


class TestWarming:
    def test_active_orders_and_their_lists_are_loaded(self, placed: Order) -> None:
        paid = OrderFactory(org=placed.org, status=Status.PAID)
        org = placed.org_id
        assert sum(order.warm([org])) == 1
        assert sum(active_orders.warm()) == 1
        assert sum(orders_by_status.warm([org])) == len(ACTIVE)
        assert sum(orders_page.warm([org])) == 1
        assert_hit(lambda: order.get(org, placed.pk))
        assert_hit(lambda: active_orders.get(org))
        assert_hit(lambda: orders_by_status.get(org, "pending"))
        page = assert_hit(lambda: orders_page.get(org, 1, 20))
        assert {each.id for each in page.results} == {placed.pk, paid.pk}
