"""The data of every row: one restaurant of the sizes that the targets name, made the same way each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import QuerySet

from billing.models import Customer, LedgerEntry
from billing.services import ledger_append
from orders.models import MenuItem, Order, OrderLine
from orders.services import LineDraft, order_create, order_numbers_take
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.services import profile_create
from restaurant.profiles.validation import WEEKDAYS

__all__ = [
    "ACTIVE",
    "LINES",
    "ORG",
    "PHONES",
    "order_ids",
    "orders_copy",
    "organisations_create",
    "organisations_delete",
    "world_create",
]

ORG: Final = "bench"
#: Active orders of `ORG`, of so many lines each.
ACTIVE: Final = 100
LINES: Final = 12
#: Customers of `ORG`, each with a balance.
PHONES: Final = tuple(f"+44207946{number:04}" for number in range(20))

_DISHES: Final = 40
# Orders that are taken as the site takes them; the others are copies, which are written much faster.
_ORDERED: Final = 20
_HOURS: Final = {day: [["11:30", "15:00"], ["17:00", "22:30"]] for day in WEEKDAYS}


def world_create(*, active: int = ACTIVE) -> None:
    """Write `ORG` with its menu, customers and `active` orders of `LINES` lines into the migrated default database."""
    with transaction.atomic():
        profile = profile_create(org_id=ORG, fields=_fields("Bench"))
        dishes = [
            MenuItem(
                org=profile,
                name=f"Dish {number:02} of the day, slowly roasted with herbs and seasonal vegetables from the garden",
                price=Decimal(5 + number),
            )
            for number in range(_DISHES)
        ]
        MenuItem.objects.bulk_create(dishes)
        customers = [Customer(org=profile, phone=phone, name="A guest") for phone in PHONES]
        for customer in Customer.objects.bulk_create(customers):
            ledger_append(
                org_id=ORG,
                customer_id=customer.pk,
                kind=LedgerEntry.Kind.CHARGE,
                amount=Decimal("12.50"),
                idempotency_key=f"bench {customer.phone}",
            )
        _orders_create(profile, dishes, min(active, _ORDERED))
    orders_copy({ORG: max(0, active - _ORDERED)})


def _orders_create(profile: BusinessProfile, dishes: Sequence[MenuItem], count: int) -> None:
    now = datetime.now(UTC)
    for number in range(count):
        drafts = [
            LineDraft(
                dishes[(number + line) % len(dishes)].pk,
                1 + line % 3,
                options=("without onions, please", "sauce on the side, not on top", "well done, no pink at all"),
            )
            for line in range(LINES)
        ]
        order_create(
            org_id=profile.pk,
            lines=drafts,
            service="table",
            table=str(number % 30),
            notes="Window seat, please; one guest is allergic to nuts and another one is vegetarian.",
            placed_at=now - timedelta(minutes=number % 50),
        )


def organisations_create(count: int) -> list[str]:
    """Write `count` further organisations with profiles of the usual size; returns their ids."""
    ids = [f"other-{number:04}" for number in range(count)]
    # Around the manager, which marks all that a profile makes stale: nobody has read them, and it takes its time.
    _profiles().bulk_create(BusinessProfile(org_id=org, **_fields(org)) for org in ids)
    return ids


def organisations_delete(ids: Sequence[str]) -> None:
    """Delete those organisations again, in the same way: whoever has read them clears the caches."""
    rows = _profiles().filter(pk__in=ids)
    rows._raw_delete(rows.db)


def orders_copy(counts: Mapping[str, int]) -> None:
    """Write so many active orders for each organisation, copies of those of `ORG`, in the same way."""
    originals = list(Order.objects.filter(org_id=ORG).prefetch_related("lines"))
    orders: list[Order] = []
    lines: list[OrderLine] = []
    for org_id, count in counts.items():
        first = order_numbers_take(org_id=org_id, count=count)
        for number in range(count):
            original = originals[number % len(originals)]
            order = copy(original)
            order.pk, order.org_id, order.number = uuid4(), org_id, first + number
            orders.append(order)
            for each in original.lines.all():
                line = copy(each)
                line.pk, line.org_id, line.order_id = uuid4(), org_id, order.pk
                lines.append(line)
    QuerySet[Order](Order).bulk_create(orders)
    QuerySet[OrderLine](OrderLine).bulk_create(lines)


def order_ids() -> list[UUID]:
    """Return the ids of the orders of `ORG`, newest first."""
    return list(Order.objects.filter(org_id=ORG).order_by("-placed_at", "-number").values_list("pk", flat=True))


def _profiles() -> QuerySet[BusinessProfile]:
    return QuerySet(BusinessProfile)


def _fields(name: str) -> dict[str, object]:
    return {
        "name": f"{name} Kitchen and Bar",
        # As long as it may be, which SQLite does not mind and PostgreSQL does.
        "legal_name": (f"{name} Kitchen and Bar Limited, trading as The {name} " + "Company " * 18)[:200],
        "tax_id": "GB999999973",
        "address": "1 Benchmark Street\nSecond floor, left of the lift\n" + "Industrial quarter, " * 30,
        "phone": "+442079460000",
        "email": "kitchen@example.com",
        "currency": "GBP",
        "time_zone": "Europe/London",
        "opening_hours": _HOURS,
        "tax_rate": Decimal("20.00"),
    }
