"""Times hits while there are ever more entries, orders, threads and processes."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import cycle
from typing import Any, Final, NamedTuple

import django

from benchmarks.conversation import Answer, serve
from benchmarks.results import OURS, Sample, Unable

__all__ = [
    "COLD",
    "DICTIONARY",
    "FROM_REDIS",
    "LATENCY",
    "Entries",
    "Tally",
    "main",
    "orders",
    "organisations_prepared",
    "pooled",
    "processes",
    "read_for",
    "threads",
]

DICTIONARY: Final = "dictionary"
FROM_REDIS: Final = "fast-access, from Redis"
COLD: Final = "fast-access, cold"
LATENCY: Final = "latency"

_FILL_AT_ONCE: Final = 1_000
_LOOKUPS: Final = 5_000
# Of so many reads one is timed by itself; the time is looked at as often.
_TIMED_OF: Final = 64
# Enough for a p99, and not too much for a line.
_MOST_LATENCIES: Final = 1_000
# Answered by local memory; the rest may fall into a moment in which nothing was heard of Redis.
_ENOUGH: Final = 0.99
_START_SECONDS: Final = 20.0

Name = tuple[str, str]


# --- entries in local memory ------------------------------------------------------------------------------------------


class Entries:
    """Ever more entries of a region that has no database behind it, and a dictionary with the same keys.

    The same random sequence of keys goes through both.
    """

    def __init__(self) -> None:
        from caching import Region, Snapshot

        class Made(Snapshot, frozen=True):
            """About what a lite profile holds."""

            org_id: str
            name: str
            phone: str = "+442079460000"
            currency: str = "GBP"

        def load_many(names: Sequence[Name], *, using: str) -> Mapping[Name, Made]:  # noqa: ARG001 -- as regions call it
            return {(org, name): Made(org_id=org, name=name) for org, name in names}

        self._region: Region[Any] = Region(
            "benchmark_entries", Made, load_many=load_many, local_ttl=36_000, redis_ttl=36_000
        )
        self._names: list[Name] = []
        self._dictionary: dict[Name, Any] = {}

    def time(self, size: int, rounds: int) -> Answer:
        """Fill up to `size` entries, then answer seconds of a look-up in each."""
        from benchmarks.peers import measure
        from benchmarks.served import Served

        self._fill(size)
        chance = random.Random(size)  # noqa: S311 -- an order, no secret
        chunks = [chance.choices(self._names, k=_LOOKUPS) for _ in range(rounds + 1)]
        ours, theirs = cycle(chunks), cycle(chunks)
        get, dictionary = self._region.get, self._dictionary

        def look_up() -> None:
            for name in next(ours):
                get(*name)

        def look_up_there() -> None:
            for name in next(theirs):
                dictionary[name]

        return measure(
            {OURS: Served(look_up, self._region, "local_hits"), DICTIONARY: look_up_there},
            rounds=rounds,
            before=lambda: None,
            per=_LOOKUPS,
        )

    def _fill(self, size: int) -> None:
        while (first := len(self._names)) < size:
            names = [(f"org-{n % 1000}", f"name {n}") for n in range(first, min(size, first + _FILL_AT_ONCE))]
            self._dictionary.update(zip(names, self._region.get_many(names).values(), strict=True))
            self._names += names


# --- active orders ----------------------------------------------------------------------------------------------------


def organisations_prepared(counts: Sequence[int]) -> Answer:
    """Write an organisation for each of the counts, with so many active orders."""
    from benchmarks.world import orders_copy, organisations_create

    orders_copy(dict(zip(organisations_create(len(counts)), counts, strict=True)))
    return {}


def orders(org: str, rounds: int) -> Answer:
    """Answer seconds of a read of the organisation's active orders: a hit, one in Redis, and one that loads."""
    from benchmarks.peers import measure
    from benchmarks.served import Served, forget_locally
    from orders.cached import active_orders, order
    from restaurant.fast_access import get_order_fast_access_cache

    read = partial(get_order_fast_access_cache().get_active_orders, org)
    keys = [active_orders.key(org), *(order.key(org, each.id) for each in read())]

    def clear() -> None:
        active_orders.clear(org)
        order.clear(org)

    found = measure({OURS: Served(read, active_orders, "local_hits")}, rounds=rounds)
    from_redis = Served(read, active_orders, "redis_hits")
    found |= measure({FROM_REDIS: from_redis}, rounds=rounds, before=partial(forget_locally, keys))
    return found | measure({COLD: read}, rounds=max(3, rounds // 5), before=clear)


# --- many at once -----------------------------------------------------------------------------------------------------


class Tally(NamedTuple):
    """What one thread or process did: how many reads, from when to when (`perf_counter`), and how long some took."""

    reads: int
    began: float
    ended: float
    latencies: Sequence[float]


def pooled(tallies: Sequence[Tally]) -> Answer:
    """Answer the requests per second of all together, and the latencies of some of their reads."""
    # From the first to the last: threads that come late would count twice if each had its own seconds.
    seconds = max(tally.ended for tally in tallies) - min(tally.began for tally in tallies)
    latencies = sorted(each for tally in tallies for each in tally.latencies)
    return {
        OURS: Sample((sum(tally.reads for tally in tallies) / seconds,)),
        LATENCY: Sample(tuple(latencies[:: -(-len(latencies) // _MOST_LATENCIES)])),
    }


def read_for(seconds: float, read: Callable[[], object]) -> Tally:
    """Read as often as possible for so long."""
    clock = time.perf_counter
    reads, latencies = 0, []
    began = clock()
    until = began + seconds
    while (now := clock()) < until:
        read()
        latencies.append(clock() - now)
        for _ in range(_TIMED_OF - 1):
            read()
        reads += _TIMED_OF
    return Tally(reads, began, clock(), latencies)


def _profile_hit() -> Callable[[], object]:
    """Return the read of a profile, once local memory answers it."""
    from benchmarks.world import ORG
    from restaurant.fast_access import get_business_profile_cache
    from restaurant.profiles.cached import profile

    read = partial(get_business_profile_cache().get_profile, ORG)
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        before = profile.counters.local_hits
        read()
        if profile.counters.local_hits > before:
            return read
        # The listener has yet to hear of Redis.
        time.sleep(0.01)
    raise RuntimeError("Local memory does not answer.")


def threads(count: int, seconds: float) -> Answer:
    """Answer what so many threads read at once."""
    from restaurant.profiles.cached import profile

    read, tallies = _profile_hit(), []
    barrier = threading.Barrier(count)

    def work() -> None:
        barrier.wait()
        tallies.append(read_for(seconds, read))

    before = profile.counters.local_hits
    workers = [threading.Thread(target=work) for _ in range(count)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    return _unless_elsewhere(profile.counters.local_hits - before, tallies)


def processes(count: int, seconds: float) -> Answer:
    """Answer what so many processes, forked from this one as a server's workers are, read at once."""
    from django.db import connections

    connections.close_all()
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(count, timeout=_START_SECONDS), context.Queue()
    children = [context.Process(target=_child, args=(barrier, queue, seconds), daemon=True) for _ in range(count)]
    for child in children:
        child.start()
    found = [queue.get(timeout=_START_SECONDS + seconds) for _ in children]
    for child in children:
        child.join()
    return _unless_elsewhere(sum(hits for hits, _ in found), [tally for _, tally in found])


def _child(barrier: Any, queue: Any, seconds: float) -> None:
    from restaurant.profiles.cached import profile

    read = _profile_hit()
    barrier.wait()
    before = profile.counters.local_hits
    tally = read_for(seconds, read)
    queue.put((profile.counters.local_hits - before, tally))


def _unless_elsewhere(hits: int, tallies: Sequence[Tally]) -> Answer:
    answer, reads = pooled(tallies), sum(tally.reads for tally in tallies)
    if hits >= _ENOUGH * reads:
        return answer
    unable = Unable(f"Local memory answered {hits / reads:.0%} of the reads only.")
    return dict.fromkeys(answer, unable)


def main() -> None:
    django.setup()
    from django.conf import settings

    settings.CACHING = {**settings.CACHING, "LOCAL_MAX_ENTRIES": 2_000_000, "LOCAL_MAX_BYTES": 1 << 40}
    # Declared by the one worker that uses it.
    entries = cache(Entries)
    serve(
        {
            "entries": lambda size, rounds: entries().time(size, rounds),
            "organisations_prepared": organisations_prepared,
            "orders": orders,
            "threads": threads,
            "processes": processes,
        }
    )


if __name__ == "__main__":
    main()
