"""Writes of customers and of the ledger that says what they owe."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from billing.exceptions import AmountError, CustomerConflictError, CustomerNotFoundError
from billing.models import Customer, LedgerEntry
from orders.exceptions import IdempotencyConflictError, OrderNotFoundError
from orders.idempotency import idempotency_key_validate
from orders.models import Order
from orders.services import orders_lock_active_of_phone
from restaurant.db import atomic, retry_when_busy
from restaurant.money import money_parse
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.selectors import profile_required

CUSTOMER_UPDATABLE: Final = ("name", "phone")
"""Fields of a customer that `customer_update` accepts."""


@retry_when_busy
def customer_get_or_create(*, org_id: str, phone: str, name: str = "", using: str | None = None) -> Customer:
    """Return the organisation's customer with that phone number, made known if need be.

    `name` is noted if none was. Raises ValidationError for what is no phone number, ProfileNotFoundError.
    """
    with atomic(using):
        number = _phone_required(phone, profile_required(org_id=org_id, using=using))
        customer, _ = Customer.objects.using(using).get_or_create(org_id=org_id, phone=number, defaults={"name": name})
        if name and not customer.name:
            customer.name = name
            customer.save(using=using)
    return customer


@retry_when_busy
def customer_update(
    *, org_id: str, customer_id: UUID, changes: Mapping[str, Any], using: str | None = None
) -> Customer:
    """Change a customer's name or phone number (see CUSTOMER_UPDATABLE); unfinished orders follow to the new number.

    Raises ValidationError (keyed by field), CustomerNotFoundError, and CustomerConflictError when another customer has
    that number or somebody else changed this one's at the same moment.
    """
    if unknown := sorted(set(changes) - set(CUSTOMER_UPDATABLE)):
        allowed = ", ".join(CUSTOMER_UPDATABLE)
        raise ValidationError(dict.fromkeys(unknown, f"A customer has no such field to change. Use: {allowed}."))
    with atomic(using):
        phone_before = Customer.objects.using(using).filter(org_id=org_id, pk=customer_id).values_list("phone").first()
        if phone_before is None:
            raise CustomerNotFoundError
        orders = []
        if "phone" in changes:
            orders = orders_lock_active_of_phone(org_id=org_id, phone=phone_before[0], using=using)
        customer = customer_lock(org_id=org_id, customer_id=customer_id, using=using)
        if customer.phone != phone_before[0]:
            raise CustomerConflictError("The phone number was changed by somebody else just now; look and try again.")
        customer.name = changes.get("name", customer.name)
        if "phone" in changes:
            customer.phone = _phone_required(changes["phone"], customer.org)
            others = Customer.objects.using(using).filter(org_id=org_id, phone=customer.phone).exclude(pk=customer_id)
            if others.exists():
                raise CustomerConflictError("Another customer of this organisation has that phone number.")
        customer.clean_fields(exclude={"org"})
        customer.save(using=using)
        for order in orders:
            order.customer_phone = customer.phone
            order.save(using=using)
    return customer


@retry_when_busy
def ledger_append(
    *,
    org_id: str,
    customer_id: UUID,
    kind: str,
    amount: Decimal,
    idempotency_key: str,
    order_id: UUID | None = None,
    memo: str = "",
    using: str | None = None,
) -> tuple[LedgerEntry, bool]:
    """Add an entry to a customer's ledger; return it and whether it is new.

    `amount` is signed: what is positive makes the customer owe more. A charge is positive, a payment or refund
    negative, an adjustment either. A repeated request returns the entry that the first one made. Raises
    ValidationError, CustomerNotFoundError, OrderNotFoundError, AmountError, and IdempotencyConflictError when the key
    came with other content.
    """
    idempotency_key_validate(idempotency_key)
    if kind not in LedgerEntry.Kind:
        raise ValidationError({"kind": f"Use one of: {', '.join(LedgerEntry.Kind.values)}."})
    with atomic(using):
        customer = customer_lock(org_id=org_id, customer_id=customer_id, using=using)
        amount = amount_parse(amount, customer.org.currency)
        if not amount:
            raise AmountError("An entry of nothing changes nothing; give an amount.")
        if kind != LedgerEntry.Kind.ADJUSTMENT and (amount > 0) != (kind == LedgerEntry.Kind.CHARGE):
            raise AmountError("A charge is positive (the customer owes more), a payment or refund negative.")
        if order_id is not None and not Order.objects.using(using).filter(org_id=org_id, pk=order_id).exists():
            raise OrderNotFoundError
        known = LedgerEntry.objects.using(using).filter(org_id=org_id, idempotency_key=idempotency_key).first()
        if known is None:
            entry = ledger_write(
                customer=customer,
                kind=kind,
                amount=amount,
                idempotency_key=idempotency_key,
                order_id=order_id,
                memo=memo,
                at=timezone.now(),
                using=using,
            )
            return entry, True
        asked = (customer_id, kind, amount, order_id, memo)
        if (known.customer_id, known.kind, known.amount, known.order_id, known.memo) != asked:
            raise IdempotencyConflictError
        return known, False


def customer_lock(*, org_id: str, customer_id: UUID, using: str | None = None) -> Customer:
    """Return the customer, the row locked until the surrounding transaction ends; raises CustomerNotFoundError."""
    customer = Customer.objects.using(using).select_for_update().filter(org_id=org_id, pk=customer_id).first()
    if customer is None:
        raise CustomerNotFoundError
    return customer


def ledger_write(
    *,
    customer: Customer,
    kind: str,
    amount: Decimal,
    idempotency_key: str,
    order_id: UUID | None,
    memo: str,
    at: datetime,
    using: str | None,
) -> LedgerEntry:
    """Add an entry to the ledger of a locked customer; the caller has checked what it says."""
    return LedgerEntry.objects.using(using).create(
        org_id=customer.org_id,
        customer=customer,
        kind=kind,
        amount=amount,
        order_id=order_id,
        memo=memo,
        idempotency_key=idempotency_key,
        created_at=at,
    )


def amount_parse(amount: Decimal, currency: str) -> Decimal:
    """Return the amount in the currency's decimal places; raises AmountError when it is no amount of the currency."""
    try:
        return money_parse(amount, currency)
    except ValueError as error:
        raise AmountError(str(error)) from error


def _phone_required(phone: str, profile: BusinessProfile) -> str:
    try:
        number = profile.phone_normalize(phone)
    except ValidationError as error:
        raise ValidationError({"phone": error}) from error
    if not number:
        raise ValidationError({"phone": "A customer is known by a phone number; give one."})
    return number
