"""Bills, balances and summaries are read from the books, exact to the currency's places."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from billing.selectors import (
    bill_get,
    bill_total_get,
    billing_summary,
    customer_balance,
    customer_get,
    ledger_of_customer,
)
from orders.pricing import BillTotal
from orders.statuses import Status
from tests.factories import (
    NOON,
    BillFactory,
    BusinessProfileFactory,
    CustomerFactory,
    LedgerEntryFactory,
    OrderFactory,
    OrderLineFactory,
    PaymentFactory,
)

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 14)


def _amounts(*texts: str) -> BillTotal:
    return BillTotal(*(Decimal(text) for text in texts))


class TestBills:
    def test_before_billing_the_total_follows_the_lines_and_the_present_rule(self) -> None:
        order = OrderFactory(discount=Decimal(50), org__tax_rate=Decimal(17))
        OrderLineFactory(order=order, quantity=10, unit_price=Decimal(100))
        assert bill_total_get(org_id=order.org_id, order_id=order.pk) == _amounts(
            "1000.00", "50.00", "170.00", "1120.00"
        )

    def test_after_billing_the_total_is_what_the_bill_says(self) -> None:
        bill = BillFactory(order__org__tax_rate=Decimal(99))
        total = bill_total_get(org_id=bill.org_id, order_id=bill.order_id)
        assert total is not None
        assert [str(part) for part in total] == ["10.00", "0.00", "0.00", "10.00"]

    def test_another_organisations_order_has_no_total_and_no_bill(self) -> None:
        bill, stranger = BillFactory(), BusinessProfileFactory()
        assert bill_total_get(org_id=stranger.org_id, order_id=bill.order_id) is None
        assert bill_get(org_id=stranger.org_id, order_id=bill.order_id) is None
        assert bill_total_get(org_id="nowhere", order_id=bill.order_id) is None

    def test_a_bill_comes_with_its_payments(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        payment = PaymentFactory()
        with django_assert_num_queries(2):
            bill = bill_get(org_id=payment.org_id, order_id=payment.bill.order_id)
            assert bill is not None
            assert list(bill.payments.all()) == [payment]


class TestSummary:
    def test_a_day_adds_up_orders_bills_and_money(self) -> None:
        profile = BusinessProfileFactory()
        OrderFactory(org=profile, status=Status.PENDING)
        bill = BillFactory(order__org=profile, discount=Decimal("1.00"), tax=Decimal("1.80"))
        PaymentFactory(bill=bill, amount=Decimal("6.80"), method="card")
        PaymentFactory(bill=bill, amount=Decimal("2.00"))
        PaymentFactory(bill=bill, amount=Decimal("2.00"))
        PaymentFactory(bill=bill, amount=Decimal("-0.50"))
        summary = billing_summary(org_id=profile.org_id, day=DAY)
        assert summary is not None
        assert (summary.org_id, summary.day, summary.currency) == (profile.org_id, DAY, "GBP")
        assert (summary.orders_placed, summary.orders_by_status) == (2, {"pending": 1, "served": 1})
        assert summary.bills_issued == 1
        assert [str(amount) for amount in (summary.subtotal, summary.discount, summary.tax, summary.total)] == [
            "10.00",
            "1.00",
            "1.80",
            "10.80",
        ]
        assert summary.payments_by_method == {"card": Decimal("6.80"), "cash": Decimal("4.00")}
        assert (summary.payments, summary.refunds) == (Decimal("10.80"), Decimal("0.50"))

    def test_a_day_without_business_is_all_zeros_in_the_currencys_places(self) -> None:
        summary = billing_summary(org_id=BusinessProfileFactory(currency="KWD").org_id, day=DAY)
        assert summary is not None
        assert (summary.orders_placed, summary.bills_issued, summary.payments_by_method) == (0, 0, {})
        assert str(summary.total) == str(summary.payments) == str(summary.refunds) == "0.000"

    def test_other_days_organisations_and_currencies_do_not_count(self) -> None:
        profile = BusinessProfileFactory()
        PaymentFactory()
        PaymentFactory(bill=BillFactory(order__org=profile, currency="EUR"))
        PaymentFactory(
            bill=BillFactory(order__org=profile, issued_at=NOON + timedelta(days=1)),
            received_at=NOON + timedelta(days=1),
        )
        summary = billing_summary(org_id=profile.org_id, day=DAY)
        assert summary is not None
        assert (summary.bills_issued, summary.payments) == (0, 0)

    def test_an_unknown_organisation_has_no_summary(self) -> None:
        assert billing_summary(org_id="nowhere", day=DAY) is None


class TestAccounts:
    def test_the_balance_is_the_sum_of_the_ledger(self) -> None:
        customer = CustomerFactory()
        for amount in ("10.00", "-4.50", "0.25"):
            LedgerEntryFactory(customer=customer, amount=Decimal(amount))
        LedgerEntryFactory(customer__org=customer.org)
        assert str(customer_balance(org_id=customer.org_id, phone=customer.phone)) == "5.75"

    def test_a_customer_without_entries_owes_nothing_and_nobody_has_no_balance(self) -> None:
        customer = CustomerFactory()
        assert str(customer_balance(org_id=customer.org_id, phone=customer.phone)) == "0.00"
        assert customer_balance(org_id=BusinessProfileFactory().org_id, phone=customer.phone) is None

    def test_a_customer_is_found_by_number_within_the_organisation(self) -> None:
        customer = CustomerFactory()
        assert customer_get(org_id=customer.org_id, phone=customer.phone) == customer
        assert customer_get(org_id="nowhere", phone=customer.phone) is None

    def test_the_ledger_is_read_newest_first_with_its_orders_in_two_queries(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        customer = CustomerFactory()
        old = LedgerEntryFactory(customer=customer, order=OrderFactory(org=customer.org))
        new = LedgerEntryFactory(customer=customer, created_at=NOON + timedelta(hours=1))
        LedgerEntryFactory()
        with django_assert_num_queries(2):
            entries = list(ledger_of_customer(customer_id=customer.pk))
            assert entries == [new, old]
            assert old.order is not None
            assert entries[1].order.number == old.order.number
        assert not ledger_of_customer(customer_id=uuid4()).exists()
