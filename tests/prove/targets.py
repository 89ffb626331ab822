"""What the proof reads, and what a reader of it can tell apart."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from asgiref.sync import async_to_sync

from caching.registry import registry
from tests.prove.commitlog import seq_last
from tests.prove.history import ListRead, Read, now

__all__ = ["LISTS", "ORGS", "PHONES", "Target", "target_observed", "target_read"]

ORGS = ("trattoria", "bistro")
PHONES = ("+442079460001", "+442079460002")

#: Kinds of targets whose values are lists of orders.
LISTS = ("active", "page", "status")

_REGIONS = {
    "profile": "profile",
    "order": "order",
    "active": "active_orders",
    "page": "orders_page",
    "status": "orders_by_status",
    "balance": "customer_balance",
    "bill": "bill_total",
    "summary": "billing_summary",
}
# One page holds all orders of a run that reads pages.
_PAGE_SIZE = 100


class Target(msgspec.Struct, frozen=True):
    """One cached value: `kind` is one of the regions above; `part` an order's id, a phone number, a day or a status."""

    kind: str
    org: str
    part: str = ""

    @property
    def key(self) -> str:
        """The name of the value in the history."""
        part = UUID(self.part).hex if self.kind in ("order", "bill") else self.part
        return f"{self.kind}/{self.org}" + (f"/{part}" if part else "")

    @property
    def parts(self) -> tuple[Any, ...]:
        if self.kind in ("order", "bill"):
            return (UUID(self.part),)
        if self.kind == "summary":
            return (date.fromisoformat(self.part),)
        if self.kind == "page":
            return (1, _PAGE_SIZE)
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


def target_observed(
    reader: str, target: Target, fetch: Callable[[Target], Any], *, seen: int | None = None
) -> Read | ListRead:
    """Look into the database, read `target` by `fetch`, and return both as an event.

    With `seen`, the number of the last commit that this reader found there earlier, it does not look again.
    """
    if seen is None:
        seen = seq_last()
    began = now()
    content = fetch(target)
    ended = now()
    if target.kind in LISTS:
        tokens = {f"order/{target.org}/{UUID(each['id']).hex}": _order_token(each) for each in content["results"]}
        return ListRead(reader, target.key, began, seen, tokens, ended)
    token = None if content is None else _TOKENS[target.kind](content)
    return Read(reader, target.key, began, seen, token, ended)


def _order_token(content: Any) -> str:
    return f"{content['version']}+{len(content['lines'])}+{Decimal(content['subtotal']):.2f}"


def _amount(name: str) -> Callable[[Any], str]:
    return lambda content: f"{Decimal(content[name]):.2f}"


_TOKENS: dict[str, Callable[[Any], str]] = {
    "profile": lambda content: content["legal_name"],
    "order": _order_token,
    "balance": _amount("balance"),
    "bill": _amount("subtotal"),
    "summary": _amount("payments"),
}
