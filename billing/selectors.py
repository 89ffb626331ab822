"""Reads of bills, payments and customers' accounts, straight from the database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Max, Prefetch, QuerySet, Sum

from billing.models import Bill, Customer, LedgerEntry, Payment
from orders.pricing import BillTotal, TaxRule, bill_total
from orders.selectors import order_counts_by_status, order_get
from restaurant.money import money_quantize
from restaurant.profiles.selectors import profile_get


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingSummary:
    """The business of one local day: amounts in `currency`, with its decimal places; refunds as a positive amount."""

    org_id: str
    day: date
    currency: str
    orders_placed: int
    orders_by_status: dict[str, int]
    bills_issued: int
    subtotal: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal
    payments_by_method: dict[str, Decimal]
    payments: Decimal
    refunds: Decimal


def bill_get(*, org_id: str, order_id: UUID, using: str | None = None) -> Bill | None:
    """Return the issued bill of an order with its payments, None when there is none."""
    bills = Bill.objects.using(using).filter(org_id=org_id, order_id=order_id)
    return bills.select_related("order").prefetch_related(Prefetch("payments", Payment.objects.using(using))).first()


def bill_total_get(*, org_id: str, order_id: UUID, using: str | None = None) -> BillTotal | None:
    """Return what the order costs: as billed, or, before that, by its lines and the present tax rule.

    None when the organisation has no such order.
    """
    bill = Bill.objects.using(using).filter(org_id=org_id, order_id=order_id).first()
    if bill is not None:
        parts = (bill.subtotal, bill.discount, bill.tax, bill.total)
        return BillTotal(*(money_quantize(part, bill.currency) for part in parts))
    order = order_get(org_id=org_id, order_id=order_id, using=using)
    profile = profile_get(org_id=org_id, using=using)
    if order is None or profile is None:
        return None
    return bill_total(lines=order.lines.all(), discount=order.discount, rule=TaxRule.of(profile))


def billing_summary(*, org_id: str, day: date, using: str | None = None) -> BillingSummary | None:
    """Return the summary of the organisation's local date `day`, None when there is no such organisation.

    Orders count on the day they were placed, bills on the day they were issued, payments on the day the money changed
    hands. Bills in a currency that the organisation no longer uses are left out.
    """
    profile = profile_get(org_id=org_id, using=using)
    if profile is None:
        return None
    currency = profile.currency

    def exact(amount: Decimal | None) -> Decimal:
        return money_quantize(amount or Decimal(0), currency)

    counts = order_counts_by_status(org_id=org_id, day=day, using=using)
    bills = (
        Bill.objects.using(using)
        .filter(org_id=org_id, issued_on=day, currency=currency)
        .aggregate(
            count=Count("pk"), subtotal=Sum("subtotal"), discount=Sum("discount"), tax=Sum("tax"), total=Sum("total")
        )
    )
    moved = Payment.objects.using(using).filter(org_id=org_id, received_on=day, bill__currency=currency)
    received = moved.filter(amount__gt=0).order_by("method").values_list("method").annotate(Sum("amount"))
    by_method = {method: exact(amount) for method, amount in received}
    refunded = moved.filter(amount__lt=0).aggregate(amount=Sum("amount"))["amount"]
    return BillingSummary(
        org_id=org_id,
        day=day,
        currency=currency,
        orders_placed=sum(counts.values()),
        orders_by_status=counts,
        bills_issued=bills["count"],
        subtotal=exact(bills["subtotal"]),
        discount=exact(bills["discount"]),
        tax=exact(bills["tax"]),
        total=exact(bills["total"]),
        payments_by_method=by_method,
        payments=sum(by_method.values(), exact(None)),
        refunds=-exact(refunded),
    )


def customer_get(*, org_id: str, phone: str, using: str | None = None) -> Customer | None:
    """Return the customer with that phone number (E.164), None when the organisation knows nobody by it."""
    return Customer.objects.using(using).filter(org_id=org_id, phone=phone).select_related("org").first()


def customer_balance(*, org_id: str, phone: str, using: str | None = None) -> Decimal | None:
    """Return what the customer with that phone number (E.164) owes; negative: is owed; None: no such customer."""
    return next((balance for _, balance in customer_balances(org_id=org_id, phones=[phone], using=using)), None)


def customer_balances(
    *, org_id: str, phones: Iterable[str], using: str | None = None
) -> list[tuple[Customer, Decimal]]:
    """Return those of the customers that the organisation knows, each with what they owe, in two queries."""
    customers = Customer.objects.using(using).filter(org_id=org_id, phone__in=list(phones)).select_related("org")
    known = list(customers)
    entries = LedgerEntry.objects.using(using).filter(customer_id__in=[customer.pk for customer in known])
    sums = dict(entries.order_by().values_list("customer_id").annotate(Sum("amount")))
    return [(customer, money_quantize(sums.get(customer.pk, Decimal(0)), customer.org.currency)) for customer in known]


def customer_phones_recent(*, org_id: str, limit: int, using: str | None = None) -> list[str]:
    """Return the phone numbers of the `limit` customers whose ledgers changed last, the latest first."""
    entries = LedgerEntry.objects.using(using).filter(org_id=org_id)
    latest = entries.order_by().values_list("customer__phone").annotate(latest=Max("created_at"))
    return [phone for phone, _ in latest.order_by("-latest", "customer__phone")[:limit]]


def ledger_of_customer(*, customer_id: UUID, using: str | None = None) -> QuerySet[LedgerEntry]:
    """Return the customer's ledger, newest first, each entry with its order loaded."""
    return LedgerEntry.objects.using(using).filter(customer_id=customer_id).prefetch_related("order")
