"""Writes of orders.

Locks are always taken in this order, here and in billing, so that no two writers wait for each other: the
organisation's order sequence, then orders (by id when several), then customers.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from orders.exceptions import (
    IdempotencyConflictError,
    IllegalMoveError,
    ItemUnavailableError,
    OrderClosedError,
    OrderNotFoundError,
    ServiceRefusedError,
)
from orders.idempotency import idempotency_key_validate, request_fingerprint
from orders.models import MenuItem, Order, OrderLine, OrderSequence
from orders.pricing import TaxRule, bill_total
from orders.statuses import ACTIVE, PAYABLE, Status, moves_by_hand
from restaurant.db import atomic, retry_when_busy
from restaurant.money import MAX_AMOUNT, money_parse
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.selectors import profile_required

UPDATABLE: Final = ("customer_name", "customer_phone", "delivery_address", "discount", "notes", "table")
"""Fields of an order that `order_update` accepts."""

_FIXED_ONCE_BILLED: Final = frozenset({"customer_phone", "discount"})
_MAX_QUANTITY: Final = 10_000


class LineDraft(NamedTuple):
    """A dish that is being ordered: which, how many, and wishes such as "no onions"."""

    item_id: UUID
    quantity: int = 1
    options: tuple[str, ...] = ()


@retry_when_busy
def order_create(
    *,
    org_id: str,
    lines: Sequence[LineDraft],
    service: str,
    customer_phone: str = "",
    customer_name: str = "",
    table: str = "",
    delivery_address: str = "",
    discount: Decimal = Decimal(0),
    notes: str = "",
    idempotency_key: str | None = None,
    placed_at: datetime | None = None,
    using: str | None = None,
) -> tuple[Order, bool]:
    """Place an order at today's prices; return it and whether it is new.

    A request repeated with its `idempotency_key` returns the order that the first one made. `placed_at` (aware) is now
    unless given. A phone number without a country code belongs to the country of the organisation's own. Raises
    ValidationError (keyed by field), ProfileNotFoundError, ServiceRefusedError, ItemUnavailableError, DiscountError,
    and IdempotencyConflictError when the key came with another request.
    """
    if idempotency_key is not None:
        idempotency_key_validate(idempotency_key)
    placed_at = placed_at or timezone.now()
    with atomic(using):
        profile = profile_required(org_id=org_id, using=using)
        fields: dict[str, Any] = {
            "service": service,
            "customer_phone": _phone_cleaned(customer_phone, profile),
            "customer_name": customer_name,
            "table": table,
            "delivery_address": delivery_address,
            "discount": _discount_cleaned(discount, profile),
            "notes": notes,
        }
        fingerprint = request_fingerprint(lines=lines, **fields)
        # The sequence's lock comes first: of two simultaneous repeats the later one finds the order of the other.
        sequence = _sequence_lock(org_id, using)
        if idempotency_key is not None:
            known = Order.objects.using(using).filter(org_id=org_id, idempotency_key=idempotency_key).first()
            if known is not None and known.request_fingerprint != fingerprint:
                raise IdempotencyConflictError
            if known is not None:
                return known, False
        order = Order(
            org=profile,
            number=_numbers_take(sequence, 1, using),
            placed_at=placed_at,
            placed_on=profile.local_date(placed_at),
            idempotency_key=idempotency_key,
            request_fingerprint=fingerprint,
            **fields,
        )
        _fields_check(order)
        _service_offered_check(service, profile)
        order_lines = _lines_build(order, lines, first_position=0, using=using)
        _total_check(order, order_lines, profile)
        order.save(using=using, force_insert=True)
        OrderLine.objects.using(using).bulk_create(order_lines)
    return order, True


@retry_when_busy
def order_update(
    *,
    org_id: str,
    order_id: UUID,
    changes: Mapping[str, Any] | None = None,
    lines: Sequence[LineDraft] | None = None,
    lines_added: Sequence[LineDraft] = (),
    using: str | None = None,
) -> Order:
    """Change fields of an order (see UPDATABLE), replace its lines by `lines`, add `lines_added`; return the order.

    New lines cost today's prices. Raises OrderNotFoundError; OrderClosedError when the order is paid or cancelled, or
    when lines, discount or phone number are to change after billing; and whatever `order_create` raises. Nothing is
    changed then.
    """
    changes = dict(changes or {})
    if unknown := sorted(set(changes) - set(UPDATABLE)):
        allowed = ", ".join(UPDATABLE)
        raise ValidationError(dict.fromkeys(unknown, f"An order has no such field to change. Use: {allowed}."))
    with atomic(using):
        order = order_lock(org_id=org_id, order_id=order_id, using=using)
        _open_check(order, is_price_changed=bool(lines is not None or lines_added or _FIXED_ONCE_BILLED & set(changes)))
        profile = profile_required(org_id=org_id, using=using)
        if "customer_phone" in changes:
            changes["customer_phone"] = _phone_cleaned(changes["customer_phone"], profile)
        if "discount" in changes:
            changes["discount"] = _discount_cleaned(changes["discount"], profile)
        for name, value in changes.items():
            setattr(order, name, value)
        _fields_check(order)
        kept: list[OrderLine] = list(order.lines.all())
        if lines is not None:
            order.lines.all().delete()
            kept = []
        drafts = [*(lines or ()), *lines_added]
        first_position = kept[-1].position + 1 if kept else 0
        added = _lines_build(order, drafts, first_position=first_position, using=using)
        _total_check(order, [*kept, *added], profile)
        # The row is saved even if only lines changed: its version is what lists of orders know it by.
        order.save(using=using)
        OrderLine.objects.using(using).bulk_create(added)
    return order


@retry_when_busy
def order_change_status(*, org_id: str, order_id: UUID, status: str, using: str | None = None) -> Order:
    """Move an order to another status, as the table in `orders.statuses` allows; return it.

    Raises ValidationError for a word that is no status, OrderNotFoundError, and IllegalMoveError, which lists the
    allowed moves. An order becomes `paid` only by being paid, and cannot be cancelled once it is billed.
    """
    if status not in Status:
        raise ValidationError({"status": f"Use one of: {', '.join(Status.values)}."})
    with atomic(using):
        order = order_lock(org_id=org_id, order_id=order_id, using=using)
        allowed = [
            move
            for move in moves_by_hand(order.status)
            if not (move is Status.CANCELLED and order.billed_at is not None)
        ]
        if status not in allowed:
            hint = "An order becomes paid by paying it." if status == Status.PAID else ""
            raise IllegalMoveError(status=order.status, wanted=status, allowed=allowed, hint=hint)
        order.status = status
        order.save(using=using)
    return order


def order_lock(*, org_id: str, order_id: UUID, using: str | None = None) -> Order:
    """Return the order, its row locked until the surrounding transaction ends; raises OrderNotFoundError."""
    order = Order.objects.using(using).select_for_update().filter(org_id=org_id, pk=order_id).first()
    if order is None:
        raise OrderNotFoundError
    return order


def orders_lock_active_of_phone(*, org_id: str, phone: str, using: str | None = None) -> list[Order]:
    """Return the organisation's unfinished orders of that phone number (E.164), locked, in the order of their ids."""
    orders = Order.objects.using(using).select_for_update().filter(org_id=org_id, customer_phone=phone)
    return list(orders.filter(status__in=ACTIVE).order_by("pk"))


