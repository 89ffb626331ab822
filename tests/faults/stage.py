"""Two hosts, a server and the way to it, and requests that are checked: right, and with one time-out at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, transaction

from billing.services import ledger_append
from caching.budget import request_budget
from caching.models import PendingInvalidation
from caching.registry import registry
from caching.runtime import runtime
from restaurant.fast_access import get_order_fast_access_cache
from tests.conftest import MovableClock
from tests.factories import CustomerFactory
from tests.faults.hosts import Host
from tests.faults.proxy import Proxy
from tests.faults.servers import Server
from tests.faults.waiting import eventually
from tests.shop.cached import dish, menu, shop, tally
from tests.shop.models import Dish, Shop

__all__ = ["Stage"]

balances = get_order_fast_access_cache()

# More than the pause between two probes, and than a local copy lives that nobody keeps fresh.
_LONG = 2.1


class Stage:
    """This host reads and writes through the proxy, the `other` one straight at the server."""

    def __init__(self, server: Server, proxy: Proxy, other: Host, clock: MovableClock) -> None:
        self.server, self.proxy, self.other, self.clock = server, proxy, other, clock
        self.shop = Shop.objects.create(slug="corner", name="first", rate=0)
        self.dishes = [Dish.objects.create(shop=self.shop, name=f"first {n}", kind="soup") for n in range(2)]
        self.customer = CustomerFactory()
        self.owed = Decimal(0)
        self.writes = 0
        self._truth: list[Any] = []
        self._runner = asyncio.Runner()
        self.ways = {"sync": self._read, "async": lambda: self._runner.run(self._aread())}

    def close(self) -> None:
        self._runner.run(sync_to_async(connections.close_all)())
        self._runner.close()

    # --- reads --------------------------------------------------------------------------------------------------------

    def _read(self) -> list[Any]:
        with request_budget():
            balance = balances.get_customer_balance(self.customer.org_id, self.customer.phone)
            assert balance is not None
            return [
                shop.get("corner"),
                menu.get("corner"),
                *map(dish.get_many(self._names).get, self._names),
                tally.get("corner", "soup"),
                balance.balance,
            ]

    async def _aread(self) -> list[Any]:
        with request_budget():
            balance = await balances.aget_customer_balance(self.customer.org_id, self.customer.phone)
            assert balance is not None
            return [
                await shop.aget("corner"),
                await menu.aget("corner"),
                *map((await dish.aget_many(self._names)).get, self._names),
                await tally.aget("corner", "soup"),
                balance.balance,
            ]

    @property
    def _names(self) -> list[tuple[Any, ...]]:
        return [("corner", each.pk) for each in self.dishes]

    def _ask_database(self) -> list[Any]:
        return [
            shop.get("corner", use_cache=False),
            menu.get("corner", use_cache=False),
            *(dish.get(*name, use_cache=False) for name in self._names),
            tally.get("corner", "soup", use_cache=False),
            self.owed,
        ]

    def check(self, read: Callable[[], list[Any]]) -> int:
        """Make one request; returns how often it waited for Redis in vain."""
        self._truth = self._truth or self._ask_database()
        waits = self.proxy.waits
        assert read() == self._truth
        waited = self.proxy.waits - waits
        assert waited <= 1
        return waited

    def check_all(self) -> int:
        """Make a request of each kind; returns how often they waited in vain."""
        return sum(map(self.check, self.ways.values()))

    def check_elsewhere(self) -> None:
        """Make the requests on the other host, after one round of its relay, with nothing in its local memory."""
        self.forget_here()
        with self.other.here():
            assert runtime.relay is not None
            runtime.relay.tick()
            self.check_all()

    def forget_here(self) -> None:
        """Let what this host holds in local memory grow too old: the next reads ask Redis."""
        self.clock.advance(_LONG)

    # --- writes -------------------------------------------------------------------------------------------------------

    def write(self) -> int:
        """Change everything that is read, in one request; returns how often it waited in vain."""
        self.writes += 1

        def work() -> None:
            with transaction.atomic():
                self._change()
            ledger_append(
                org_id=self.customer.org_id,
                customer_id=self.customer.pk,
                kind="charge",
                amount=Decimal(5),
                idempotency_key=f"write {self.writes}",
            )
            self.owed += 5

        return self._request(work)

    def write_once(self) -> int:
        """Change what the shop shows in a single transaction; returns how often it waited in vain."""
        self.writes += 1
        return self._request(transaction.atomic(self._change))

    def _change(self) -> None:
        self.shop.name, self.shop.rate = f"shop {self.writes}", self.writes
        self.shop.save()
        for number, each in enumerate(self.dishes):
            each.name = f"dish {number} {self.writes}"
            each.save()

    def _request(self, work: Callable[[], object]) -> int:
        waits = self.proxy.waits
        with request_budget():
            work()
        self._truth = []
        waited = self.proxy.waits - waits
        assert waited <= 1
        return waited

    # --- recovery -----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the relay work until Redis is trusted, has heard everything, and answers every read."""
        eventually(self._recovered, "Redis is not trusted again, or was not told everything")
        eventually(self._cached, "values are not cached again")

    def _recovered(self) -> bool:
        self.forget_here()
        assert runtime.relay is not None
        runtime.relay.tick()
        told = not PendingInvalidation.objects.exists()
        assert told or not runtime.breaker.closed, "Redis is trusted before it was told everything"
        self.check_all()
        return runtime.breaker.closed

    def _cached(self) -> bool:
        self.forget_here()
        assert runtime.relay is not None
        runtime.relay.tick()
        misses = self._misses()
        self.check_all()
        return self._misses() == misses

    @staticmethod
    def _misses() -> int:
        return sum(region.counters.misses for region in registry.regions.values())
