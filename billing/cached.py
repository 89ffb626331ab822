"""What is cached of bills, daily summaries and balances, and what makes it stale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils import timezone

from billing import selectors
from billing.models import Bill, Customer, LedgerEntry, Payment
from caching import Follows, On, Region, Snapshot
from orders.cached import OrderSnapshot
from orders.models import Order, OrderLine
from orders.selectors import order_refs_active
from restaurant.money import money_quantize
from restaurant.profiles.cached import hot_org_ids
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.selectors import profiles_get

__all__ = [
    "CustomerBalance",
    "DaySummary",
    "OrderBill",
    "OrdersByStatus",
    "PaymentsByMethod",
    "bill_total",
    "billing_summary",
    "customer_balance",
]

# Balances of one organisation that are loaded ahead of requests.
_WARM_CUSTOMERS: Final = 500


class OrderBill(Snapshot, frozen=True):
    """What an order costs, in the currency's places: as billed, or by its lines and the present tax rule."""

    subtotal: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal


class OrdersByStatus(Snapshot, frozen=True):
    """How many orders are in each status."""

    pending: int = 0
    confirmed: int = 0
    preparing: int = 0
    ready: int = 0
    served: int = 0
    paid: int = 0
    cancelled: int = 0


class PaymentsByMethod(Snapshot, frozen=True):
    """What was received by each method, refunds not deducted."""

    cash: Decimal
    card: Decimal
    online: Decimal
    voucher: Decimal
    account: Decimal


class DaySummary(Snapshot, frozen=True):
    """The business of one local day, as `billing.selectors.billing_summary` explains it."""

    org_id: str
    day: date
    currency: str
    orders_placed: int
    orders_by_status: OrdersByStatus
    bills_issued: int
    subtotal: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal
    payments_by_method: PaymentsByMethod
    payments: Decimal
    refunds: Decimal


class CustomerBalance(Snapshot, frozen=True):
    """What a customer owes; a negative balance is owed to them."""

    customer_id: UUID
    phone: str
    balance: Decimal
    currency: str


def _bill_total(org: str, order_id: UUID, *, using: str) -> OrderBill | None:
    totals = selectors.bill_total_get(org_id=org, order_id=order_id, using=using)
    return None if totals is None else OrderBill(**totals._asdict())


def _billing_summary(org: str, day: date, *, using: str) -> DaySummary | None:
    summary = selectors.billing_summary(org_id=org, day=day, using=using)
    if summary is None:
        return None
    nothing = money_quantize(Decimal(0), summary.currency)
    by_method = {method.value: summary.payments_by_method.get(method, nothing) for method in Payment.Method}
    return DaySummary(
        org_id=org,
        day=day,
        currency=summary.currency,
        orders_placed=summary.orders_placed,
        orders_by_status=OrdersByStatus(**summary.orders_by_status),
        bills_issued=summary.bills_issued,
        subtotal=summary.subtotal,
        discount=summary.discount,
        tax=summary.tax,
        total=summary.total,
        payments_by_method=PaymentsByMethod(**by_method),
        payments=summary.payments,
        refunds=summary.refunds,
    )


def _balances(names: Sequence[tuple[str, str]], *, using: str) -> dict[tuple[str, str], CustomerBalance]:
    wanted: dict[str, list[str]] = {}
    for org, phone in names:
        wanted.setdefault(org, []).append(phone)
    return {
        (org, customer.phone): CustomerBalance(
            customer_id=customer.pk, phone=customer.phone, balance=balance, currency=customer.org.currency
        )
        for org, phones in wanted.items()
        for customer, balance in selectors.customer_balances(org_id=org, phones=phones, using=using)
    }


def _balance_after(order: OrderSnapshot) -> tuple[str] | None:
    return (order.customer_phone,) if order.customer_phone else None


def _status(order: OrderSnapshot) -> str:
    return order.status


def _hot_bills(orgs: Sequence[str] | None, using: str) -> Iterator[tuple[str, UUID]]:
    for org in hot_org_ids(orgs, using):
        yield from ((org, order_id) for order_id, _ in order_refs_active(org_id=org, using=using))


def _hot_summaries(orgs: Sequence[str] | None, using: str) -> Iterator[tuple[str, date]]:
    now = timezone.now()
    return ((row.org_id, row.local_date(now)) for row in profiles_get(org_ids=hot_org_ids(orgs, using), using=using))


def _hot_balances(orgs: Sequence[str] | None, using: str) -> Iterator[tuple[str, str]]:
    for org in hot_org_ids(orgs, using):
        phones = selectors.customer_phones_recent(org_id=org, limit=_WARM_CUSTOMERS, using=using)
        yield from ((org, phone) for phone in phones)


# How an organisation taxes, rounds and dates: whatever is derived from its rows goes stale with these.
_RULES = On(
    BusinessProfile,
    org="org_id",
    fields=("currency", "tax_rate", "tax_on", "prices_include_tax", "time_zone"),
)

bill_total = Region(
    "bill_total",
    OrderBill,
    load=_bill_total,
    local_ttl=300,
    redis_ttl=300,
    fresh_on=[
        On(Order, org="org_id", parts=("pk",), fields=("discount",)),
        On(OrderLine, org="org_id", parts=("order_id",), fields=("quantity", "unit_price")),
        On(Bill, org="org_id", parts=("order_id",)),
        _RULES,
    ],
    warm=_hot_bills,
    # Whoever looks at an order may be about to ask what it costs: rarely while it is cooked ...
    follows=[Follows("order", context=_status)],
    label="Bill totals",
    money=True,
    target=0.80,
    target_ms=20.0,
)
"""Keyed by organisation and order id. Raises DiscountError for an order whose discount exceeds its lines."""

billing_summary = Region(
    "billing_summary",
    DaySummary,
    load=_billing_summary,
    local_ttl=300,
    redis_ttl=300,
    fresh_on=[
        On(Order, org="org_id", parts=("placed_on",), fields=("status",)),
        On(Bill, org="org_id", parts=("issued_on",)),
        On(Payment, org="org_id", parts=("received_on",)),
        _RULES,
    ],
    warm=_hot_summaries,
    label="Billing summaries",
    money=True,
    target=0.80,
    target_ms=20.0,
)
"""Keyed by organisation and local date."""

customer_balance = Region(
    "customer_balance",
    CustomerBalance,
    load_many=_balances,
    local_ttl=600,
    redis_ttl=600,
    fresh_on=[
        On(LedgerEntry, org="org_id", parts=("customer__phone",)),
        On(Customer, org="org_id", parts=("phone",)),
        On(BusinessProfile, org="org_id", fields=("currency",)),
    ],
    warm=_hot_balances,
    # ... and what the customer owes besides.
    follows=[Follows("order", parts=_balance_after, context=_status)],
    label="Customer balances",
    money=True,
    personal=True,
    target=0.90,
    target_ms=10.0,
)
"""Keyed by organisation and phone number (E.164)."""
