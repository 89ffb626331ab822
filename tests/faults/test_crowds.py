"""Many requests at once find Redis silent: each waits once at most, and all get what the database holds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from caching.budget import request_budget
from caching.runtime import runtime
from tests.caching.stepping import forget_here
from tests.faults.proxy import BlackHole, Proxy
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

_REQUESTS = 8


@pytest.fixture
def dishes(proxy: Proxy, configure: Callable[..., None]) -> list[Dish]:
    """As many dishes as requests, all in Redis and none here; the server has just fallen silent."""
    configure(proxy.port, REDIS_BUDGET_SECONDS=0.3)
    corner = Shop.objects.create(slug="corner", name="shop")
    dishes = [Dish.objects.create(shop=corner, name=f"dish {number}") for number in range(_REQUESTS)]
    menu.get("corner")
    shop.get("corner")
    forget_here()
    proxy.suffer(BlackHole())
    return dishes


def test_threads(dishes: list[Dish], proxy: Proxy) -> None:
    together = threading.Barrier(_REQUESTS)

    def request(row: Dish) -> list[str]:
        together.wait(60)
        try:
            with request_budget():
                # Each its own first: what all want, one would fetch for all.
                return [dish.get("corner", row.pk).name, shop.get("corner").name, menu.get("corner").results[0].name]
        finally:
            connections.close_all()

    for waits in (range(1, _REQUESTS + 1), range(1)):
        before = proxy.waits
        with ThreadPoolExecutor(_REQUESTS) as pool:
            assert list(pool.map(request, dishes)) == [[row.name, "shop", "dish 0"] for row in dishes]
        assert proxy.waits - before in waits
    assert runtime.breaker.describe()["trips"] == 1


async def test_tasks(dishes: list[Dish], proxy: Proxy) -> None:
    """They share a connection, and so the time-out, too."""

    async def request(row: Dish) -> list[str]:
        with request_budget():
            return [
                (await dish.aget("corner", row.pk)).name,
                (await shop.aget("corner")).name,
                (await menu.aget("corner")).results[0].name,
            ]

    for waits in (1, 0):
        before = proxy.waits
        assert await asyncio.gather(*map(request, dishes)) == [[row.name, "shop", "dish 0"] for row in dishes]
        assert proxy.waits - before == waits
    assert runtime.breaker.describe()["trips"] == 1
