"""Every way of writing from inside a process: query sets, bulk inserts and the project's services."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from billing.models import Bill, Customer, LedgerEntry, Payment
from billing.services.customers import ledger_append
from caching.retrying import retrying
from orders.models import Order, OrderLine
from orders.services import order_change_status, order_numbers_take, order_update
from orders.statuses import ACTIVE, Status, moves_by_hand
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.services import profile_update
from tests.prove.targets import Target, target_read

__all__ = ["WAYS", "mark_fresh", "write"]

# Above this the oldest order is cancelled for each new one, so that lists stay as long as a kitchen's.
_ACTIVE_ORDERS = 12
_LINES = 20
# Between these an order may go to and fro, in and out of the list of active ones.
_STATUSES = (Status.PENDING, Status.CONFIRMED, Status.CANCELLED)

_numbers = itertools.count()


def mark_fresh(writer: str) -> str:
    """Return a text that no other write has."""
    return f"{writer}-{os.getpid()}-{next(_numbers)}"


def _profile_by_queryset(target: Target, mark: str) -> None:
    BusinessProfile.objects.filter(pk=target.org).update(legal_name=mark)


def _profile_by_service(target: Target, mark: str) -> None:
    profile_update(org_id=target.org, updates={"legal_name": mark})


def _order_by_queryset(target: Target, mark: str) -> None:
    Order.objects.filter(pk=target.part).update(notes=mark)


def _order_by_service(target: Target, mark: str) -> None:
    order_update(org_id=target.org, order_id=UUID(target.part), changes={"notes": mark})


def _order_lines(target: Target, mark: str) -> None:
    with transaction.atomic():
        count = OrderLine.objects.filter(order_id=target.part).count()
        if count < _LINES:
            lines = [_line(target.org, UUID(target.part), mark, count + more) for more in range(2)]
            OrderLine.objects.bulk_create(lines)


def _order_price(target: Target, mark: str) -> None:
    # A cent more each time, so that no two bills are alike.
    dearer = {"unit_price": F("unit_price") + Decimal("0.01"), "item_name": mark}
    OrderLine.objects.filter(order_id=target.part, position=0).update(**dearer)


def _order_status(target: Target, mark: str) -> None:
    active = list(Order.objects.filter(org_id=target.org, status__in=ACTIVE))
    order = random.choice(active) if active else None
    moves = [move for move in moves_by_hand(order.status) if move is not Status.CANCELLED] if order else []
    if order and moves:
        order_change_status(org_id=target.org, order_id=order.pk, status=moves[0])


def _line(org: str, order_id: UUID, mark: str, position: int) -> OrderLine:
    return OrderLine(
        org_id=org, order_id=order_id, item_name=mark, quantity=1, unit_price=Decimal(10), position=position
    )


def _list_by_bulk_create(target: Target, mark: str) -> None:
    now = timezone.now()
    with transaction.atomic():
        number = order_numbers_take(org_id=target.org, count=1)
        order = Order(
            org_id=target.org, number=number, service="takeaway", notes=mark, placed_at=now, placed_on=now.date()
        )
        Order.objects.bulk_create([order])
        OrderLine.objects.bulk_create([_line(target.org, order.pk, mark, 0)])


def _list_by_queryset(target: Target, mark: str) -> None:
    with transaction.atomic():
        # The orders that the run began with stand on tables; they stay.
        orders = Order.objects.filter(org_id=target.org, service="takeaway", status__in=ACTIVE)
        active = list(orders.order_by("number"))
        if len(active) > _ACTIVE_ORDERS:
            Order.objects.filter(pk__in=[order.pk for order in active[:3]]).update(status="cancelled", notes=mark)
        elif active:
            Order.objects.filter(pk=random.choice(active).pk).update(notes=mark)


def _list_by_status(target: Target, mark: str) -> None:
    order = random.choice(list(Order.objects.filter(org_id=target.org)))
    others = [status for status in _STATUSES if status != order.status]
    Order.objects.filter(pk=order.pk).update(status=random.choice(others), notes=mark)


def _balance_by_service(target: Target, mark: str) -> None:
    customer = Customer.objects.get(org_id=target.org, phone=target.part)
    ledger_append(
        org_id=target.org, customer_id=customer.pk, kind="charge", amount=Decimal("1.00"), idempotency_key=mark
    )


def _balance_by_bulk_create(target: Target, mark: str) -> None:
    customer = Customer.objects.get(org_id=target.org, phone=target.part)
    entry = LedgerEntry(
        org_id=target.org,
        customer=customer,
        kind="charge",
        amount=Decimal("1.00"),
        idempotency_key=mark,
        created_at=timezone.now(),
    )
    LedgerEntry.objects.bulk_create([entry])


def _payment(target: Target, mark: str) -> Payment:
    return Payment(
        org_id=target.org,
        bill=Bill.objects.filter(org_id=target.org)[0],
        method=Payment.Method.CASH,
        amount=Decimal("0.01"),
        received_at=timezone.now(),
        received_on=target.part,
        idempotency_key=mark,
    )


def _summary_by_save(target: Target, mark: str) -> None:
    _payment(target, mark).save()


def _summary_by_bulk_create(target: Target, mark: str) -> None:
    Payment.objects.bulk_create([_payment(target, mark)])


#: By kind of target: every way to write it. The first of each always changes what a reader sees of it.
WAYS: dict[str, tuple[Callable[[Target, str], None], ...]] = {
    "profile": (_profile_by_queryset, _profile_by_service),
    "order": (_order_by_queryset, _order_by_service, _order_lines, _order_status),
    "active": (_list_by_bulk_create, _list_by_queryset),
    "status": (_list_by_status,),
    "balance": (_balance_by_service, _balance_by_bulk_create),
    "bill": (_order_price,),
    "summary": (_summary_by_save, _summary_by_bulk_create),
}


class _ChangedMindError(Exception):
    """Makes a transaction roll back."""


def _rolled_back(target: Target, mark: str) -> None:
    try:
        with transaction.atomic():
            WAYS[target.kind][0](target, mark)
            # What this reader sees must stay its own.
            target_read(target)
            raise _ChangedMindError
    except _ChangedMindError:
        return


def write(target: Target, mark: str, *, way: int | None = None) -> str:
    """Write `target` once, by one of the ways (a random one: None; -1: written and rolled back); returns its name."""
    ways = WAYS[target.kind]
    function = _rolled_back if way == -1 else random.choice(ways) if way is None else ways[way]
    # Not all ways of writing run again by themselves where others came first.
    retrying(None, lambda: function(target, mark))
    return function.__name__.strip("_")
