"""Writes orders that were finished before this site knew of them: paid, with bill and payment, many at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final
from uuid import UUID

from billing.models import Bill, Customer, LedgerEntry, Payment
from orders.models import Order, OrderLine
from orders.pricing import TaxRule, bill_total
from orders.services import order_numbers_take
from orders.statuses import Status
from restaurant.db import atomic
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.selectors import profile_required

_BATCH: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricLine:
    """A dish as it was sold; `item_id` is None when the dish need not be on the menu here."""

    item_name: str
    quantity: int
    unit_price: Decimal
    item_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricOrder:
    """A finished order: billed and paid in full, by one method, at the moment it was placed (aware)."""

    placed_at: datetime
    lines: Sequence[HistoricLine]
    external_ref: str | None = None
    service: str = Order.Service.TAKEAWAY
    table: str = ""
    delivery_address: str = ""
    discount: Decimal = Decimal(0)
    customer: Customer | None = None
    method: str = Payment.Method.CASH


def history_create(
    *,
    org_id: str,
    orders: Sequence[HistoricOrder],
    advance: Callable[[int], object] | None = None,
    using: str | None = None,
) -> int:
    """Write the orders with their lines, bills, payments and ledger entries; return how many orders there were.

    Numbers continue the organisation's own, in the order given; bills follow its present tax rule. All of it is one
    transaction: an error leaves nothing behind. `advance` is told the size of each batch written. The caller has
    checked what the orders say. Raises ProfileNotFoundError, DiscountError.
    """
    with atomic(using):
        profile = profile_required(org_id=org_id, using=using)
        number = order_numbers_take(org_id=org_id, count=len(orders), using=using)
        remaining = iter(orders)
        while batch := list(islice(remaining, _BATCH)):
            rows = _Rows(profile)
            for order in batch:
                rows.add(order, number)
                number += 1
            rows.write(using)
            if advance is not None:
                advance(len(batch))
    return len(orders)


class _Rows:
    """The rows of one batch, gathered so that each table is written by as few statements as possible."""

    def __init__(self, profile: BusinessProfile) -> None:
        self._profile = profile
        self._rule = TaxRule.of(profile)
        self._orders: list[Order] = []
        self._lines: list[OrderLine] = []
        self._bills: list[Bill] = []
        self._payments: list[Payment] = []
        self._entries: list[LedgerEntry] = []

    def add(self, historic: HistoricOrder, number: int) -> None:
        customer, profile = historic.customer, self._profile
        day = profile.local_date(historic.placed_at)
        order = Order(
            org_id=profile.pk,
            number=number,
            external_ref=historic.external_ref,
            customer_phone=customer.phone if customer else "",
            customer_name=customer.name if customer else "",
            service=historic.service,
            table=historic.table,
            delivery_address=historic.delivery_address,
            discount=historic.discount,
            status=Status.PAID,
            placed_at=historic.placed_at,
            placed_on=day,
            billed_at=historic.placed_at,
        )
        lines = list(self._lines_of(order, historic.lines))
        totals = bill_total(lines=lines, discount=historic.discount, rule=self._rule)
        bill = Bill(
            org_id=profile.pk,
            order_id=order.pk,
            number=number,
            currency=profile.currency,
            tax_rate=profile.tax_rate,
            tax_on=profile.tax_on,
            prices_include_tax=profile.prices_include_tax,
            issued_at=historic.placed_at,
            issued_on=day,
            **totals._asdict(),
        )
        payment = Payment(
            org_id=profile.pk,
            bill_id=bill.pk,
            method=historic.method,
            amount=bill.total,
            received_at=historic.placed_at,
            received_on=day,
            idempotency_key=f"history:{order.pk}",
            request_fingerprint="",
        )
        self._orders.append(order)
        self._lines.extend(lines)
        self._bills.append(bill)
        self._payments.append(payment)
        if customer is not None:
            self._enter(customer, order, LedgerEntry.Kind.CHARGE, bill.total, f"bill:{bill.pk}")
            if historic.method != Payment.Method.ACCOUNT:
                self._enter(customer, order, LedgerEntry.Kind.PAYMENT, -bill.total, f"payment:{payment.pk}")

    def _lines_of(self, order: Order, lines: Sequence[HistoricLine]) -> Iterator[OrderLine]:
        for position, line in enumerate(lines):
            yield OrderLine(
                org_id=self._profile.pk,
                order_id=order.pk,
                item_id=line.item_id,
                item_name=line.item_name,
                quantity=line.quantity,
                unit_price=line.unit_price,
                position=position,
            )

    def _enter(self, customer: Customer, order: Order, kind: str, amount: Decimal, key: str) -> None:
        self._entries.append(
            LedgerEntry(
                org_id=self._profile.pk,
                customer_id=customer.pk,
                kind=kind,
                amount=amount,
                order_id=order.pk,
                idempotency_key=key,
                created_at=order.placed_at,
            )
        )

    def write(self, using: str | None) -> None:
        # Rows before those that refer to them.
        tables: tuple[tuple[Any, list[Any]], ...] = (
            (Order, self._orders),
            (OrderLine, self._lines),
            (Bill, self._bills),
            (Payment, self._payments),
            (LedgerEntry, self._entries),
        )
        for model, rows in tables:
            model.objects.using(using).bulk_create(rows)
