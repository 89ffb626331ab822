"""The demo data is whole: bills, payments and ledgers agree, and the pages have something to show."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import authenticate
from django.db import connection
from django.db.models import Sum

from billing.models import Bill, Customer, LedgerEntry, Payment
from billing.selectors import customer_balance
from orders.models import Order
from orders.pricing import TaxRule, bill_total
from orders.statuses import ACTIVE, Status
from restaurant.demo.services import ORDERS_EACH, demo_load
from restaurant.profiles.models import BusinessProfile, Membership
from tests.factories import NOON, BusinessProfileFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make fewer orders, where their number does not matter."""
    monkeypatch.setattr("restaurant.demo.services.ORDERS_EACH", 50)


def orders_as_told() -> list[tuple[Any, ...]]:
    orders = Order.objects.order_by("org_id", "number")
    return list(orders.values_list("org_id", "number", "status", "placed_at", "service", "customer_phone", "discount"))


def test_each_restaurant_has_its_orders_and_some_are_active() -> None:
    demo_load(now=NOON)

    for profile in BusinessProfile.objects.all():
        assert profile.orders.count() == ORDERS_EACH
        assert set(profile.orders.filter(status__in=ACTIVE).values_list("status", flat=True)) == set(ACTIVE)
    assert BusinessProfile.objects.count() == 3


def test_orders_were_placed_while_open_in_the_last_two_weeks(few: None) -> None:
    demo_load(now=NOON)

    assert not Order.objects.exclude(placed_at__range=(NOON - timedelta(days=15), NOON)).exists()
    for order in Order.objects.filter(status=Status.PAID).select_related("org"):
        local = order.placed_at.astimezone(ZoneInfo(order.org.time_zone))
        spans = order.org.hours_on(local.date())
        assert any(opens <= f"{local:%H:%M}" <= closes for opens, closes in spans)


def test_bills_are_what_the_lines_cost_and_paid_orders_are_paid_in_full(few: None) -> None:
    demo_load(now=NOON)

    for bill in Bill.objects.select_related("org", "order").prefetch_related("order__lines", "payments"):
        totals = bill_total(lines=bill.order.lines.all(), discount=bill.order.discount, rule=TaxRule.of(bill.org))
        assert (bill.subtotal, bill.discount, bill.tax, bill.total) == totals
        paid = sum((payment.amount for payment in bill.payments.all()), Decimal(0))
        assert (paid == bill.total) == (bill.order.status == Status.PAID)
    assert Bill.objects.filter(discount__gt=0).exists()
    assert not Order.objects.filter(status=Status.PAID, bill=None).exists()


def test_balances_follow_from_what_was_billed_and_paid() -> None:
    demo_load(now=NOON)
    if connection.vendor == "postgresql":
        # It may remember an empty table, and would join by trying every row with every other for minutes.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    for customer in Customer.objects.all():
        bills = Bill.objects.filter(order__customer_phone=customer.phone)
        billed = bills.aggregate(total=Sum("total"))["total"] or Decimal(0)
        received = Payment.objects.filter(bill__in=bills).exclude(method=Payment.Method.ACCOUNT)
        paid = received.aggregate(total=Sum("amount"))["total"] or Decimal(0)
        on_account = LedgerEntry.objects.filter(customer=customer, order=None).aggregate(total=Sum("amount"))["total"]
        balance = customer_balance(org_id=customer.org_id, phone=customer.phone)
        assert balance == billed - paid + (on_account or Decimal(0))
    assert LedgerEntry.objects.filter(order=None).exists()


def test_the_orders_are_the_same_each_time(few: None) -> None:
    demo_load(now=NOON)
    first = orders_as_told()

    demo_load(now=NOON)

    assert orders_as_told() == first


def test_there_is_a_user_for_each_role_who_can_sign_in_and_gets_a_new_password_each_time(few: None) -> None:
    before = demo_load(now=NOON)
    users = demo_load(now=NOON)

    assert [user.role for user in users] == list(Membership.Role.values)
    for user in users:
        account = authenticate(username=user.username, password=user.password)
        assert account is not None
        assert set(Membership.objects.filter(user=account).values_list("role", flat=True)) == {user.role}
    assert {user.password for user in users}.isdisjoint(user.password for user in before)


def test_other_organisations_stay_as_they_are(few: None) -> None:
    other = BusinessProfileFactory()

    demo_load(now=NOON)

    other.refresh_from_db()
    assert BusinessProfile.objects.count() == 4