def order_mark_billed(*, order: Order, billed_at: datetime, using: str | None = None) -> None:
    """Note on a locked order that its bill is issued; lines, discount and phone number are fixed from now on."""
    order.billed_at = billed_at
    order.save(using=using)


def order_mark_paid(*, order: Order, using: str | None = None) -> None:
    """Move a locked order to `paid`; only billing calls this, when the bill is settled. Raises IllegalMoveError."""
    if order.status not in PAYABLE:
        raise IllegalMoveError(status=order.status, wanted=Status.PAID, allowed=moves_by_hand(order.status))
    order.status = Status.PAID
    order.save(using=using)


def order_numbers_take(*, org_id: str, count: int, using: str | None = None) -> int:
    """Reserve `count` consecutive order numbers and return the first; gapless if the transaction commits."""
    with atomic(using):
        return _numbers_take(_sequence_lock(org_id, using), count, using)


def _sequence_lock(org_id: str, using: str | None) -> OrderSequence:
    OrderSequence.objects.using(using).get_or_create(org_id=org_id)
    return OrderSequence.objects.using(using).select_for_update().get(org_id=org_id)


def _numbers_take(sequence: OrderSequence, count: int, using: str | None) -> int:
    first = sequence.next_number
    sequence.next_number = first + count
    sequence.save(using=using)
    return first


def _phone_cleaned(phone: str, profile: BusinessProfile) -> str:
    try:
        return profile.phone_normalize(phone)
    except ValidationError as error:
        raise ValidationError({"customer_phone": error}) from error


def _discount_cleaned(discount: Decimal | str | int, profile: BusinessProfile) -> Decimal:
    try:
        return money_parse(discount, profile.currency)
    except ValueError as error:
        raise ValidationError({"discount": str(error)}) from error


def _service_offered_check(service: str, profile: BusinessProfile) -> None:
    offered = {Order.Service.TABLE: profile.accepts_table_service, Order.Service.DELIVERY: profile.accepts_delivery}
    if not offered.get(Order.Service(service), True):
        raise ServiceRefusedError(service)


def _fields_check(order: Order) -> None:
    order.clean_fields(exclude={"org"})
    if order.service == Order.Service.TABLE and not order.table:
        raise ValidationError({"table": "Name the table that is to be served."})
    if order.service == Order.Service.DELIVERY and not order.delivery_address:
        raise ValidationError({"delivery_address": "Say where the order is to be delivered."})


def _open_check(order: Order, *, is_price_changed: bool) -> None:
    if not order.is_active:
        raise OrderClosedError(f"This order is {order.status} and can no longer be changed.")
    if order.billed_at is not None and is_price_changed:
        raise OrderClosedError("This order is billed: its lines, discount and phone number can no longer be changed.")


def _lines_build(
    order: Order, drafts: Sequence[LineDraft], *, first_position: int, using: str | None
) -> list[OrderLine]:
    items = MenuItem.objects.using(using).filter(org_id=order.org_id).in_bulk({draft.item_id for draft in drafts})
    lines = []
    for position, draft in enumerate(drafts, first_position):
        item = items.get(draft.item_id)
        if item is None:
            raise ItemUnavailableError(f"There is no dish {draft.item_id} on the menu.")
        if not item.is_available:
            raise ItemUnavailableError(f"{item.name} is not available at present.")
        if not 1 <= draft.quantity <= _MAX_QUANTITY:
            raise ValidationError({"lines": f"Quantities lie between 1 and {_MAX_QUANTITY}."})
        lines.append(
            OrderLine(
                org_id=order.org_id,
                order=order,
                item=item,
                item_name=item.name,
                options=list(draft.options),
                quantity=draft.quantity,
                unit_price=item.price,
                position=position,
            )
        )
    return lines


def _total_check(order: Order, lines: Sequence[OrderLine], profile: BusinessProfile) -> None:
    if not lines:
        raise ValidationError({"lines": "An order needs at least one line."})
    totals = bill_total(lines=lines, discount=order.discount, rule=TaxRule.of(profile))
    if totals.total > MAX_AMOUNT:
        raise ValidationError({"lines": "The order is worth more than can be billed; split it."})
