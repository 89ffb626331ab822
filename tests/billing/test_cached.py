"""Cached bills, summaries and balances: what they hold, and that no write leaves an old amount."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.cached import (
    CustomerBalance,
    DaySummary,
    OrderBill,
    OrdersByStatus,
    PaymentsByMethod,
    bill_total,
    billing_summary,
    customer_balance,
)
from billing.models import Bill, Customer, LedgerEntry, Payment
from billing.selectors import customer_phones_recent
from billing.services import bill_issue, customer_update, ledger_append, order_pay, order_refund
from caching import Snapshot
from caching.snapshots import encode
from orders.exceptions import DiscountError
from orders.models import Order, OrderLine
from orders.services import order_change_status, order_update
from orders.statuses import Status
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.services import profile_update
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
from tests.freshness import assert_fresh_after, assert_hit, assert_untouched_by
from tests.snapshots import rendered_by_drf, snapshots

pytestmark = pytest.mark.django_db(transaction=True)

DAY = date(2026, 3, 14)
PHONE = "+447700900001"
OTHER_PHONE = "+447700900002"


@pytest.fixture
def ready() -> Order:
    """An order of 20.00 plus 20 % tax, ready, of a guest with a phone number."""
    return OrderFactory(lines=2, status=Status.READY, customer_phone=PHONE)


def _discount_service(row: Order) -> None:
    order_update(org_id=row.org_id, order_id=row.pk, changes={"discount": Decimal(5)})


def _discount_save(row: Order) -> None:
    row.discount = Decimal(5)
    row.save()


def _discount_queryset(row: Order) -> None:
    Order.objects.filter(pk=row.pk).update(discount=5)


def _discount_bulk(row: Order) -> None:
    row.discount = Decimal(5)
    Order.objects.bulk_update([row], ["discount"])


def _line_queryset(row: Order) -> None:
    OrderLine.objects.filter(order=row).update(unit_price="3.00")


def _line_bulk_create(row: Order) -> None:
    OrderLine.objects.bulk_create([OrderLineFactory.build(order=row, org=row.org, item=None, item_name="Soup")])


def _line_delete(row: Order) -> None:
    row.lines.all()[0].delete()


def _line_to_another_order(row: Order) -> None:
    line = row.lines.all()[0]
    line.order = OrderFactory(org=row.org)
    line.save()


def _tax_rate(row: Order) -> None:
    profile_update(org_id=row.org_id, updates={"tax_rate": Decimal(10)})


def _tax_included(row: Order) -> None:
    BusinessProfile.objects.filter(pk=row.org_id).update(prices_include_tax=True)


def _currency(row: Order) -> None:
    profile_update(org_id=row.org_id, updates={"currency": "JPY"})


class TestBillTotal:
    def test_the_specifications_own_case_comes_out_exactly(self) -> None:
        row = OrderFactory(
            org__tax_rate=Decimal(17), org__tax_on=BusinessProfile.TaxOn.SUBTOTAL, discount=Decimal("50.00")
        )
        OrderLineFactory(order=row, quantity=4, unit_price=Decimal("250.00"))
        assert encode(bill_total.get(row.org_id, row.pk)) == (
            b'{"subtotal":"1000.00","discount":"50.00","tax":"170.00","total":"1120.00"}'
        )

    @pytest.mark.parametrize(
        "change",
        [
            _discount_service,
            _discount_save,
            _discount_queryset,
            _discount_bulk,
            _line_queryset,
            _line_bulk_create,
            _line_delete,
            _line_to_another_order,
            _tax_rate,
            _tax_included,
            _currency,
        ],
    )
    def test_whatever_changes_the_price_changes_the_total(
        self, tiers: str, change: Callable[[Order], None], ready: Order
    ) -> None:
        assert_fresh_after(lambda: change(ready), bill_total, ready.org_id, ready.pk)

    def test_the_tax_rule_changes_the_total_of_a_discounted_order(self, ready: Order) -> None:
        _discount_save(ready)
        assert_fresh_after(
            lambda: profile_update(org_id=ready.org_id, updates={"tax_on": "discounted"}),
            bill_total,
            ready.org_id,
            ready.pk,
        )

    def test_an_issued_bill_stands_whatever_the_tax_becomes(self, ready: Order) -> None:
        bill_issue(org_id=ready.org_id, order_id=ready.pk)
        billed = bill_total.get(ready.org_id, ready.pk)
        _tax_rate(ready)
        assert bill_total.get(ready.org_id, ready.pk) == billed

    def test_a_bill_written_in_bulk_replaces_the_computed_total(self, ready: Order) -> None:
        bill = BillFactory.build(org=ready.org, order=ready, total=Decimal(7))
        _, after = assert_fresh_after(lambda: Bill.objects.bulk_create([bill]), bill_total, ready.org_id, ready.pk)
        assert str(after.total) == "7.00"
        assert_fresh_after(Bill.objects.filter(pk=bill.pk).delete, bill_total, ready.org_id, ready.pk)

    def test_a_deleted_order_costs_nothing_any_more(self, ready: Order) -> None:
        _, after = assert_fresh_after(ready.delete, bill_total, ready.org_id, ready.pk)
        assert after is None

    def test_another_status_leaves_the_total_cached(self, ready: Order) -> None:
        assert_untouched_by(
            lambda: order_change_status(org_id=ready.org_id, order_id=ready.pk, status="served"),
            bill_total,
            ready.org_id,
            ready.pk,
        )

    def test_a_discount_greater_than_the_order_is_refused_and_not_cached(self, ready: Order) -> None:
        Order.objects.filter(pk=ready.pk).update(discount=100)
        for _ in range(2):
            with pytest.raises(DiscountError):
                bill_total.get(ready.org_id, ready.pk)
        _discount_queryset(ready)
        assert bill_total.get(ready.org_id, ready.pk) is not None


def _pay(row: Order) -> None:
    order_pay(org_id=row.org_id, order_id=row.pk, method="cash", idempotency_key="pay", at=NOON)


class TestSummary:
    def test_it_holds_the_days_orders_bills_and_payments(self, ready: Order) -> None:
        _pay(ready)
        order_refund(
            org_id=ready.org_id,
            order_id=ready.pk,
            method="cash",
            amount=Decimal("1.50"),
            idempotency_key="back",
            at=NOON,
        )
        OrderFactory(org=ready.org, status=Status.CANCELLED)
        OrderFactory(org=ready.org, placed_at=NOON - timedelta(days=1))
        assert billing_summary.get(ready.org_id, DAY) == DaySummary(
            org_id=ready.org_id,
            day=DAY,
            currency="GBP",
            orders_placed=2,
            orders_by_status=OrdersByStatus(paid=1, cancelled=1),
            bills_issued=1,
            subtotal=Decimal("20.00"),
            discount=Decimal("0.00"),
            tax=Decimal("4.00"),
            total=Decimal("24.00"),
            payments_by_method=PaymentsByMethod(
                cash=Decimal("24.00"),
                card=Decimal("0.00"),
                online=Decimal("0.00"),
                voucher=Decimal("0.00"),
                account=Decimal("0.00"),
            ),
            payments=Decimal("24.00"),
            refunds=Decimal("1.50"),
        )

    def test_it_names_every_status_and_every_method(self) -> None:
        assert OrdersByStatus.__struct_fields__ == tuple(Status.values)
        assert PaymentsByMethod.__struct_fields__ == tuple(Payment.Method.values)

    @pytest.mark.parametrize(
        "change",
        [
            lambda row: order_change_status(org_id=row.org_id, order_id=row.pk, status="served"),
            lambda row: Order.objects.filter(pk=row.pk).update(status="served"),
            lambda row: Order.objects.filter(pk=row.pk).update(placed_on=DAY + timedelta(days=1)),
            lambda row: Order.objects.bulk_create([OrderFactory.build(org=row.org, placed_on=DAY)]),
            lambda row: row.delete(),
            lambda row: BillFactory(org=row.org, order=row),
            lambda row: Bill.objects.bulk_create([BillFactory.build(org=row.org, order=row)]),
            _pay,
            _currency,
        ],
    )
    def test_whatever_happens_on_the_day_shows(
        self, tiers: str, change: Callable[[Order], object], ready: Order
    ) -> None:
        assert_fresh_after(lambda: change(ready), billing_summary, ready.org_id, DAY)

    def test_an_order_in_bulk_shows(self, ready: Order) -> None:
        ready.status = Status.CANCELLED
        assert_fresh_after(lambda: Order.objects.bulk_update([ready], ["status"]), billing_summary, ready.org_id, DAY)

    def test_payments_show_on_the_day_they_were_received_and_bills_on_the_day_of_issue(self, ready: Order) -> None:
        bill = BillFactory(org=ready.org, order=ready)
        tomorrow = DAY + timedelta(days=1)
        payment = PaymentFactory.build(bill=bill, org=ready.org, received_on=tomorrow)
        assert_fresh_after(lambda: Payment.objects.bulk_create([payment]), billing_summary, ready.org_id, tomorrow)
        assert_fresh_after(Payment.objects.filter(pk=payment.pk).delete, billing_summary, ready.org_id, tomorrow)
        assert_fresh_after(Bill.objects.filter(pk=bill.pk).delete, billing_summary, ready.org_id, DAY)

    def test_an_unknown_organisation_has_none_until_it_is_created(self) -> None:
        assert_fresh_after(lambda: BusinessProfileFactory(org_id="new"), billing_summary, "new", DAY)


class TestBalance:
    def test_it_is_the_sum_of_the_ledger_in_the_currencys_places(self) -> None:
        customer = CustomerFactory()
        for amount in ("10.00", "-4.50", "0.25"):
            LedgerEntryFactory(customer=customer, amount=Decimal(amount))
        balance = customer_balance.get(customer.org_id, customer.phone)
        assert balance == CustomerBalance(
            customer_id=customer.pk, phone=customer.phone, balance=Decimal("5.75"), currency="GBP"
        )
        assert str(balance.balance) == "5.75"

    @pytest.mark.parametrize(
        "change",
        [
            lambda customer: ledger_append(
                org_id=customer.org_id,
                customer_id=customer.pk,
                kind=LedgerEntry.Kind.CHARGE,
                amount=Decimal(3),
                idempotency_key="more",
            ),
            lambda customer: LedgerEntry.objects.bulk_create(
                [LedgerEntryFactory.build(customer=customer, org=customer.org)]
            ),
            lambda customer: LedgerEntry.objects.filter(customer=customer).delete(),
            lambda customer: profile_update(org_id=customer.org_id, updates={"currency": "JPY"}),
        ],
    )
    def test_a_transaction_changes_it(self, tiers: str, change: Callable[[Customer], object]) -> None:
        customer = LedgerEntryFactory().customer
        assert_fresh_after(lambda: change(customer), customer_balance, customer.org_id, customer.phone)

    def test_paying_an_order_on_account_and_refunding_it_change_it(self, ready: Order) -> None:
        name = (ready.org_id, PHONE)
        pay = {"org_id": ready.org_id, "order_id": ready.pk, "method": "account"}
        _, after = assert_fresh_after(lambda: order_pay(**pay, idempotency_key="1"), customer_balance, *name)
        assert str(after.balance) == "24.00"
        _, after = assert_fresh_after(
            lambda: order_refund(**pay, amount=Decimal(4), idempotency_key="2"), customer_balance, *name
        )
        assert str(after.balance) == "20.00"

    @pytest.mark.parametrize(
        "change",
        [
            lambda customer: customer_update(
                org_id=customer.org_id, customer_id=customer.pk, changes={"phone": OTHER_PHONE}
            ),
            lambda customer: Customer.objects.filter(pk=customer.pk).update(phone=OTHER_PHONE),
            lambda customer: Customer.objects.bulk_update([_with_phone(customer)], ["phone"]),
            lambda customer: _with_phone(customer).save(),
        ],
    )
    def test_a_changed_phone_number_moves_the_balance(self, tiers: str, change: Callable[[Customer], object]) -> None:
        customer = LedgerEntryFactory(customer__phone=PHONE).customer
        assert customer_balance.get(customer.org_id, OTHER_PHONE) is None
        _, after = assert_fresh_after(lambda: change(customer), customer_balance, customer.org_id, PHONE)
        assert after is None
        moved = customer_balance.get(customer.org_id, OTHER_PHONE)
        assert moved is not None
        assert moved.customer_id == customer.pk

    def test_a_new_customer_owes_nothing_and_a_deleted_one_is_unknown(self) -> None:
        org = BusinessProfileFactory()
        _, after = assert_fresh_after(lambda: CustomerFactory(org=org, phone=PHONE), customer_balance, org.pk, PHONE)
        assert str(after.balance) == "0.00"
        assert_fresh_after(Customer.objects.get(phone=PHONE).delete, customer_balance, org.pk, PHONE)
        rows = [Customer(org=org, phone=OTHER_PHONE)]
        assert_fresh_after(lambda: Customer.objects.bulk_create(rows), customer_balance, org.pk, OTHER_PHONE)

    def test_another_customers_transaction_leaves_it_cached(self) -> None:
        entry = LedgerEntryFactory()
        other = CustomerFactory(org=entry.org)
        assert_untouched_by(
            lambda: LedgerEntryFactory(customer=other), customer_balance, entry.org_id, entry.customer.phone
        )

    def test_one_phone_number_in_two_organisations_is_two_balances(self) -> None:
        first = LedgerEntryFactory(customer__phone=PHONE)
        second = LedgerEntryFactory(customer__phone=PHONE, amount=Decimal(2))
        found = customer_balance.get_many([(first.org_id, PHONE), (second.org_id, PHONE), ("nowhere", PHONE)])
        assert [each and each.balance for each in found.values()] == [Decimal(10), Decimal(2), None]


class TestWarming:
    def test_bills_of_active_orders_are_loaded(self, ready: Order) -> None:
        OrderFactory(org=ready.org, status=Status.PAID)
        assert sum(bill_total.warm([ready.org_id])) == 1
        assert_hit(lambda: bill_total.get(ready.org_id, ready.pk))

    def test_todays_summary_is_loaded_in_each_organisations_own_time_zone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(timezone, "now", lambda: NOON.replace(hour=23))
        west = BusinessProfileFactory(time_zone="America/New_York")
        east = BusinessProfileFactory(time_zone="Asia/Tokyo")
        assert sum(billing_summary.warm()) == 2
        assert assert_hit(lambda: billing_summary.get(west.pk, DAY)).day == DAY
        tomorrow = DAY + timedelta(days=1)
        assert assert_hit(lambda: billing_summary.get(east.pk, tomorrow)).day == tomorrow

    def test_balances_that_changed_last_are_loaded(self) -> None:
        old = LedgerEntryFactory(created_at=NOON)
        new = LedgerEntryFactory(customer__org=old.org, created_at=NOON + timedelta(hours=1))
        CustomerFactory(org=old.org)
        org = old.org_id
        assert customer_phones_recent(org_id=org, limit=1) == [new.customer.phone]
        assert customer_phones_recent(org_id=org, limit=9) == [new.customer.phone, old.customer.phone]
        assert sum(customer_balance.warm([org])) == 2
        assert_hit(lambda: customer_balance.get(org, old.customer.phone))


@pytest.mark.parametrize("kind", [OrderBill, DaySummary, CustomerBalance])
@settings(max_examples=50, print_blob=True)
@given(data=st.data())
def test_the_json_is_what_the_rest_framework_sends(kind: type[Snapshot], data: st.DataObject) -> None:
    snapshot = data.draw(snapshots(kind))
    assert encode(snapshot) == rendered_by_drf(snapshot)


def test_money_is_declared_as_such() -> None:
    assert all(region.money for region in (bill_total, billing_summary, customer_balance))


def _with_phone(customer: Customer) -> Customer:
    customer.phone = OTHER_PHONE
    return customer
