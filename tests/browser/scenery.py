"""A busy evening in the demo restaurants, so that the page has something of everything to show."""

from __future__ import annotations

import math
import random
from typing import Final

from django.db.models import QuerySet

from billing.cached import bill_total, customer_balance
from billing.models import Customer
from caching.models import CacheEvent, CacheUsage
from caching.operations import cache_clear, cache_warm
from caching.registry import registry
from caching.runtime import runtime
from orders.models import Order
from restaurant.demo.services import demo_load
from restaurant.fast_access import get_business_profile_cache, get_order_fast_access_cache
from restaurant.profiles.models import User
from tests.factories import UserFactory

__all__ = ["busy_evening"]

_SEED: Final = 7
_MINUTES: Final = 16
_WEIGHTS: Final = {"demo-spice-garden": 14, "demo-trattoria-roma": 8, "demo-sakura-ramen": 4}


def busy_evening(user: User) -> None:
    """Read what tills, kitchen and billing read, from each tier, after `user` has cleared something."""
    demo_load()
    _past()
    cache_clear(regions=["order"], orgs=["demo-sakura-ramen"], user=UserFactory(username="tomas"))
    cache_clear(regions=["profile"], user=user)
    cache_warm(orgs=list(_WEIGHTS), user=user)
    _read()
    assert runtime.local is not None
    # From here on Redis answers what local memory has to learn again.
    runtime.local.clear()
    _read()
    runtime.observer.tick()


def _read() -> None:
    profiles, orders = get_business_profile_cache(), get_order_fast_access_cache()
    for org, weight in _WEIGHTS.items():
        chosen = [order.pk for order in QuerySet(Order).filter(org_id=org)[: 2 * weight]]
        phones = [customer.phone for customer in QuerySet(Customer).filter(org_id=org)[:weight]]
        for turn in range(9 * weight):
            profiles.get_profile(org)
            profiles.get_profile_lite(org)
            orders.get_active_orders(org)
            orders.get_orders_by_status(org, "preparing")
            orders.get_order_by_id(chosen[turn % len(chosen)], org)
            bill_total.get(org, chosen[turn % len(chosen)])
            if phones:
                customer_balance.get(org, phones[turn % len(phones)])
        runtime.observer.tick()


def _past() -> None:
    """Write down a quarter of an hour of which nobody remembers anything else."""
    chance, now = random.Random(_SEED), int(runtime.clock.wall() // 60)
    rows = []
    for region in registry.regions.values():
        usual = (region.target or 0.9) + 0.03
        for ago in range(_MINUTES, 0, -1):
            requests = chance.randint(400, 600)
            hits = round(requests * min(0.995, usual + chance.uniform(-0.02, 0.02)))
            found = round(hits * 0.08)
            rows.append(
                CacheUsage(
                    step="minute",
                    host="till-1",
                    start=now - ago,
                    region=region.name,
                    local_hits=hits - found,
                    redis_hits=found,
                    misses=requests - hits,
                    local_ns=round(100 * 4_000 * chance.uniform(0.8, 1.3)),
                    local_samples=100,
                    redis_ns=round(found * 250_000 * chance.uniform(0.8, 1.3)),
                    redis_samples=found,
                    miss_ns=round(100 * 3_500_000 * chance.uniform(0.7, 1.5)),
                    miss_samples=100,
                    entries=200,
                    bytes=round(48_000 + 4_000 * math.sin(ago / 3) + 900 * (_MINUTES - ago)),
                )
            )
    CacheUsage.objects.bulk_create(rows)
    CacheEvent.objects.all().delete()
