"""The five values of most rows: how we read each, and what a user of another cache keeps for the same purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from rest_framework import serializers

from benchmarks.serializers import BalanceSerializer, OrderSerializer, ProfileSerializer
from benchmarks.world import ORG, PHONES, order_ids
from billing.cached import bill_total, customer_balance
from billing.selectors import bill_total_get, customer_balances
from caching import ListRegion, Region
from caching.keys import Key
from orders.cached import active_orders, order
from orders.selectors import order_refs_active, orders_get
from restaurant.fast_access import get_business_profile_cache, get_order_fast_access_cache
from restaurant.money import MAX_DIGITS
from restaurant.profiles.cached import profile
from restaurant.profiles.selectors import profile_required

__all__ = ["Value", "body_of", "load_anew", "values_all"]

_PLACES: Final = 2
_CURRENCY: Final = "GBP"
_KILOBYTE: Final = 1000


class _BillSerializer(serializers.Serializer[object]):
    subtotal = serializers.DecimalField(MAX_DIGITS, _PLACES)
    discount = serializers.DecimalField(MAX_DIGITS, _PLACES)
    tax = serializers.DecimalField(MAX_DIGITS, _PLACES)
    total = serializers.DecimalField(MAX_DIGITS, _PLACES)


@dataclass(frozen=True)
class Value:
    """One value: `read` is our public method with its arguments, `data` what serializers make of the same rows.

    `name` is its key in other caches; `region` and `key` tell where we keep it.
    """

    name: str
    label: str
    region: Region[Any]
    key: Key
    read: Callable[[], object]
    data: object

    @property
    def what(self) -> str:
        """What it is, with its size as JSON."""
        size = len(body_of(self))
        return f"{self.label}, {size / 1000:.1f} KB" if size >= _KILOBYTE else f"{self.label}, {size} bytes"


def body_of(value: Value) -> bytes:
    """Return the value's JSON as our API sends it."""
    return value.region.entry(value.key.org, *value.key.parts, using=value.key.alias).body


def load_anew(value: Value) -> None:
    """Have the value loaded at this moment, so that it does not expire while it is measured."""
    regions = [value.region, value.region.items] if isinstance(value.region, ListRegion) else [value.region]
    for region in regions:
        region.clear(value.key.org)
    value.read()


def values_all() -> list[Value]:
    """Return profile, active orders, order, bill and balance, in this order, of the restaurant of `world_create`."""
    profiles, orders = get_business_profile_cache(), get_order_fast_access_cache()
    newest = order_ids()[0]
    return [
        Value("profile", "Business profile", profile, profile.key(ORG), partial(profiles.get_profile, ORG), _profile()),
        Value(
            "active", "Active orders", active_orders, active_orders.key(ORG),
            partial(orders.get_active_orders, ORG), _orders([pk for pk, _ in order_refs_active(org_id=ORG)]),
        ),
        Value(
            "order", "One order", order, order.key(ORG, newest),
            partial(orders.get_order_by_id, newest, ORG), _orders([newest])[0],
        ),
        Value(
            "bill", "Bill total", bill_total, bill_total.key(ORG, newest),
            partial(orders.calculate_bill_total, ORG, newest), _bill(newest),
        ),
        Value(
            "balance", "Customer's balance", customer_balance, customer_balance.key(ORG, PHONES[0]),
            partial(orders.get_customer_balance, ORG, PHONES[0]), _balance(PHONES[0]),
        ),
    ]  # fmt: skip


def _profile() -> dict[str, Any]:
    return dict(ProfileSerializer(profile_required(org_id=ORG)).data)


def _orders(ids: Sequence[UUID]) -> list[dict[str, Any]]:
    rows = orders_get(org_id=ORG, order_ids=ids)
    return list(OrderSerializer(rows, many=True, context={"currency": _CURRENCY}).data)


def _bill(order_id: UUID) -> dict[str, Any]:
    return dict(_BillSerializer(bill_total_get(org_id=ORG, order_id=order_id)).data)


def _balance(phone: str) -> dict[str, Any]:
    ((customer, balance),) = customer_balances(org_id=ORG, phones=[phone])
    return dict(BalanceSerializer({"customer": customer, "balance": balance}).data)
