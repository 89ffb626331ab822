"""What the proof reads, and what a reader of it can tell apart."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from asgiref.sync import async_to_sync

from caching.registry import registry
from tests.prove.commitlog import seq_last
from tests.prove.history import ListRead, Read, now

__all__ = ["ORGS", "PHONES", "Target", "target_observed", "target_read"]

ORGS = ("trattoria", "bistro")
PHONES = ("+442079460001", "+442079460002")

_REGIONS = {"profile": "profile", "order": "order", "active": "active_orders", "balance": "customer_balance"}


class Target(msgspec.Struct, frozen=True):
    """One cached value: `kind` is profile, order, active or balance; `part` the order's id or the phone number."""

    kind: str
    org: str
    part: str = ""

    @property
    def key(self) -> str:
        """The name of the value in the history."""
        part = UUID(self.part).hex if self.kind == "order" else self.part
        return f"{self.kind}/{self.org}" + (f"/{part}" if part else "")

    @property
    def parts(self) -> tuple[Any, ...]:
        if self.kind == "order":
            return (UUID(self.part),)
        return (self.part,) if self.part else ()

    @property
    def region(self) -> Any:
        return registry.get(_REGIONS[self.kind])


def target_read(target: Target) -> Any:
    """Read through the cache, by any of the region's methods; returns what its JSON says."""
    region, org, parts = target.region, target.org, target.parts
    how = random.choices(("entry", "get", "get_many", "aget"), (3, 3, 3, 1))[0]
    if how == "entry":
        return msgspec.json.decode(region.entry(org, *parts).body)
    if how == "get_many":
        return msgspec.to_builtins(region.get_many([(org, *parts)])[(org, *parts)])
    get = region.get if how == "get" else async_to_sync(region.aget)
    return msgspec.to_builtins(get(org, *parts))


def target_observed(reader: str, target: Target, fetch: Any) -> Read | ListRead:
    """Look into the database, read `target` by `fetch`, and return both as an event."""
    seen = seq_last()
    began = now()
    content = fetch(target)
    if target.kind == "active":
        tokens = {f"order/{target.org}/{UUID(each['id']).hex}": _order_token(each) for each in content["results"]}
        return ListRead(reader, target.key, began, seen, tokens)
    return Read(reader, target.key, began, seen, None if content is None else _TOKENS[target.kind](content))


def _order_token(content: Any) -> str:
    return f"{content['version']}+{len(content['lines'])}"


def _balance_token(content: Any) -> str:
    return f"{Decimal(content['balance']):.2f}"


_TOKENS = {"profile": lambda content: content["legal_name"], "order": _order_token, "balance": _balance_token}
