"""Times the specification's operations on one database: around the cache, and answered by each tier."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import django

from benchmarks.conversation import Answer, serve
from benchmarks.results import OURS, Sample

if TYPE_CHECKING:
    from caching import Region
    from caching.keys import Key

__all__ = ["DATABASE", "FROM_REDIS", "QUERIES", "Operation", "main", "operations", "prepared", "timed", "uncached"]

FROM_REDIS: Final = "fast-access, from Redis"
DATABASE: Final = "database"
QUERIES: Final = "queries"

_PROFILES: Final = 10
_PAGE_SIZE: Final = 20
_STATUS: Final = "confirmed"
# One in so many orders is confirmed, the others are pending.
_CONFIRMED: Final = 4

Call = Callable[[], object]


@dataclass(frozen=True)
class Operation:
    """What callers do; `direct` reads the same rows around the cache, and `keys` are what a hit is made of.

    `region` is the one whose tier answers.
    """

    cached: Call
    direct: Call
    region: Region[Any]
    keys: Sequence[Key]


def prepared() -> Answer:
    """Write what the operations read, unless it is there."""
    from django.core.management import call_command

    from benchmarks.world import ORG, order_ids, organisations_create, world_create
    from orders.models import Order
    from restaurant.profiles.models import BusinessProfile

    call_command("migrate", verbosity=0)
    if not BusinessProfile.objects.filter(pk=ORG).exists():
        world_create()
    if not Order.objects.filter(org_id=ORG, status=_STATUS).exists():
        Order.objects.filter(pk__in=order_ids()[::_CONFIRMED]).update(status=_STATUS)
        organisations_create(_PROFILES - 1)
    return {}


def operations() -> dict[str, Operation]:
    """Return the specification's twelve operations by their short names, in its order."""
    from benchmarks.world import ORG, PHONES, order_ids
    from billing.cached import bill_total, billing_summary, customer_balance
    from orders.cached import active_orders, order, orders_by_status, orders_page
    from restaurant.fast_access import get_business_profile_cache, get_order_fast_access_cache
    from restaurant.profiles.cached import profile, profile_lite
    from restaurant.profiles.selectors import profile_org_ids

    profiles, orders = get_business_profile_cache(), get_order_fast_access_cache()
    orgs, phone, order_id = profile_org_ids()[:_PROFILES], PHONES[0], order_ids()[0]
    summary = orders.get_billing_summary(ORG)
    assert summary is not None  # noqa: S101 -- for the type checker: ORG exists
    day = summary.day

    def around(region: Region[Any], *name: Any) -> Call:
        return partial(region.get, *name, use_cache=False)

    def with_items(region: Any, *name: Any) -> list[Key]:
        return [region.key(*name), *(order.key(ORG, each.id) for each in region.get(*name).results)]

    balance, bill, one = (customer_balance, ORG, phone), (bill_total, ORG, order_id), (order, ORG, order_id)
    lite = profile_lite.key(ORG)
    return {
        "profile": Operation(partial(profiles.get_profile, ORG), around(profile, ORG), profile, [profile.key(ORG)]),
        "profiles": Operation(
            lambda: [profiles.get_profile(org) for org in orgs],
            lambda: [profile.get(org, use_cache=False) for org in orgs],
            profile,
            [profile.key(org) for org in orgs],
        ),
        "lite": Operation(partial(profiles.get_profile_lite, ORG), around(profile_lite, ORG), profile_lite, [lite]),
        "batch": Operation(
            partial(profiles.get_profiles_batch, orgs),
            lambda: profile.load_rows([(org,) for org in orgs], "default"),
            profile,
            [profile.key(org) for org in orgs],
        ),
        "active": Operation(
            partial(orders.get_active_orders, ORG),
            partial(orders.get_active_orders, ORG, use_cache=False),
            active_orders,
            with_items(active_orders, ORG),
        ),
        "by-status": Operation(
            partial(orders.get_orders_by_status, ORG, _STATUS),
            around(orders_by_status, ORG, _STATUS),
            orders_by_status,
            with_items(orders_by_status, ORG, _STATUS),
        ),
        "order": Operation(partial(orders.get_order_by_id, order_id, ORG), around(*one), order, [order.key(*one[1:])]),
        "page": Operation(
            partial(orders.get_orders_paginated, ORG, 1, _PAGE_SIZE),
            around(orders_page, ORG, 1, _PAGE_SIZE),
            orders_page,
            with_items(orders_page, ORG, 1, _PAGE_SIZE),
        ),
        "balance": Operation(
            partial(orders.get_customer_balance, ORG, phone),
            around(*balance),
            customer_balance,
            [lite, customer_balance.key(*balance[1:])],
        ),
        "summary": Operation(
            partial(orders.get_billing_summary, ORG),
            around(billing_summary, ORG, day),
            billing_summary,
            [lite, billing_summary.key(ORG, day)],
        ),
        "bill": Operation(
            partial(orders.calculate_bill_total, ORG, order_id), around(*bill), bill_total, [bill_total.key(*bill[1:])]
        ),
        "checkout": Operation(
            lambda: (
                profiles.get_profile(ORG),
                orders.get_order_by_id(order_id, ORG),
                orders.calculate_bill_total(ORG, order_id),
                orders.get_customer_balance(ORG, phone),
            ),
            lambda: [region.get(*name, use_cache=False) for region, *name in ((profile, ORG), one, bill, balance)],
            bill_total,
            [
                profile.key(ORG),
                order.key(*one[1:]),
                bill_total.key(*bill[1:]),
                lite,
                customer_balance.key(*balance[1:]),
            ],
        ),
    }


def timed(operation: Operation, *, far: float, hits: int, rounds: int) -> Answer:
    """Answer seconds of an operation as a hit in local memory and in Redis, and around the cache."""
    from benchmarks.peers import measure
    from benchmarks.served import Served, forget_locally

    operation.cached()
    found = measure({OURS: Served(operation.cached, operation.region, "local_hits")}, rounds=hits)
    from_redis = Served(operation.cached, operation.region, "redis_hits")
    forget = partial(forget_locally, operation.keys)
    found |= measure({FROM_REDIS: from_redis}, rounds=hits, before=forget)
    return found | uncached(operation.direct, far=far, rounds=rounds)


def uncached(direct: Call, *, far: float, rounds: int) -> Answer:
    """Answer seconds and queries of a read around the cache, from a database that is `far` seconds away."""
    from django.db import connection

    queries = 0

    def execute(query: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        if far:
            time.sleep(far)
        return query(*arguments)

    direct()
    took = []
    with connection.execute_wrapper(execute):
        for _ in range(rounds):
            began = time.perf_counter()
            direct()
            took.append(time.perf_counter() - began)
    return {DATABASE: Sample(tuple(took)), QUERIES: Sample((queries / rounds,))}


def main() -> None:
    django.setup()
    known = cache(operations)
    serve(
        {
            "prepared": prepared,
            "timed": lambda name, far, hits, rounds: timed(known()[name], far=far, hits=hits, rounds=rounds),
        }
    )


if __name__ == "__main__":
    main()
