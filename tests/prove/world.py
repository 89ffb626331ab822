"""The restaurants of a run, in a database of its own."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from rest_framework.authtoken.models import Token

from billing.models import Bill
from billing.services.customers import customer_get_or_create
from orders.models import MenuItem, Order
from orders.services import LineDraft, order_create
from restaurant.profiles.models import BusinessProfile, Membership, User
from tests.prove.commitlog import commitlog_create
from tests.prove.targets import ORGS, PHONES, Target
from tests.prove.web import PASSWORD, TOKEN, USER
from tests.prove.writes import write

__all__ = ["world_create"]

_ORDERS: Final = 3


def world_create(orgs: Sequence[str] = ORGS) -> list[Target]:
    """Migrate, put the commit log in place, fill in the restaurants; returns everything that is read and written."""
    # Nobody else reads yet, and where sabotage keeps marks from being taken off, scenarios would have to wait for them.
    settings.CACHING = {**settings.CACHING, "MARK_SECONDS": 0.05}
    call_command("migrate", verbosity=0)
    commitlog_create()
    user = User.objects.create_superuser(USER, password=PASSWORD)
    Token.objects.create(user=user, key=TOKEN)
    targets = []
    for org in orgs:
        profile = BusinessProfile.objects.create(org_id=org, name=org.title(), legal_name="at first")
        Membership.objects.create(user=user, org=profile, role=Membership.Role.OWNER)
        dish = MenuItem.objects.create(org=profile, name="Soup", price=Decimal("5.00"))
        targets += [Target("profile", org), Target("active", org)]
        for table in range(_ORDERS):
            order, _ = order_create(
                org_id=org,
                lines=[LineDraft(dish.pk)],
                service="table",
                table=str(table),
                placed_at=timezone.now(),
            )
            targets += [Target("order", org, str(order.pk)), Target("bill", org, str(order.pk))]
        targets += [Target("page", org), *(Target("status", org, status) for status in ("pending", "confirmed"))]
        targets.append(_day(order))
        for phone in PHONES:
            customer_get_or_create(org_id=org, phone=phone)
            targets.append(Target("balance", org, phone))
    return targets


def _day(order: Order) -> Target:
    """Bill and pay a first cent of an order; returns the summary of that day."""
    now = timezone.now()
    zero = Decimal(0)
    amounts = {"subtotal": zero, "discount": zero, "tax": zero, "total": zero, "tax_rate": zero}
    Bill.objects.create(
        org_id=order.org_id,
        # Not one whose bill is watched: an issued bill never changes.
        order=Order.objects.create(
            org_id=order.org_id, number=0, service="takeaway", status="paid", placed_at=now, placed_on=now.date()
        ),
        number=0,
        currency=order.org.currency,
        tax_on="subtotal",
        prices_include_tax=False,
        issued_at=now,
        issued_on=now.date(),
        **amounts,
    )
    target = Target("summary", order.org_id, now.date().isoformat())
    write(target, "the first cent", way=0)
    return target
