"""One process of one release: reads and writes as it is told, and answers."""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

from django.conf import settings
from django.db import connections
from django.test import override_settings

from caching.registry import registry
from caching.runtime import runtime
from caching.schemas import model_schema
from tests.releases.changes import CHANGES
from tests.shop import cached
from tests.shop.models import Dish, Shop

__all__ = ["serve"]


class Commands:
    """What a process does when it is told to."""

    def read(self, org: str) -> Any:
        value = cached.shop.get(org)
        return value and value.name

    def count(self, org: str, kind: str) -> Any:
        value = cached.tally.get(org, kind)
        return value and value.dishes

    def rename(self, org: str, name: str) -> None:
        row = Shop.objects.get(pk=org)
        row.name = name
        row.save()

    def cook(self, org: str, kind: str, name: str) -> None:
        Dish.objects.create(shop_id=org, kind=kind, name=name)

    def forget(self) -> None:
        assert runtime.local is not None
        runtime.local.clear()

    def counters(self) -> dict[str, int]:
        """Return what was counted since this was asked last."""
        found: dict[str, int] = {}
        for counters in (cached.shop.counters, cached.tally.counters):
            for name in ("local_hits", "redis_hits", "loads", "rejected"):
                found[name] = found.get(name, 0) + getattr(counters, name)
            counters.reset()
        return found

    def fingerprint(self) -> bytes:
        return registry.fingerprint


def serve(pipe: Connection, stamps: str, change: str, caching: dict[str, Any], others: dict[str, Any]) -> None:
    """Become a process of a release that changed this, on the host whose stamps lie there, with these settings."""
    connections.close_all()
    model_schema.cache_clear()
    override_settings(CACHING={**settings.CACHING, "STAMPS_DIR": stamps, **caching}, **others).enable()
    CHANGES[change]()
    registry._forget_derived()
    commands = Commands()
    while True:
        command, *given = pipe.recv()
        pipe.send(getattr(commands, command)(*given))
