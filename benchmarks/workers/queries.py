"""Times reads through a cache of queries: the one that BENCH_APPS names is installed in this process alone."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import django

from benchmarks.conversation import Answer, serve
from benchmarks.results import Sample, Unable
from benchmarks.timing import seconds_per_call

__all__ = ["Queries", "main"]

Read = Callable[[], object]


class Queries:
    """The reads by name. `count` is to see every query that reaches the database."""

    def __init__(self, reads: Mapping[str, Read]) -> None:
        self._reads = reads
        self._sent = 0

    def count(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        """Execute a query and count it, as a wrapper that Django calls."""
        self._sent += 1
        return execute(*arguments)

    def keep(self, name: str) -> Answer:
        """Have the cache keep what is read; answers nothing, or why it does not."""
        read = self._reads[name]
        try:
            loaded = read()
            read()
            before = self._sent
            found = read()
        except Exception as error:
            return {"kept": _failure(error)}
        if self._sent > before:
            return {"kept": Unable(f"Each read of it sends {self._sent - before} queries to the database.")}
        return {} if found == loaded else {"kept": Unable("It does not return what was loaded.")}

    def time(self, name: str, calls: int) -> Answer:
        """Answer the seconds of one call, on the average of `calls`, and how many queries they all sent."""
        before = self._sent
        gc.disable()
        try:
            seconds = seconds_per_call(self._reads[name], calls)
        finally:
            gc.enable()
        return {"seconds": Sample((seconds,)), "queries": Sample((self._sent - before,))}


def main() -> None:
    """Answer until nobody asks any more."""
    try:
        django.setup()
        reads = _reads()
    except Exception as error:
        why = _failure(error)
        serve({"keep": lambda _: {"kept": why}})
        return
    from django.db import connection

    queries = Queries(reads)
    with connection.execute_wrapper(queries.count):
        serve({"keep": queries.keep, "time": queries.time})


def _reads() -> dict[str, Read]:
    # Only now: models can be imported once Django is set up.
    from benchmarks.world import ORG, PHONES, order_ids
    from billing.selectors import bill_total_get, customer_balances
    from orders.selectors import orders_of_org
    from orders.statuses import ACTIVE
    from restaurant.profiles.selectors import profile_get

    newest = order_ids()[0]

    def orders(**chosen: Any) -> list[Any]:
        return list(orders_of_org(org_id=ORG).filter(**chosen).prefetch_related("lines"))

    return {
        "profile": partial(profile_get, org_id=ORG),
        "active": partial(orders, status__in=ACTIVE),
        "order": partial(orders, pk=newest),
        "bill": partial(bill_total_get, org_id=ORG, order_id=newest),
        "balance": partial(customer_balances, org_id=ORG, phones=[PHONES[0]]),
    }


def _failure(error: Exception) -> Unable:
    return Unable(f"It fails with Django {django.__version__}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
