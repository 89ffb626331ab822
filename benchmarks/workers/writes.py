"""What a write costs, and what the next read of a list costs, in a process with a database to write into."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from itertools import count
from typing import Any, Final

import django

from benchmarks.conversation import Answer, serve
from benchmarks.results import OURS, Sample
from benchmarks.timing import compare, seconds_per_call

__all__ = [
    "COLD",
    "UNMARKED",
    "list_queries",
    "list_rows",
    "list_updates",
    "saves",
    "trips_of_orders",
    "trips_of_profile",
]

COLD: Final = "cold list"
UNMARKED: Final = "a model nobody listens to"

_PATIENCE_SECONDS: Final = 20.0

_number = count(1)


# --- round trips ------------------------------------------------------------------------------------------------------


def trips_of_profile(rounds: int) -> Answer:
    """Count the round trips to Redis of saving one profile."""
    return _trips(_profile_save, rounds)


def trips_of_orders(rounds: int) -> Answer:
    """Count those of one transaction that changes every active order."""
    return _trips(_orders_save, rounds)


def _trips(write: Callable[[], object], rounds: int) -> Answer:
    # The first write tells the server the scripts that it does not know yet.
    write()
    found = []
    for _ in range(rounds):
        with _sent() as batches:
            write()
        found.append(float(len(batches)))
    return {OURS: Sample(tuple(found))}


@contextmanager
def _sent() -> Iterator[list[int]]:
    """Note the size of each batch that this thread sends to Redis."""
    from caching.runtime import runtime

    tier: Any = runtime.redis
    execute, thread, batches = tier.execute, threading.get_ident(), list[int]()

    def noting(commands: Any, **options: Any) -> Any:
        if threading.get_ident() == thread:
            batches.append(len(commands))
        return execute(commands, **options)

    tier.execute = noting
    try:
        yield batches
    finally:
        del tier.execute


def _profile_save() -> None:
    from benchmarks.world import ORG
    from restaurant.profiles.services import profile_update

    profile_update(org_id=ORG, updates={"name": f"Bench Kitchen and Bar {next(_number)}"})


def _orders_save() -> None:
    from benchmarks.world import order_ids
    from restaurant.db import atomic

    with atomic():
        for order_id in order_ids():
            _order_save(order_id)


def _order_save(order_id: Any) -> None:
    from benchmarks.world import ORG
    from orders.services import order_update

    order_update(org_id=ORG, order_id=order_id, changes={"table": str(next(_number))})


# --- a save -----------------------------------------------------------------------------------------------------------


def saves(rounds: int) -> Answer:
    """Time a save of the profile beside the same save of the same row by a model that no cache depends on."""
    from restaurant.profiles.models import BusinessProfile

    return dict(compare({OURS: _saving(BusinessProfile), UNMARKED: _saving(_plain_profile())}, rounds=rounds))


def _saving(model: Any) -> Callable[[], None]:
    from django.db import transaction

    from benchmarks.world import ORG

    row = model.objects.get(pk=ORG)

    def save() -> None:
        row.name = f"Bench Kitchen and Bar {next(_number)}"
        with transaction.atomic():
            row.save()

    return save


@cache
def _plain_profile() -> Any:
    """Return a model of the profiles' table, in a registry of its own, that nothing listens to."""
    from django.apps.registry import Apps
    from django.db import models

    from restaurant.profiles.models import BusinessProfile

    table = BusinessProfile._meta
    meta = type("Meta", (), {"app_label": "benchmarks", "apps": Apps(), "db_table": table.db_table, "managed": False})
    fields: dict[str, Any] = {field.name: deepcopy(field) for field in table.local_concrete_fields}
    return type("PlainProfile", (models.Model,), {**fields, "Meta": meta, "__module__": __name__})


# --- a list of which one item has changed -----------------------------------------------------------------------------


class _Prepared:
    """A read that is timed once each time it has been prepared for."""

    def __init__(self, prepare: Callable[[], object], read: Callable[[], object]) -> None:
        self._prepare = prepare
        self._read = read

    def seconds_per_call(self, calls: int) -> float:  # noqa: ARG002 -- as many as it was prepared for
        self._prepare()
        return seconds_per_call(self._read, 1)


def list_updates(rounds: int) -> Answer:
    """Time the read of the active orders after one of them was updated beside that after all caches were cleared."""
    from restaurant.fast_access import get_order_fast_access_cache

    clear = get_order_fast_access_cache().clear_all
    timers = {OURS: _Prepared(_one_updated, _list_read), COLD: _Prepared(clear, _list_read)}
    return dict(compare(timers, rounds=rounds))


def list_queries(rounds: int) -> Answer:
    """Count the queries of the read after one of the active orders was updated."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    found = []
    for _ in range(rounds):
        _one_updated()
        with CaptureQueriesContext(connection) as queries:
            _list_read()
        found.append(float(len(queries)))
    return {OURS: Sample(tuple(found))}


def list_rows(rounds: int) -> Answer:
    """Count the rows of orders that this read loads."""
    from django.db.models.signals import post_init

    from orders.models import Order

    found = []
    for _ in range(rounds):
        _one_updated()
        made: list[Any] = []

        def note(instance: Any, made: list[Any] = made, **_: Any) -> None:
            made.append(instance.pk)

        post_init.connect(note, sender=Order)
        try:
            _list_read()
        finally:
            post_init.disconnect(note, sender=Order)
        found.append(float(len(made)))
    return {OURS: Sample(tuple(found))}


def _one_updated() -> None:
    """Have the list in local memory, then change one of its orders, another each time."""
    from benchmarks.world import ORG, order_ids
    from orders.cached import active_orders

    end = time.monotonic() + _PATIENCE_SECONDS
    while active_orders.hit(active_orders.key(ORG).local) is None:
        if time.monotonic() > end:
            raise TimeoutError("Local memory does not keep the list.")
        _list_read()
    ids = order_ids()
    _order_save(ids[next(_number) % len(ids)])


def _list_read() -> None:
    from benchmarks.world import ORG
    from restaurant.fast_access import get_order_fast_access_cache

    get_order_fast_access_cache().get_active_orders(ORG)


def main() -> None:
    """Answer the questions of the section."""
    django.setup()
    serve(
        {
            "trips of profile": trips_of_profile,
            "trips of orders": trips_of_orders,
            "saves": saves,
            "list updates": list_updates,
            "list queries": list_queries,
            "list rows": list_rows,
        }
    )


if __name__ == "__main__":
    main()
