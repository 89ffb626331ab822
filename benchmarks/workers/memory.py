"""Fills one cache with one kind of value, in a process of its own, and says how much memory that took."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from decimal import Decimal
from importlib import import_module
from itertools import islice
from typing import Any, Final
from uuid import uuid4

import django
import msgspec

from benchmarks.conversation import Answer, serve
from benchmarks.results import OURS, Sample, Unable

__all__ = ["CASHEWS", "DICTIONARY", "DOGPILE", "LOCMEM", "main", "measured", "prepared"]

LOCMEM: Final = "LocMemCache"
DOGPILE: Final = "dogpile memory"
CASHEWS: Final = "cashews mem"
DICTIONARY: Final = "dictionary"

# What loading leaves free for the next batch must be small beside what is kept.
_BATCH: Final = 200
_MOST: Final = 2_000_000
_SECONDS: Final = 3600

Name = tuple[Any, ...]


class Kind:
    """A kind of value. Its names are made of strings of their own, as those of requests are: whoever keeps one pays.

    `load` returns the snapshots, around the cache; `batch` is how many are loaded at once.
    """

    def __init__(
        self,
        region: Any,
        load: Callable[[Sequence[Name]], Mapping[Name, Any]],
        name: Callable[[int], Name],
        batch: int,
    ) -> None:
        self.region, self.load, self._name, self.batch = region, load, name, batch

    def names(self, first: int, count: int) -> Iterator[Name]:
        return map(self._name, range(first, first + count))

    def text(self, name: Name) -> str:
        """Return the name as other caches have their keys."""
        return ":".join((self.region.name, *map(str, name)))


class Store(ABC):
    """A cache of values of one kind."""

    @abstractmethod
    def fill(self, names: Sequence[Name]) -> None:
        """Load these values and keep them."""

    @abstractmethod
    def has(self, name: Name) -> bool:
        """Read a value in all the ways its users do; say whether that was a hit."""

    def settle(self) -> None:  # noqa: B027 -- most leave nothing for later
        """Do at once what its threads do within a second."""

    def close(self) -> None:  # noqa: B027 -- most hold nothing
        """Give back what it holds beside the values."""


class _Ours(Store):
    def __init__(self, kind: Kind) -> None:
        self._region = kind.region

    def fill(self, names: Sequence[Name]) -> None:
        self._region.get_many(names)

    def has(self, name: Name) -> bool:
        before = self._region.counters.local_hits
        return bool(self._region.get(*name) and self._region.entry(*name).body) and (
            self._region.counters.local_hits == before + 2
        )

    def settle(self) -> None:
        from caching.runtime import runtime

        runtime.observer.tick()


class _LocMem(Store):
    def __init__(self, kind: Kind) -> None:
        from django.core.cache import caches

        self._kind, self._cache = kind, caches["locmem"]

    def fill(self, names: Sequence[Name]) -> None:
        for name, value in self._kind.load(names).items():
            self._cache.set(self._kind.text(name), msgspec.to_builtins(value))

    def has(self, name: Name) -> bool:
        return self._cache.get(self._kind.text(name)) is not None


class _Dogpile(Store):
    def __init__(self, kind: Kind) -> None:
        from dogpile.cache import make_region

        self._kind = kind
        self._cache = make_region().configure("dogpile.cache.memory", expiration_time=_SECONDS)

    def fill(self, names: Sequence[Name]) -> None:
        for name, value in self._kind.load(names).items():
            self._cache.set(self._kind.text(name), value)

    def has(self, name: Name) -> bool:
        return bool(self._cache.get(self._kind.text(name)))


class _Cashews(Store):
    def __init__(self, kind: Kind) -> None:
        from cashews import Cache

        self._kind, self._cache, self._runner = kind, Cache(), asyncio.Runner()
        self._cache.setup("mem://", size=_MOST)

    def fill(self, names: Sequence[Name]) -> None:
        # Loaded here: Django refuses to read its database in a running loop.
        self._runner.run(self._fill(self._kind.load(names)))

    async def _fill(self, values: Mapping[Name, Any]) -> None:
        for name, value in values.items():
            await self._cache.set(self._kind.text(name), value, expire=_SECONDS)

    def has(self, name: Name) -> bool:
        return self._runner.run(self._cache.get(self._kind.text(name))) is not None

    def close(self) -> None:
        self._runner.run(self._cache.close())
        self._runner.close()


class _Dictionary(Store):
    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._values: dict[Name, Any] = {}

    def fill(self, names: Sequence[Name]) -> None:
        self._values.update(self._kind.load(names))

    def has(self, name: Name) -> bool:
        return self._values.get(name) is not None


_STORES: Final[dict[str, Callable[[Kind], Store]]] = {
    OURS: _Ours,
    LOCMEM: _LocMem,
    DOGPILE: _Dogpile,
    CASHEWS: _Cashews,
    DICTIONARY: _Dictionary,
}


def prepared(lists: int) -> Answer:
    """Write so many organisations with active orders, and one to warm up with."""
    from benchmarks.world import ACTIVE, orders_copy, organisations_create

    orders_copy(dict.fromkeys(organisations_create(lists + 1), ACTIVE))
    return {}


def measured(what: str, who: str, count: int) -> Answer:
    """Return the bytes of process memory for each of `count` values, read once as an object and once as a body."""
    kind = _KINDS[what]()
    try:
        process = import_module("psutil").Process()
        store = _STORES[who](kind)
    except ModuleNotFoundError as missing:
        return {who: Unable(f"{missing.name} is not installed; `make bench` installs it.")}
    with closing(store):
        taken, missed = _grown(kind, store, process, count)
    if missed:
        return {who: Unable(f"It kept {count - missed:,} of {count:,} values only.")}
    return {who: Sample((taken / count,))}


def _grown(kind: Kind, store: Store, process: Any, count: int) -> tuple[int, int]:
    """Return by how many bytes the process grew, and how many values the store did not keep."""
    # What is made on first use, and the room that a batch takes while it is loaded, is no part of any value.
    warm = list(kind.names(count, kind.batch))
    store.fill(warm)
    for name in warm:
        store.has(name)
    store.settle()
    before = _memory(process)
    names = kind.names(0, count)
    while batch := list(islice(names, kind.batch)):
        store.fill(batch)
    missed = sum(not store.has(name) for name in kind.names(0, count))
    # The keys just read stand in bounded queues until somebody has looked at them.
    store.settle()
    return _memory(process) - before, missed


def _lite() -> Kind:
    from restaurant.profiles.cached import ProfileLite

    def made(name: Name) -> ProfileLite:
        return ProfileLite(
            org_id=_own(name[0]),
            name=f"{name[0]} Kitchen and Bar",
            phone=_own("+442079460000"),
            currency=_own("GBP"),
            time_zone=_own("Europe/London"),
        )

    return _made("memory_lite", ProfileLite, made, lambda number: (f"other-{number:04}",))


def _balances() -> Kind:
    from benchmarks.world import ORG
    from billing.cached import CustomerBalance

    def made(name: Name) -> CustomerBalance:
        return CustomerBalance(customer_id=uuid4(), phone=_own(name[1]), balance=Decimal("12.50"), currency=_own("GBP"))

    return _made("memory_balances", CustomerBalance, made, lambda number: (_own(ORG), f"+4420{number:08}"))


def _made(region: str, snapshot: Any, made: Callable[[Name], Any], name: Callable[[int], Name]) -> Kind:
    """Return a kind whose snapshots are made, not loaded: what is measured is what stays of them."""
    from caching import Region
    from caching.registry import registry

    def load_many(names: Sequence[Name], *, using: str = "default") -> Mapping[Name, Any]:  # noqa: ARG001 -- none is used
        return {name: made(name) for name in names}

    options: dict[str, Any] = {"load_many": load_many, "local_ttl": _SECONDS, "redis_ttl": _SECONDS}
    # Whoever is asked twice has declared it already.
    return Kind(registry.regions.get(region) or Region(region, snapshot, **options), load_many, name, _BATCH)


def _active() -> Kind:
    from orders.cached import active_orders

    return Kind(
        active_orders,
        lambda names: {name: active_orders.get(*name, use_cache=False) for name in names},
        lambda number: (f"other-{number:04}",),
        1,
    )


_KINDS: Final = {"lite": _lite, "balances": _balances, "active": _active}


def _own(text: str) -> str:
    """Return the same letters in another string, as each row of a database and each request has its own."""
    return text.encode().decode()


def _memory(process: Any) -> int:
    """Return the bytes that the process has for itself, after everything that can be given back was."""
    gc.collect()
    # Not every C library has it.
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(process.memory_full_info().uss)


def main() -> None:
    django.setup()
    from django.conf import settings

    settings.CACHING = {**settings.CACHING, "LOCAL_MAX_ENTRIES": _MOST, "LOCAL_MAX_BYTES": 1 << 40}
    serve({"prepared": prepared, "measured": measured})


if __name__ == "__main__":
    main()
