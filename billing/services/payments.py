"""Writes of bills, payments and refunds: the money an order brings in, and gives back."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from billing.exceptions import AmountError, NoCustomerError, NotPayableError
from billing.models import Bill, Customer, LedgerEntry, Payment
from billing.services.customers import amount_parse, customer_get_or_create, customer_lock, ledger_write
from orders.exceptions import IdempotencyConflictError
from orders.idempotency import idempotency_key_validate, request_fingerprint
from orders.models import Order
from orders.pricing import TaxRule, bill_total
from orders.services import order_lock, order_mark_billed, order_mark_paid
from orders.statuses import PAYABLE, Status
from restaurant.db import atomic, retry_when_busy
from restaurant.money import money_quantize
from restaurant.profiles.selectors import profile_required


class PaymentReceipt(NamedTuple):
    """What a payment or refund led to: `outstanding` is still due on the bill; a repeated request is not `is_new`."""

    order: Order
    bill: Bill
    payment: Payment
    outstanding: Decimal
    is_new: bool


@retry_when_busy
def bill_issue(*, org_id: str, order_id: UUID, at: datetime | None = None, using: str | None = None) -> Bill:
    """Issue the bill of an order that is ready or served, or return the one that was issued before.

    `at` (aware) is now unless given. From then on the order's lines and discount are fixed. Raises OrderNotFoundError
    and NotPayableError.
    """
    with atomic(using):
        order = order_lock(org_id=org_id, order_id=order_id, using=using)
        return _bill_get_or_issue(order, at or timezone.now(), using)


@retry_when_busy
def order_pay(
    *,
    org_id: str,
    order_id: UUID,
    method: str,
    idempotency_key: str,
    amount: Decimal | None = None,
    at: datetime | None = None,
    using: str | None = None,
) -> PaymentReceipt:
    """Receive a payment for an order that is ready or served; without `amount`, all that is still due.

    Issues the bill if need be; several payments, by several methods, may settle it, and the one that does makes the
    order `paid`. All of it is one transaction under the order's lock. A repeated request (same key, order, method and
    amount) changes nothing and returns the first one's payment. `at` (aware) is now unless given. Raises
    ValidationError (method, key), OrderNotFoundError, NotPayableError, AmountError (not positive, or more than is due),
    NoCustomerError (on account without a customer), IdempotencyConflictError.
    """
    fingerprint = _payment_fingerprint("pay", order_id, method, amount, idempotency_key)
    at = at or timezone.now()
    with atomic(using):
        order = order_lock(org_id=org_id, order_id=order_id, using=using)
        if known := _payment_known(org_id, idempotency_key, fingerprint, using):
            return PaymentReceipt(order, known.bill, known, _outstanding(known.bill, using), is_new=False)
        _payable_check(order)
        bill = _bill_get_or_issue(order, at, using)
        due = _outstanding(bill, using)
        paid = due if amount is None else amount_parse(amount, bill.currency)
        if paid < 0 or (paid == 0 and due > 0):
            raise AmountError("The amount of a payment must be more than nothing; to give money back, use a refund.")
        if paid > due:
            raise AmountError(f"Only {due} {bill.currency} is still due; take no more than that.")
        payment = _payment_write(bill, method, paid, idempotency_key, fingerprint, at, using)
        customer = _customer_charged(order, using)
        if method == Payment.Method.ACCOUNT:
            if customer is None:
                raise NoCustomerError
        elif customer is not None and paid:
            _payment_enter(customer, payment, order, using)
        if paid == due:
            order_mark_paid(order=order, using=using)
        return PaymentReceipt(order, bill, payment, due - paid, is_new=True)


@retry_when_busy
def order_refund(
    *,
    org_id: str,
    order_id: UUID,
    method: str,
    amount: Decimal,
    idempotency_key: str,
    reason: str = "",
    at: datetime | None = None,
    using: str | None = None,
) -> PaymentReceipt:
    """Give back money of a paid order, or credit it to the customer's account (method "account").

    The order stays paid and its bill as it was; all refunds together cannot exceed what was paid. A repeated request
    changes nothing. Raises what `order_pay` raises; NotPayableError for an order that is not paid.
    """
    fingerprint = _payment_fingerprint(f"refund {reason}", order_id, method, amount, idempotency_key)
    at = at or timezone.now()
    with atomic(using):
        order = order_lock(org_id=org_id, order_id=order_id, using=using)
        if known := _payment_known(org_id, idempotency_key, fingerprint, using):
            return PaymentReceipt(order, known.bill, known, Decimal(0), is_new=False)
        if order.status != Status.PAID:
            raise NotPayableError(f"This order is {order.status}; only a paid order can be refunded.")
        bill = Bill.objects.using(using).get(order=order)
        amount = amount_parse(amount, bill.currency)
        left = money_quantize(sum(_amounts(bill, using), Decimal(0)), bill.currency)
        if not 0 < amount <= left:
            raise AmountError(f"A refund lies between 0 and what is left of the payments, {left} {bill.currency}.")
        customer = _customer_charged(order, using)
        if customer is None and method == Payment.Method.ACCOUNT:
            raise NoCustomerError
        payment = _payment_write(bill, method, -amount, idempotency_key, fingerprint, at, using)
        if customer is not None:
            ledger_write(
                customer=customer,
                kind=LedgerEntry.Kind.REFUND,
                amount=-amount,
                idempotency_key=f"refund:{payment.pk}",
                order_id=order.pk,
                memo=reason,
                at=at,
                using=using,
            )
            if method != Payment.Method.ACCOUNT:
                _payment_enter(customer, payment, order, using)
        return PaymentReceipt(order, bill, payment, Decimal(0), is_new=True)


def _payable_check(order: Order) -> None:
    if order.status not in PAYABLE:
        raise NotPayableError(f"This order is {order.status}; it can be paid while it is {' or '.join(PAYABLE)}.")


def _bill_get_or_issue(order: Order, at: datetime, using: str | None) -> Bill:
    bill = Bill.objects.using(using).filter(order=order).first()
    if bill is not None:
        return bill
    _payable_check(order)
    profile = profile_required(org_id=order.org_id, using=using)
    totals = bill_total(lines=order.lines.all(), discount=order.discount, rule=TaxRule.of(profile))
    bill = Bill.objects.using(using).create(
        org=profile,
        order=order,
        number=order.number,
        currency=profile.currency,
        tax_rate=profile.tax_rate,
        tax_on=profile.tax_on,
        prices_include_tax=profile.prices_include_tax,
        issued_at=at,
        issued_on=profile.local_date(at),
        **totals._asdict(),
    )
    order_mark_billed(order=order, billed_at=at, using=using)
    if order.customer_phone:
        known = customer_get_or_create(
            org_id=order.org_id, phone=order.customer_phone, name=order.customer_name, using=using
        )
        ledger_write(
            customer=customer_lock(org_id=order.org_id, customer_id=known.pk, using=using),
            kind=LedgerEntry.Kind.CHARGE,
            amount=bill.total,
            idempotency_key=f"bill:{bill.pk}",
            order_id=order.pk,
            memo="",
            at=at,
            using=using,
        )
    return bill


def _customer_charged(order: Order, using: str | None) -> Customer | None:
    """Return the customer whose ledger the bill was charged to, locked; whatever number they have today."""
    charge = LedgerEntry.objects.using(using).filter(order=order, kind=LedgerEntry.Kind.CHARGE)
    customer_id = charge.values_list("customer_id", flat=True).first()
    if customer_id is None:
        return None
    return customer_lock(org_id=order.org_id, customer_id=customer_id, using=using)


def _amounts(bill: Bill, using: str | None) -> Iterable[Decimal]:
    return Payment.objects.using(using).filter(bill=bill).values_list("amount", flat=True)


def _outstanding(bill: Bill, using: str | None) -> Decimal:
    """Return what is still due; refunds, being given of a settled bill, do not make it due again."""
    received = sum((amount for amount in _amounts(bill, using) if amount > 0), Decimal(0))
    return money_quantize(bill.total - received, bill.currency)


def _payment_fingerprint(intent: str, order_id: UUID, method: str, amount: Decimal | None, idempotency_key: str) -> str:
    idempotency_key_validate(idempotency_key)
    if method not in Payment.Method:
        raise ValidationError({"method": f"Use one of: {', '.join(Payment.Method.values)}."})
    return request_fingerprint(intent=intent, order_id=order_id, method=method, amount=amount)


def _payment_known(org_id: str, idempotency_key: str, fingerprint: str, using: str | None) -> Payment | None:
    payments = Payment.objects.using(using).filter(org_id=org_id, idempotency_key=idempotency_key)
    payment = payments.select_related("bill").first()
    if payment is not None and payment.request_fingerprint != fingerprint:
        raise IdempotencyConflictError
    return payment


def _payment_write(
    bill: Bill, method: str, amount: Decimal, idempotency_key: str, fingerprint: str, at: datetime, using: str | None
) -> Payment:
    return Payment.objects.using(using).create(
        org_id=bill.org_id,
        bill=bill,
        method=method,
        amount=amount,
        received_at=at,
        received_on=profile_required(org_id=bill.org_id, using=using).local_date(at),
        idempotency_key=idempotency_key,
        request_fingerprint=fingerprint,
    )


def _payment_enter(customer: Customer, payment: Payment, order: Order, using: str | None) -> None:
    """Write what a payment (or, negative, money handed back) means for the customer's balance."""
    ledger_write(
        customer=customer,
        kind=LedgerEntry.Kind.PAYMENT,
        amount=-payment.amount,
        idempotency_key=f"payment:{payment.pk}",
        order_id=order.pk,
        memo="",
        at=payment.received_at,
        using=using,
    )
