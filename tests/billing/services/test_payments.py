"""An order is billed once, paid exactly, and never twice by one request."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from billing.exceptions import AmountError, NoCustomerError, NotPayableError
from billing.models import Bill, Customer, LedgerEntry, Payment
from billing.selectors import bill_total_get, customer_balance
from billing.services import PaymentReceipt, bill_issue, customer_update, order_pay, order_refund
from orders.exceptions import IdempotencyConflictError, OrderNotFoundError
from orders.models import Order
from orders.statuses import Status
from restaurant.profiles.services import profile_update
from tests.factories import NOON, OrderFactory

PHONE = "+442079460018"


def _order(**changes: Any) -> Order:
    """An order of 20.00, 24.00 with tax."""
    return OrderFactory(**{"status": Status.SERVED, "lines": 2} | changes)


def _pay(order: Order, amount: str | None = None, method: str = "cash", key: str = "key") -> PaymentReceipt:
    return order_pay(
        org_id=order.org_id,
        order_id=order.pk,
        method=method,
        amount=None if amount is None else Decimal(amount),
        idempotency_key=key,
    )


def _refund(order: Order, amount: str, method: str = "cash", key: str = "refund", reason: str = "") -> PaymentReceipt:
    return order_refund(
        org_id=order.org_id,
        order_id=order.pk,
        method=method,
        amount=Decimal(amount),
        idempotency_key=key,
        reason=reason,
    )


def _balance(order: Order) -> Decimal | None:
    return customer_balance(org_id=order.org_id, phone=order.customer_phone)


def _ledger() -> list[tuple[str, Decimal]]:
    return sorted(LedgerEntry.objects.values_list("kind", "amount"))


def _stored(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


@pytest.mark.django_db
class TestBilling:
    def test_a_bill_fixes_the_total_and_the_rule_it_was_made_by(self) -> None:
        order = _order(discount=Decimal("5.00"))
        bill = bill_issue(org_id=order.org_id, order_id=order.pk)
        profile_update(org_id=order.org_id, updates={"tax_rate": "50"})
        total = bill_total_get(org_id=order.org_id, order_id=order.pk)
        assert total == (bill.subtotal, bill.discount, bill.tax, bill.total) == (20, 5, 4, 19)
        assert (bill.number, bill.tax_rate, bill.currency) == (order.number, 20, "GBP")
        assert _stored(order).billed_at == bill.issued_at

    def test_a_bill_is_issued_once(self) -> None:
        order = _order()
        assert bill_issue(org_id=order.org_id, order_id=order.pk) == bill_issue(org_id=order.org_id, order_id=order.pk)
        assert Bill.objects.count() == 1

    def test_billing_charges_the_customer_the_order_names(self) -> None:
        order = _order(customer_phone=PHONE, customer_name="Ann")
        bill_issue(org_id=order.org_id, order_id=order.pk)
        assert Customer.objects.get().name == "Ann"
        assert _balance(order) == 24

    @pytest.mark.parametrize("status", [Status.PENDING, Status.CONFIRMED, Status.PREPARING, Status.CANCELLED])
    def test_an_order_that_is_not_ready_cannot_be_billed(self, status: Status) -> None:
        order = _order(status=status)
        with pytest.raises(NotPayableError, match=f"is {status}; it can be paid while it is ready or served"):
            bill_issue(org_id=order.org_id, order_id=order.pk)
        assert not Bill.objects.exists()


@pytest.mark.django_db
class TestPaying:
    @pytest.mark.parametrize("status", [Status.READY, Status.SERVED])
    def test_paying_all_bills_and_closes_the_order(self, status: Status) -> None:
        order = _order(status=status)
        receipt = _pay(order)
        assert (receipt.payment.amount, receipt.outstanding, receipt.is_new) == (24, 0, True)
        assert receipt.bill == Bill.objects.get()
        assert receipt.order.status == _stored(order).status == Status.PAID
        assert _stored(order).version != order.version

    def test_several_payments_by_several_methods_settle_a_bill(self) -> None:
        order = _order()
        assert _pay(order, "10.00", "card", "a").outstanding == 14
        assert _stored(order).status == Status.SERVED
        assert _pay(order, "4.00", "voucher", "b").outstanding == 10
        assert str(_pay(order, None, "cash", "c").outstanding) == "0.00"
        assert _stored(order).status == Status.PAID
        assert list(Payment.objects.order_by("amount").values_list("method", "amount")) == [
            ("voucher", 4),
            ("card", 10),
            ("cash", 10),
        ]

    def test_a_repeated_request_changes_nothing(self) -> None:
        order = _order(customer_phone=PHONE)
        first = _pay(order, "10.00")
        again = _pay(order, "10")
        assert (again.payment, again.outstanding, again.is_new) == (first.payment, 14, False)
        assert Payment.objects.count() == 1
        assert _balance(order) == 14

    def test_the_settling_payment_can_be_repeated_too(self) -> None:
        order = _order()
        first = _pay(order)
        again = _pay(order)
        assert (again.payment, again.order.status, again.is_new) == (first.payment, Status.PAID, False)

    def test_a_key_used_for_another_payment_is_a_conflict(self) -> None:
        order = _order()
        _pay(order, "10.00")
        for other in ({"amount": "11.00"}, {"amount": "10.00", "method": "card"}):
            with pytest.raises(IdempotencyConflictError):
                _pay(order, **other)
        with pytest.raises(IdempotencyConflictError):
            _pay(_order(org=order.org), "10.00")
        assert Payment.objects.count() == 1

    def test_more_than_is_due_is_refused_and_nothing_is_kept(self) -> None:
        order = _order()
        with pytest.raises(AmountError, match=r"Only 24\.00 GBP is still due"):
            _pay(order, "24.01")
        assert not Bill.objects.exists()
        assert _stored(order).billed_at is None

    @pytest.mark.parametrize(
        ("amount", "message"),
        [("0", "more than nothing"), ("-5", "use a refund"), ("1.001", "at most 2 decimal places")],
    )
    def test_an_amount_that_is_no_payment_is_refused(self, amount: str, message: str) -> None:
        with pytest.raises(AmountError, match=message):
            _pay(_order(), amount)

    @pytest.mark.parametrize("status", [Status.PENDING, Status.PAID, Status.CANCELLED])
    def test_an_order_that_is_not_ready_or_already_paid_is_not_paid(self, status: Status) -> None:
        with pytest.raises(NotPayableError, match=f"is {status}"):
            _pay(_order(status=status))

    def test_money_counts_on_the_local_day_it_changed_hands(self) -> None:
        order = _order(org__time_zone="Asia/Karachi", customer_phone=PHONE)
        late = datetime(2026, 3, 14, 20, tzinfo=UTC)
        bill = bill_issue(org_id=order.org_id, order_id=order.pk, at=NOON)
        receipt = order_pay(org_id=order.org_id, order_id=order.pk, method="cash", idempotency_key="a", at=late)
        refund = order_refund(
            org_id=order.org_id,
            order_id=order.pk,
            method="cash",
            amount=Decimal(1),
            idempotency_key="b",
            at=late + timedelta(days=1),
        )
        assert [bill.issued_on.day, receipt.payment.received_on.day, refund.payment.received_on.day] == [14, 15, 16]
        days = [entry.created_at.day for entry in LedgerEntry.objects.order_by("created_at")]
        assert days == [14, 14, 15, 15]

    def test_an_order_that_costs_nothing_is_paid_with_nothing(self) -> None:
        order = _order(discount=Decimal("20.00"), org__tax_rate=0, customer_phone=PHONE)
        assert _pay(order).payment.amount == 0
        assert _stored(order).status == Status.PAID
        assert _balance(order) == 0

    @pytest.mark.parametrize("amount", ["-5", "-0.01"])
    def test_of_an_order_that_costs_nothing_no_money_can_be_taken_out(self, amount: str) -> None:
        order = _order(discount=Decimal("20.00"), org__tax_rate=0, customer_phone=PHONE)
        with pytest.raises(AmountError, match="use a refund"):
            _pay(order, amount)
        assert not Payment.objects.exists()
        assert not LedgerEntry.objects.exists()

    @pytest.mark.parametrize(("method", "key", "field"), [("shells", "k", "method"), ("cash", "", "idempotency_key")])
    def test_a_method_or_key_that_cannot_be_is_refused_by_name(self, method: str, key: str, field: str) -> None:
        with pytest.raises(ValidationError) as refusal:
            _pay(_order(), method=method, key=key)
        assert set(refusal.value.message_dict) == {field}

    def test_an_order_of_another_organisation_is_not_found(self) -> None:
        with pytest.raises(OrderNotFoundError):
            order_pay(org_id=_order().org_id, order_id=uuid4(), method="cash", idempotency_key="k")


@pytest.mark.django_db
class TestAccounts:
    def test_money_paid_settles_the_charge(self) -> None:
        order = _order(customer_phone=PHONE)
        _pay(order, "10.00", key="a")
        assert _balance(order) == 14
        _pay(order, key="b")
        assert _balance(order) == 0
        assert _ledger() == [("charge", 24), ("payment", -14), ("payment", -10)]

    def test_paying_on_account_leaves_the_charge_standing(self) -> None:
        order = _order(customer_phone=PHONE)
        _pay(order, method="account")
        assert _stored(order).status == Status.PAID
        assert _balance(order) == 24
        assert _ledger() == [("charge", 24)]

    def test_an_order_of_nobody_cannot_be_put_on_account(self) -> None:
        order = _order()
        with pytest.raises(NoCustomerError, match="names no customer"):
            _pay(order, method="account")
        assert not Bill.objects.exists()

    def test_an_order_of_nobody_leaves_no_trace_in_any_ledger(self) -> None:
        _pay(_order())
        assert not LedgerEntry.objects.exists()

    def test_payments_find_the_customer_whose_number_has_changed(self) -> None:
        order = _order(customer_phone=PHONE)
        _pay(order, "10.00", key="a")
        customer = Customer.objects.get()
        customer_update(org_id=order.org_id, customer_id=customer.pk, changes={"phone": "+442079460019"})
        _pay(order, key="b")
        assert customer_balance(org_id=order.org_id, phone="+442079460019") == 0
        assert Customer.objects.count() == 1


@pytest.mark.django_db
class TestRefunding:
    def test_money_given_back_leaves_the_balance_even_and_the_order_paid(self) -> None:
        order = _order(customer_phone=PHONE)
        _pay(order)
        receipt = _refund(order, "6.00", reason="cold soup")
        assert (receipt.payment.amount, receipt.outstanding, receipt.is_new) == (-6, 0, True)
        assert _stored(order).status == Status.PAID
        assert _ledger() == [("charge", 24), ("payment", -24), ("payment", 6), ("refund", -6)]
        assert _balance(order) == 0

    def test_a_refund_to_the_account_is_credit(self) -> None:
        order = _order(customer_phone=PHONE)
        _pay(order)
        _refund(order, "6.00", "account")
        assert _balance(order) == -6

    def test_an_order_of_nobody_is_refunded_but_not_to_an_account(self) -> None:
        order = _order()
        _pay(order)
        with pytest.raises(NoCustomerError):
            _refund(order, "6.00", "account")
        assert _refund(order, "6.00", "card").payment.method == "card"
        assert not LedgerEntry.objects.exists()

    def test_all_refunds_together_never_exceed_what_was_paid(self) -> None:
        order = _order()
        _pay(order)
        _refund(order, "20.00", key="a")
        with pytest.raises(AmountError, match=r"left of the payments, 4\.00 GBP"):
            _refund(order, "4.01", key="b")
        _refund(order, "4.00", key="c")
        assert sum(Payment.objects.values_list("amount", flat=True)) == 0

    def test_a_refund_of_nothing_is_refused(self) -> None:
        order = _order()
        _pay(order)
        with pytest.raises(AmountError):
            _refund(order, "0.00")

    def test_a_repeated_refund_changes_nothing(self) -> None:
        order = _order(customer_phone=PHONE)
        _pay(order)
        first = _refund(order, "6.00")
        again = _refund(order, "6.00")
        assert (again.payment, again.is_new) == (first.payment, False)
        assert Payment.objects.count() == 2
        with pytest.raises(IdempotencyConflictError):
            _refund(order, "6.00", reason="another")

    def test_a_refund_does_not_make_the_bill_due_again(self) -> None:
        order = _order()
        _pay(order)
        _refund(order, "6.00")
        assert _pay(order).outstanding == 0

    def test_only_a_paid_order_is_refunded(self) -> None:
        with pytest.raises(NotPayableError, match="only a paid order"):
            _refund(_order(), "1.00")


def _at_once(*jobs: Any) -> list[object]:
    """Run the jobs in threads that start together; return what each returned or raised."""
    barrier, outcomes = Barrier(len(jobs)), [None] * len(jobs)

    def run(index: int) -> None:
        try:
            barrier.wait(timeout=30)
            outcomes[index] = jobs[index]()
        except Exception as error:
            outcomes[index] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return list(outcomes)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_two_tills_take_the_money_once(self) -> None:
        order = _order(customer_phone=PHONE)
        outcomes = _at_once(lambda: _pay(order, key="till 1"), lambda: _pay(order, key="till 2"))
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NotPayableError", "PaymentReceipt"]
        assert (Payment.objects.count(), Bill.objects.count(), _balance(order)) == (1, 1, 0)

    def test_a_request_sent_twice_at_once_pays_once(self) -> None:
        order = _order(customer_phone=PHONE)
        outcomes = _at_once(*[lambda: _pay(order, "10.00")] * 4)
        receipts = [outcome for outcome in outcomes if isinstance(outcome, PaymentReceipt)]
        assert sorted(receipt.is_new for receipt in receipts) == [False, False, False, True]
        assert (Payment.objects.count(), _balance(order)) == (1, 14)

    def test_two_halves_paid_at_once_settle_the_bill(self) -> None:
        order = _order()
        outcomes = _at_once(lambda: _pay(order, "12.00", key="a"), lambda: _pay(order, "12.00", "card", "b"))
        assert all(isinstance(outcome, PaymentReceipt) for outcome in outcomes), outcomes
        assert _stored(order).status == Status.PAID
