"""The scratch organisation in which a day is replayed, so that the true one's books stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from billing.services import organisation_delete
from orders.models import MenuItem, Order
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.selectors import profile_get, profile_required
from restaurant.profiles.services import UPDATABLE, profile_create
from restaurant.replay.script import Dish, Script

_SUFFIX: Final = "-replay"
_MARK: Final = "Scratch organisation of replay_orders; removed and made anew by each replay"


class NotScratchError(Exception):
    """There is an organisation of the scratch one's name that is none, and must not be removed."""


def scratch_org_id(org_id: str) -> str:
    """Return the name of the scratch organisation that belongs to an organisation."""
    longest = BusinessProfile._meta.get_field("org_id").max_length or 0
    return org_id[: longest - len(_SUFFIX)] + _SUFFIX


def scratch_make(*, org_id: str, script: Script) -> Mapping[Dish, UUID]:
    """Remove the scratch organisation of the last replay, make it anew, and return the items of its menu.

    It has the settings of the true one. Raises NotScratchError when the name belongs to a true organisation.
    """
    source, scratch = profile_required(org_id=org_id), scratch_org_id(org_id)
    former = profile_get(org_id=scratch)
    if former is not None and former.legal_name != _MARK:
        raise NotScratchError(f"{scratch!r} is an organisation of its own; rename it, for a replay would remove it.")
    organisation_delete(org_id=scratch)
    fields = {name: getattr(source, name) for name in UPDATABLE}
    services = {order.service for order in script.orders}
    # The day took place, whatever the restaurant offers by now.
    fields["accepts_delivery"] |= Order.Service.DELIVERY in services
    fields["accepts_table_service"] |= Order.Service.TABLE in services
    profile_create(org_id=scratch, fields={**fields, "name": f"Replay of {org_id}", "legal_name": _MARK})
    dishes = dict.fromkeys(dish for order in script.orders for dish, _ in order.dishes)
    menu = {dish: MenuItem(org_id=scratch, name=dish.name, price=dish.price, category="Replayed") for dish in dishes}
    MenuItem.objects.bulk_create(menu.values())
    return {dish: item.pk for dish, item in menu.items()}
