"""The restaurants of a run, in a database of its own."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from rest_framework.authtoken.models import Token

from billing.services.customers import customer_get_or_create
from orders.models import MenuItem
from orders.services import LineDraft, order_create
from restaurant.profiles.models import BusinessProfile, Membership, User
from tests.prove.commitlog import commitlog_create
from tests.prove.targets import ORGS, PHONES, Target
from tests.prove.web import PASSWORD, TOKEN, USER

__all__ = ["world_create"]

_ORDERS: Final = 3


def world_create() -> list[Target]:
    """Migrate, put the commit log in place, fill in two restaurants; returns everything that is read and written."""
    # Nobody else reads yet, and where sabotage keeps marks from being taken off, scenarios would have to wait for them.
    settings.CACHING = {**settings.CACHING, "MARK_SECONDS": 0.05}
    call_command("migrate", verbosity=0)
    commitlog_create()
    user = User.objects.create_superuser(USER, password=PASSWORD)
    Token.objects.create(user=user, key=TOKEN)
    targets = []
    for org in ORGS:
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
            targets.append(Target("order", org, str(order.pk)))
        for phone in PHONES:
            customer_get_or_create(org_id=org, phone=phone)
            targets.append(Target("balance", org, phone))
    return targets
