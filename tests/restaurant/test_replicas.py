"""A restaurant whose reads go to a replica that lags: what is cached and what is paid know the primary alone."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from billing.models import Payment
from billing.selectors import bill_get
from billing.services import order_pay, order_refund
from orders.models import Order
from orders.selectors import orders_get
from orders.services import LineDraft, order_create
from orders.statuses import Status
from restaurant.fast_access import get_business_profile_cache, get_order_fast_access_cache
from restaurant.profiles.models import BusinessProfile
from tests.factories import (
    BusinessProfileFactory,
    CustomerFactory,
    LedgerEntryFactory,
    MenuItemFactory,
    OrderFactory,
    OrderLineFactory,
)
from tests.replicas import Replica, ReplicaRouter, replica_opened

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = "+447700900001"


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """A served order of two dishes; of the customer, and of an organisation without tax."""
    org = BusinessProfileFactory(org_id="bistro", name="old", tax_rate=Decimal(0))
    served: Order = OrderFactory(org=org, lines=2, status=Status.SERVED, customer_phone=PHONE)
    return served


@pytest.fixture(autouse=True)
def replica(tmp_path: Path, settings: Settings, order: Order) -> Iterator[Replica]:
    """A replica that knows neither the third dish, nor the customer and what they owe, nor the new name and tax."""
    with replica_opened(tmp_path / "replica.sqlite3") as opened:
        settings.DATABASE_ROUTERS = [ReplicaRouter()]
        opened.catch_up()
        OrderLineFactory(order=order, position=2, unit_price=Decimal("5.00"))
        order.save()
        LedgerEntryFactory(customer=CustomerFactory(org=order.org, phone=PHONE), amount=Decimal("7.00"))
        BusinessProfile.objects.update(name="new", tax_rate=Decimal(20))
        yield opened


def test_plain_reads_may_be_old() -> None:
    assert BusinessProfile.objects.get().name == "old"


@pytest.mark.usefixtures("tiers")
def test_nothing_that_is_cached_comes_from_the_replica(order: Order, replica: Replica) -> None:
    profiles, orders = get_business_profile_cache(), get_order_fast_access_cache()

    with replica.asked() as asked:
        for _ in range(2):
            for profile in (profiles.get_profile("bistro"), profiles.get_profile_lite("bistro")):
                assert profile is not None
                assert profile.name == "new"
            [active] = orders.get_active_orders("bistro")
            known = orders.get_order_by_id(order.pk, "bistro")
            assert known is not None
            assert len(active.lines) == len(known.lines) == 3
            balance = orders.get_customer_balance("bistro", PHONE)
            assert balance is not None
            assert balance.balance == Decimal("7.00")
            assert orders.calculate_bill_total("bistro", order.pk).total == Decimal("30.00")
            assert orders.get_billing_summary("bistro", order.placed_on).orders_placed == 1

    assert [query["sql"] for query in asked] == []


def test_money_is_reckoned_from_the_primary(order: Order, replica: Replica) -> None:
    with replica.asked() as asked:
        paid = order_pay(org_id="bistro", order_id=order.pk, method=Payment.Method.CARD, idempotency_key="till-1")
        again = order_pay(org_id="bistro", order_id=order.pk, method=Payment.Method.CARD, idempotency_key="till-1")
        back = order_refund(
            org_id="bistro",
            order_id=order.pk,
            method=Payment.Method.CASH,
            amount=Decimal("4.00"),
            idempotency_key="till-2",
        )

    assert (paid.payment.amount, paid.bill.tax, paid.is_new) == (Decimal("30.00"), Decimal("5.00"), True)
    assert (again.payment.pk, again.is_new) == (paid.payment.pk, False), "the replica does not know the payment"
    assert back.payment.amount == Decimal("-4.00")
    assert [query["sql"] for query in asked] == []


def test_an_order_is_placed_at_the_prices_of_the_primary(replica: Replica) -> None:
    dish = MenuItemFactory(org_id="bistro", org=None, price=Decimal("3.00"))
    with replica.asked() as asked:
        placed, is_new = order_create(
            org_id="bistro",
            lines=[LineDraft(item_id=dish.pk, quantity=2)],
            service=Order.Service.TAKEAWAY,
            idempotency_key="web-1",
        )
        same, is_new_again = order_create(
            org_id="bistro",
            lines=[LineDraft(item_id=dish.pk, quantity=2)],
            service=Order.Service.TAKEAWAY,
            idempotency_key="web-1",
        )

    assert (is_new, is_new_again, same.pk) == (True, False, placed.pk)
    assert [query["sql"] for query in asked] == []


def test_selectors_that_name_the_primary_take_nothing_from_the_replica(order: Order, replica: Replica) -> None:
    order_pay(org_id="bistro", order_id=order.pk, method=Payment.Method.CARD, idempotency_key="till-1")
    other = OrderFactory(org=order.org, lines=1)

    with replica.asked() as asked:
        found = orders_get(org_id="bistro", order_ids=[order.pk, other.pk], using="default")
        bill = bill_get(org_id="bistro", order_id=order.pk, using="default")
        assert bill is not None
        paid = [payment.amount for payment in bill.payments.all()]

    assert sorted(len(each.lines.all()) for each in found) == [1, 3]
    assert paid == [Decimal("30.00")]
    assert [query["sql"] for query in asked] == []
