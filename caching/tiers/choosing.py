"""Which kind of Redis a cache of CACHES is: asked whenever a tier is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from caching.tiers.redis import RedisTier

if TYPE_CHECKING:
    from caching.breaker import Breaker

__all__ = ["redis_tier"]


def redis_tier(alias: str, breaker: Breaker) -> RedisTier:
    """Make the tier of the cache `alias`: `CLUSTER` among its OPTIONS says that its servers are a Redis Cluster."""
    if settings.CACHES.get(alias, {}).get("OPTIONS", {}).get("CLUSTER"):
        from caching.tiers.cluster import ClusterTier

        return ClusterTier(alias, breaker)
    return RedisTier(alias, breaker)
