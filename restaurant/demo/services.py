"""Writes the demo restaurants: settings, menus, customers, and two weeks of orders that end now."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from django.utils import timezone

from billing.models import Customer, LedgerEntry, Payment
from billing.selectors import customer_balance
from billing.services import bill_issue, ledger_append, order_pay, organisation_delete
from billing.services.history import HistoricLine, HistoricOrder, history_create
from orders.models import MenuItem, Order
from orders.services import LineDraft, order_change_status, order_create
from orders.statuses import Status
from restaurant.db import atomic
from restaurant.demo.catalogue import CUSTOMER_NAMES, RESTAURANTS, DemoRestaurant
from restaurant.money import money_quantize
from restaurant.profiles.models import BusinessProfile, Membership, User
from restaurant.profiles.services import membership_set, profile_create

ORDERS_EACH: Final = 200
"""Orders of each demo restaurant, finished and active."""

_SEED: Final = 1
_DAYS: Final = 14
_METHODS: Final = (Payment.Method.CARD, Payment.Method.CARD, Payment.Method.CASH, Payment.Method.ONLINE)
_STREETS: Final = ("Elm Road", "Station Street", "Harbour Lane", "Mill Hill")
# How far each active order has come, the latest placed first; a served order awaits its payment.
_ACTIVE: Final = (
    *((Status.PENDING,) * 3),
    *((Status.CONFIRMED,) * 2),
    *((Status.PREPARING,) * 3),
    *((Status.READY,) * 2),
    *((Status.SERVED,) * 2),
)
_PATH: Final = (Status.PENDING, Status.CONFIRMED, Status.PREPARING, Status.READY, Status.SERVED)


class DemoUser(NamedTuple):
    """A login to try a role with; the password is stored nowhere else."""

    username: str
    role: str
    password: str


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the orders of one restaurant are made of."""

    restaurant: DemoRestaurant
    profile: BusinessProfile
    menu: Sequence[MenuItem]
    customers: Sequence[Customer]
    chance: random.Random
    now: datetime


def demo_load(*, now: datetime | None = None) -> list[DemoUser]:
    """Write the demo restaurants, in place of those of an earlier time, and a user for each role.

    The same orders each time, made with a fixed seed and dated in the two weeks before `now`; passwords are random. All
    of it is one transaction.
    """
    moment = now or timezone.now()
    with atomic():
        for restaurant in RESTAURANTS:
            organisation_delete(org_id=restaurant.org_id)
            scene = _scene_make(restaurant, moment)
            history_create(org_id=restaurant.org_id, orders=list(_finished(scene)))
            _active_place(scene)
            _accounts_settle(scene)
        return [_user_make(role) for role in Membership.Role.values]


def _scene_make(restaurant: DemoRestaurant, now: datetime) -> _Scene:
    holidays = [
        {"first": f"{now.year}-{first}", "last": f"{now.year}-{last}", "name": name}
        for first, last, name in restaurant.holidays
    ]
    profile = profile_create(org_id=restaurant.org_id, fields={**restaurant.fields, "holidays": holidays})
    menu = [
        MenuItem(org=profile, name=name, price=Decimal(price), category=category)
        for category, dishes in restaurant.menu.items()
        for name, price in dishes
    ]
    MenuItem.objects.bulk_create(menu)
    customers = [
        Customer(org=profile, phone=f"{restaurant.phone_prefix}{index:03}", name=name)
        for index, name in enumerate(CUSTOMER_NAMES)
    ]
    Customer.objects.bulk_create(customers)
    chance = random.Random(f"{_SEED} {restaurant.org_id}")  # noqa: S311 - the same orders each time, no secrets
    return _Scene(restaurant, profile, menu, customers, chance, now)


def _finished(scene: _Scene) -> Iterator[HistoricOrder]:
    """Yield the paid orders, oldest first."""
    chance = scene.chance
    count = ORDERS_EACH - len(_ACTIVE)
    for placed_at in sorted(_opening_time(scene) for _ in range(count)):
        lines = [
            HistoricLine(item_id=item.pk, item_name=item.name, quantity=quantity, unit_price=item.price)
            for item, quantity in _choice(scene)
        ]
        customer = chance.choice(scene.customers) if chance.random() < 0.6 else None
        is_on_account = customer is not None and chance.random() < 0.1
        service = chance.choice(scene.restaurant.services)
        yield HistoricOrder(
            placed_at=placed_at,
            lines=lines,
            service=service,
            table=_table(service, chance),
            delivery_address=_address(service, chance),
            discount=_discount(lines, scene),
            customer=customer,
            method=Payment.Method.ACCOUNT if is_on_account else chance.choice(_METHODS),
        )


