"""Orders, bills and balances by one object: cached reads and their invalidation."""

from __future__ import annotations

from datetime import date
from typing import Any, Final, TypedDict
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS

from billing.cached import CustomerBalance, DaySummary, OrderBill, bill_total, billing_summary, customer_balance
from caching import Listing
from caching.steps import adrive, drive
from orders.cached import DEFAULT_PAGE_SIZE, OrderSnapshot, active_orders, order, orders_by_status, orders_page
from restaurant.fast_access import inputs
from restaurant.fast_access.figures import CacheStats, cache_stats

__all__ = ["OrderCacheStats", "OrderFastAccessCache"]

_LISTS: Final = (active_orders, orders_by_status, orders_page)
_BILLING: Final = (bill_total, billing_summary)


class OrderCacheStats(TypedDict):
    """The statistics of the three kinds of reads."""

    order_cache: CacheStats
    billing_cache: CacheStats
    balance_cache: CacheStats


class OrderFastAccessCache:
    """Orders (120 s), bills and summaries (300 s) and customers' balances (600 s), fresh after every commit.

    `using` is the alias of the database. Methods whose names begin with `a` are coroutines and do the same. Reads raise
    ValueError for arguments that make no sense and what the database raises; a Redis out of reach they work around. An
    order id is a UUID or its text. An unknown organisation has no orders: lists are empty, everything else is None.
    """

    # --- orders -------------------------------------------------------------------------------------------------------

    def get_active_orders(
        self, org_id: str, use_cache: bool = True, *, using: str = DEFAULT_DB_ALIAS
    ) -> tuple[OrderSnapshot, ...]:
        """Return the orders the restaurant still has to do something about, newest first.

        With `use_cache=False` they are read from the database and nothing is kept.
        """
        listing: Any = active_orders.get(org_id, using=using, use_cache=use_cache)
        return listing.results  # type: ignore[no-any-return]

    async def aget_active_orders(
        self, org_id: str, use_cache: bool = True, *, using: str = DEFAULT_DB_ALIAS
    ) -> tuple[OrderSnapshot, ...]:
        """Return what `get_active_orders` returns."""
        return _orders(await active_orders.aget(org_id, using=using, use_cache=use_cache))

    def get_orders_by_status(
        self, org_id: str, status: str, *, using: str = DEFAULT_DB_ALIAS
    ) -> tuple[OrderSnapshot, ...]:
        """Return the orders in that status, newest first."""
        return _orders(orders_by_status.get(org_id, inputs.status(status), using=using))

    async def aget_orders_by_status(
        self, org_id: str, status: str, *, using: str = DEFAULT_DB_ALIAS
    ) -> tuple[OrderSnapshot, ...]:
        """Return what `get_orders_by_status` returns."""
        return _orders(await orders_by_status.aget(org_id, inputs.status(status), using=using))

    def get_order_by_id(
        self, order_id: UUID | str, org_id: str, *, using: str = DEFAULT_DB_ALIAS
    ) -> OrderSnapshot | None:
        """Return the order, None when the organisation has no such order."""
        # A call less where nothing is to be parsed: it counts beside a hit of a microsecond.
        return order.get(org_id, order_id if type(order_id) is UUID else inputs.order_id(order_id), using=using)

    async def aget_order_by_id(
        self, order_id: UUID | str, org_id: str, *, using: str = DEFAULT_DB_ALIAS
    ) -> OrderSnapshot | None:
        """Return what `get_order_by_id` returns."""
        return await order.aget(org_id, inputs.order_id(order_id), using=using)

    def get_orders_paginated(
        self, org_id: str, page: int = 1, page_size: int = DEFAULT_PAGE_SIZE, *, using: str = DEFAULT_DB_ALIAS
    ) -> Listing[OrderSnapshot]:
        """Return a page of orders, newest first, and how many orders there are; a page beyond the last is empty.

        Pages are numbered from 1 and hold 1 to 100 orders.
        """
        return _listing(orders_page.get(org_id, page, page_size, using=using))

    async def aget_orders_paginated(
        self, org_id: str, page: int = 1, page_size: int = DEFAULT_PAGE_SIZE, *, using: str = DEFAULT_DB_ALIAS
    ) -> Listing[OrderSnapshot]:
        """Return what `get_orders_paginated` returns."""
        return _listing(await orders_page.aget(org_id, page, page_size, using=using))

    # --- billing ------------------------------------------------------------------------------------------------------

    def calculate_bill_total(
        self, org_id: str, order_id: UUID | str, *, using: str = DEFAULT_DB_ALIAS
    ) -> OrderBill | None:
        """Return subtotal, discount, tax and total of an order, None when the organisation has no such order.

        Raises DiscountError for an order whose discount exceeds what its lines cost.
        """
        return bill_total.get(org_id, order_id if type(order_id) is UUID else inputs.order_id(order_id), using=using)

    async def acalculate_bill_total(
        self, org_id: str, order_id: UUID | str, *, using: str = DEFAULT_DB_ALIAS
    ) -> OrderBill | None:
        """Return what `calculate_bill_total` returns."""
        return await bill_total.aget(org_id, inputs.order_id(order_id), using=using)

    def get_billing_summary(
        self, org_id: str, day: date | None = None, *, using: str = DEFAULT_DB_ALIAS
    ) -> DaySummary | None:
        """Return the business of one local day, today in the organisation's time zone unless given."""
        return drive(inputs.summary_of_day(org_id, day, using))

    async def aget_billing_summary(
        self, org_id: str, day: date | None = None, *, using: str = DEFAULT_DB_ALIAS
    ) -> DaySummary | None:
        """Return what `get_billing_summary` returns."""
        return await adrive(inputs.summary_of_day(org_id, day, using))

    def get_customer_balance(self, org_id: str, phone: str, *, using: str = DEFAULT_DB_ALIAS) -> CustomerBalance | None:
        """Return what the customer with that phone number owes, None when the organisation knows nobody by it.

        A number without a country code belongs to the country of the organisation's own. Raises ValueError for what is
        no phone number.
        """
        return drive(inputs.balance_of_phone(org_id, phone, using))

    async def aget_customer_balance(
        self, org_id: str, phone: str, *, using: str = DEFAULT_DB_ALIAS
    ) -> CustomerBalance | None:
        """Return what `get_customer_balance` returns."""
        return await adrive(inputs.balance_of_phone(org_id, phone, using))

    # --- invalidation: writes do this by themselves; it is for changes made around Django ---------------------------

    def invalidate_order_cache(
        self, org_id: str, order_id: UUID | str | None = None, *, using: str = DEFAULT_DB_ALIAS
    ) -> None:
        """Make the organisation's lists stale, and that order or, without `order_id`, all its orders, on all hosts.

        Raises `MarkFailed` when Redis is out of reach.
        """
        if order_id is None:
            order.invalidate_org(org_id, using=using)
        else:
            order.invalidate(org_id, inputs.order_id(order_id), using=using)
        for region in _LISTS:
            region.invalidate_org(org_id, using=using)

    async def ainvalidate_order_cache(
        self, org_id: str, order_id: UUID | str | None = None, *, using: str = DEFAULT_DB_ALIAS
    ) -> None:
        """Do what `invalidate_order_cache` does."""
        await sync_to_async(self.invalidate_order_cache, thread_sensitive=True)(org_id, order_id, using=using)

    def invalidate_billing_cache(self, org_id: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
        """Make all bills and summaries of the organisation stale, on all hosts. Raises `MarkFailed`, as above."""
        for region in _BILLING:
            region.invalidate_org(org_id, using=using)

    async def ainvalidate_billing_cache(self, org_id: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
        """Do what `invalidate_billing_cache` does."""
        await sync_to_async(self.invalidate_billing_cache, thread_sensitive=True)(org_id, using=using)

    def invalidate_customer_balance(self, org_id: str, phone: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
        """Make the balance of that phone number stale, on all hosts. Raises ValueError, and `MarkFailed`, as above."""
        number = drive(inputs.phone_of_org(org_id, phone, using))
        if number is not None:
            customer_balance.invalidate(org_id, number, using=using)

    async def ainvalidate_customer_balance(self, org_id: str, phone: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
        """Do what `invalidate_customer_balance` does."""
        await sync_to_async(self.invalidate_customer_balance, thread_sensitive=True)(org_id, phone, using=using)

    # --- operation ----------------------------------------------------------------------------------------------------

    def get_cache_stats(self) -> OrderCacheStats:
        """Return the statistics of all reads of orders, billing and balances on this host."""
        return OrderCacheStats(
            order_cache=cache_stats((order, *_LISTS)),
            billing_cache=cache_stats(_BILLING),
            balance_cache=cache_stats((customer_balance,)),
        )

    async def aget_cache_stats(self) -> OrderCacheStats:
        """Return what `get_cache_stats` returns."""
        return await sync_to_async(self.get_cache_stats, thread_sensitive=True)()

    def clear_all(self) -> None:
        """Forget orders, bills and balances of all organisations, on all hosts.

        Raises `RedisUnavailable`; what was not yet cleared is kept then.
        """
        for region in (order, *_LISTS, *_BILLING, customer_balance):
            region.clear()

    async def aclear_all(self) -> None:
        """Do what `clear_all` does."""
        await sync_to_async(self.clear_all, thread_sensitive=True)()


def _listing(found: Any) -> Listing[OrderSnapshot]:
    # A list is never absent, only empty.
    listing: Listing[OrderSnapshot] = found
    return listing


def _orders(found: Any) -> tuple[OrderSnapshot, ...]:
    return _listing(found).results
