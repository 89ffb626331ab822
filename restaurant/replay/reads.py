"""What the screens of a restaurant read, and how often; each read with its way around the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

from billing.cached import bill_total, billing_summary, customer_balance
from orders.cached import DEFAULT_PAGE_SIZE, order, orders_page
from restaurant.fast_access import get_business_profile_cache, get_order_fast_access_cache
from restaurant.profiles.cached import profile, profile_lite

TARGETS: Final = {"profile": 0.95, "orders": 0.85, "balance": 0.90, "billing": 0.80}
"""The hit rates that the specification asks for, by group of reads."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How often each screen reads per event.

    A day of 39 orders has an event every minute or two, so a screen that asks every 5 seconds asks more than 15 times.
    """

    kitchen_active_list: int = 16
    kitchen_order: int = 4
    till_profile_lite: int = 2
    till_order: int = 8
    till_orders_page: int = 8
    till_bill: int = 8
    till_balance: int = 2
    billing_summary: int = 12
    billing_profile: int = 1
    billing_balances: int = 8

    def describe(self) -> tuple[str, ...]:
        """Return, for people, who reads what per event."""
        return (
            f"Kitchen screen, per event: active orders x{self.kitchen_active_list}, the order x{self.kitchen_order}.",
            f"Tills, per event of their own (placed, served, paid): profile lite x{self.till_profile_lite}, "
            f"the order x{self.till_order}, first page of orders x{self.till_orders_page}, "
            f"its bill x{self.till_bill}, the customer's balance x{self.till_balance}.",
            f"Billing page, per event: summary of the day x{self.billing_summary}, profile x{self.billing_profile}, "
            f"balances of the {self.billing_balances} customers seen last.",
        )


HABITS: Final = Habits()


class Read(NamedTuple):
    """One kind of read: `cached` goes through the cache, `stored` around it; both return the same when all is well."""

    group: str
    name: str
    cached: Callable[[], Any]
    stored: Callable[[], Any]


class Reads:
    """The reads of one organisation on one day."""

    def __init__(self, org_id: str, day: date) -> None:
        self._org, self._day = org_id, day
        self._orders = get_order_fast_access_cache()
        self._profiles = get_business_profile_cache()

    def profile(self) -> Read:
        org = self._org
        return Read(
            "profile", "profile", lambda: self._profiles.get_profile(org), lambda: profile.get(org, use_cache=False)
        )

    def profile_lite(self) -> Read:
        org = self._org
        return Read(
            "profile",
            "profile lite",
            lambda: self._profiles.get_profile_lite(org),
            lambda: profile_lite.get(org, use_cache=False),
        )

    def active_list(self) -> Read:
        org = self._org
        return Read(
            "orders",
            "active orders",
            lambda: self._orders.get_active_orders(org),
            lambda: self._orders.get_active_orders(org, use_cache=False),
        )

    def first_page(self) -> Read:
        org = self._org
        return Read(
            "orders",
            "page of orders",
            lambda: self._orders.get_orders_paginated(org, 1, DEFAULT_PAGE_SIZE),
            lambda: orders_page.get(org, 1, DEFAULT_PAGE_SIZE, use_cache=False),
        )

    def order(self, order_id: UUID) -> Read:
        org = self._org
        return Read(
            "orders",
            "order",
            lambda: self._orders.get_order_by_id(order_id, org),
            lambda: order.get(org, order_id, use_cache=False),
        )

    def bill(self, order_id: UUID) -> Read:
        org = self._org
        return Read(
            "billing",
            "bill",
            lambda: self._orders.calculate_bill_total(org, order_id),
            lambda: bill_total.get(org, order_id, use_cache=False),
        )

    def summary(self) -> Read:
        org, day = self._org, self._day
        return Read(
            "billing",
            "summary of the day",
            lambda: self._orders.get_billing_summary(org, day),
            lambda: billing_summary.get(org, day, use_cache=False),
        )

    def balance(self, phone: str) -> Read:
        org = self._org
        return Read(
            "balance",
            "balance",
            lambda: self._orders.get_customer_balance(org, phone),
            lambda: customer_balance.get(org, phone, use_cache=False),
        )
