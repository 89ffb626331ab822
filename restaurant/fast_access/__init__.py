"""The two classes through which Python code reads what is cached, and one shared object of each."""

from __future__ import annotations

from typing import Final

from restaurant.fast_access.order_cache import OrderFastAccessCache
from restaurant.fast_access.profile_cache import BusinessProfileCache

__all__ = [
    "BusinessProfileCache",
    "OrderFastAccessCache",
    "get_business_profile_cache",
    "get_order_fast_access_cache",
]

# They hold nothing of their own: all state is in the regions, so that every caller sees the same.
_PROFILES: Final = BusinessProfileCache()
_ORDERS: Final = OrderFastAccessCache()


def get_business_profile_cache() -> BusinessProfileCache:
    """Return the cache of business profiles."""
    return _PROFILES


def get_order_fast_access_cache() -> OrderFastAccessCache:
    """Return the cache of orders, bills and balances."""
    return _ORDERS
