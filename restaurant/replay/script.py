"""Writes the script of a day: who ordered what, and when what happened to each order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from billing.models import Payment
from orders.models import Order
from orders.statuses import Status

SETTINGS: Final = "settings"
"""The kind of the one event that is about no order: the manager changes the profile, half-way through the day."""

_SEED: Final = 20_190_518
_CUSTOMERS: Final = 12
_SHARE_OF_KNOWN: Final = 0.75
_METHODS: Final = (Payment.Method.CARD, Payment.Method.CASH, Payment.Method.ONLINE)
# Minutes after it was placed that each step of an order takes place.
_STEPS: Final = (
    (Status.PENDING, 0),
    (Status.CONFIRMED, 1),
    (Status.PREPARING, 3),
    (Status.READY, 18),
    (Status.SERVED, 25),
    (Status.PAID, 26),
)
_CANCELLED_AFTER: Final = (*_STEPS[:2], (Status.CANCELLED, 2))


class Dish(NamedTuple):
    """What was sold: an item of the scratch organisation's menu is one name at one price."""

    name: str
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedOrder:
    """One order of the day; `phone` is that of a made-up customer, or "" for somebody unknown."""

    dishes: tuple[tuple[Dish, int], ...]
    discount: Decimal
    service: str
    phone: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`kind` is the status an order gets, or SETTINGS; `previous` the index of the event that must come before."""

    index: int
    at: timedelta
    kind: str
    order: int | None
    previous: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The orders of a day and its events in order of time, counted from the first order."""

    orders: tuple[ScriptedOrder, ...]
    events: tuple[Event, ...]

    @property
    def phones(self) -> tuple[str, ...]:
        """The customers' numbers, each once."""
        return tuple(dict.fromkeys(order.phone for order in self.orders if order.phone))


def script_write(*, org_id: str, day: date) -> Script:
    """Return the script of the orders that the organisation's database rows hold for a local day.

    Customers are assigned by a fixed seed, whoever ordered in truth; nothing personal is copied. Empty when nothing was
    ordered that day.
    """
    chance = random.Random(_SEED)  # noqa: S311 - the same customers each time, which is no secret
    rows = Order.objects.filter(org_id=org_id, placed_on=day).prefetch_related("lines")
    # Oldest first; orders without lines cannot be placed again.
    orders = [row for row in rows.order_by("placed_at", "number") if row.lines.all()]
    return Script(orders=tuple(_scripted(row, chance) for row in orders), events=_events(orders))


def _scripted(row: Order, chance: random.Random) -> ScriptedOrder:
    # Numbers that are set aside for fiction.
    customer = f"+44770090{chance.randrange(_CUSTOMERS):04}"
    return ScriptedOrder(
        dishes=tuple((Dish(line.item_name, line.unit_price), line.quantity) for line in row.lines.all()),
        discount=row.discount,
        service=row.service,
        phone=customer if chance.random() < _SHARE_OF_KNOWN else "",
        method=chance.choice(_METHODS),
    )


def _events(rows: Sequence[Order]) -> tuple[Event, ...]:
    if not rows:
        return ()
    opening = rows[0].placed_at
    moments: list[tuple[datetime, int | None, int, str]] = [
        (row.placed_at + timedelta(minutes=minutes), order, step, kind)
        for order, row in enumerate(rows)
        for step, (kind, minutes) in enumerate(_CANCELLED_AFTER if row.status == Status.CANCELLED else _STEPS)
    ]
    moments.sort()
    middle = len(moments) // 2
    moments.insert(middle, (moments[middle][0], None, 0, SETTINGS))
    latest: dict[int | None, int] = {}
    events = []
    for index, (moment, order, _, kind) in enumerate(moments):
        previous = latest.get(order)
        events.append(Event(index=index, at=moment - opening, kind=kind, order=order, previous=previous))
        latest[order] = index
    return tuple(events)
