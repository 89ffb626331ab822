"""Two hosts that write the same rows, and read them by thread and by loop, whatever becomes of Redis."""

from __future__ import annotations

import asyncio
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from caching.models import PendingInvalidation
from caching.runtime import runtime
from tests.faults.hosts import Host
from tests.faults.waiting import eventually
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish, Shop

__all__ = ["Site"]


class Site:
    """This host and another one, which write the same rows; every read is compared with the database."""

    def __init__(self, stamps_elsewhere: str) -> None:
        self.shop = Shop.objects.create(slug="corner", name="shop 0")
        self.dish = Dish.objects.create(shop=self.shop, name="dish 0")
        self.writes = 0
        self.other = Host(STAMPS_DIR=stamps_elsewhere)
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.run(sync_to_async(connections.close_all)())
        self._runner.close()
        self.other.close()

    def write(self) -> None:
        self.writes += 1
        self.shop.name, self.dish.name = f"shop {self.writes}", f"dish {self.writes}"
        self.shop.save()
        self.dish.save()

    def check(self) -> None:
        """Read by thread and by loop, from Redis, not from local memory: what is served must be the last write."""
        expected = [f"shop {self.writes}", f"dish {self.writes}", f"dish {self.writes}"]
        for read in (self._read, lambda: self._runner.run(self._aread())):
            runtime.drop_local()
            assert read() == expected

    def read_from_redis(self) -> list[str]:
        """Return what is read without local memory, old or new."""
        runtime.drop_local()
        return self._read()

    def check_everywhere(self) -> None:
        self.check()
        with self.other.here():
            self.tick()
            self.check()

    def _read(self) -> list[str]:
        found: Any = (shop.get("corner"), *menu.get("corner").results, dish.get("corner", self.dish.pk))
        return [each.name for each in found]

    async def _aread(self) -> list[str]:
        names = [(await shop.aget("corner")), *(await menu.aget("corner")).results]
        return [each.name for each in (*names, await dish.aget("corner", self.dish.pk))]

    def settle(self) -> None:
        """Let the relay work until Redis is trusted, was told everything, and answers every read, rightly."""
        eventually(self._recovered, "Redis is not trusted again, or was not told everything")
        eventually(self._cached, "values are not cached again")

    @staticmethod
    def tick() -> None:
        assert runtime.relay is not None
        runtime.relay.tick()

    def _recovered(self) -> bool:
        self.tick()
        self.check()
        return runtime.breaker.closed and not PendingInvalidation.objects.exists()

    def _cached(self) -> bool:
        self.tick()
        misses = self._misses()
        self.check()
        return self._misses() == misses

    @staticmethod
    def _misses() -> int:
        return sum(region.counters.misses for region in (shop, menu, dish))