def _opening_time(scene: _Scene) -> datetime:
    """Return a moment of the last two weeks at which the restaurant was open."""
    zone = ZoneInfo(scene.profile.time_zone)
    chance = scene.chance
    today = scene.now.astimezone(zone).date()
    while True:
        day = today - timedelta(days=chance.randrange(_DAYS))
        spans = scene.profile.hours_on(day)
        opens, closes = chance.choice(spans) if spans else ("00:00", "00:00")
        begin, end = (datetime.combine(day, time.fromisoformat(clock), zone) for clock in (opens, closes))
        moment = begin + (end - begin) * chance.random()
        # Later than the active ones, which are of the last hour, nothing is finished.
        if begin < end and moment < scene.now - timedelta(hours=1):
            return moment


def _active_place(scene: _Scene) -> None:
    """Place the orders of the last hour, through the services, and move each as far as it has come."""
    chance, org_id = scene.chance, scene.profile.pk
    for minutes, status in reversed(list(enumerate(_ACTIVE))):
        service = chance.choice(scene.restaurant.services)
        customer = chance.choice(scene.customers) if chance.random() < 0.7 else None
        order, _ = order_create(
            org_id=org_id,
            lines=[LineDraft(item.pk, quantity) for item, quantity in _choice(scene)],
            service=service,
            customer_phone=customer.phone if customer else "",
            customer_name=customer.name if customer else "",
            table=_table(service, chance),
            delivery_address=_address(service, chance),
            placed_at=scene.now - timedelta(minutes=4 * minutes + 1),
        )
        for step in _PATH[1 : _PATH.index(status) + 1]:
            order_change_status(org_id=org_id, order_id=order.pk, status=step)
        if status == Status.SERVED:
            bill = bill_issue(org_id=org_id, order_id=order.pk)
            half = money_quantize(bill.total / 2, bill.currency)
            order_pay(org_id=org_id, order_id=order.pk, method="card", amount=half, idempotency_key=f"demo:{order.pk}")


def _accounts_settle(scene: _Scene) -> None:
    """Let every third customer who owes something pay it in."""
    for customer in scene.customers[::3]:
        owed = customer_balance(org_id=scene.profile.pk, phone=customer.phone)
        if owed:
            ledger_append(
                org_id=scene.profile.pk,
                customer_id=customer.pk,
                kind=LedgerEntry.Kind.PAYMENT,
                amount=-owed,
                idempotency_key=f"demo:{customer.pk}",
                memo="Paid in on account",
            )


def _choice(scene: _Scene) -> list[tuple[MenuItem, int]]:
    items = scene.chance.sample(scene.menu, scene.chance.randint(1, 5))
    return [(item, scene.chance.choice((1, 1, 1, 2, 2, 3))) for item in items]


def _discount(lines: Sequence[HistoricLine], scene: _Scene) -> Decimal:
    if scene.chance.random() >= 0.1:
        return Decimal(0)
    subtotal = sum((line.quantity * line.unit_price for line in lines), Decimal(0))
    return money_quantize(subtotal / 10, scene.profile.currency)


def _table(service: str, chance: random.Random) -> str:
    return str(chance.randint(1, 18)) if service == Order.Service.TABLE else ""


def _address(service: str, chance: random.Random) -> str:
    return f"{chance.randint(1, 99)} {chance.choice(_STREETS)}" if service == Order.Service.DELIVERY else ""


def _user_make(role: str) -> DemoUser:
    password = secrets.token_urlsafe(12)
    user, _ = User.objects.get_or_create(username=f"demo-{role}")
    user.set_password(password)
    user.save()
    for restaurant in RESTAURANTS:
        membership_set(user_id=user.pk, org_id=restaurant.org_id, role=role)
    return DemoUser(user.username, role, password)
