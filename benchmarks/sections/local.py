"""A hit in local memory, which most requests are: our public methods beside caches in memory and a dictionary."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Final

from benchmarks.bench import Bench
from benchmarks.peers import Peer, measure
from benchmarks.peers.cashews import CashewsMemory
from benchmarks.peers.django_caches import DjangoCache
from benchmarks.peers.dogpile import DogpileMemory
from benchmarks.peers.floors import Dictionary
from benchmarks.peers.query_caches import QueryCache
from benchmarks.peers.values import Value, load_anew, values_all
from benchmarks.results import OURS, Row, Target
from benchmarks.served import Served
from benchmarks.timing import InLoop
from benchmarks.uncounted import get_counted, get_uncounted
from benchmarks.world import ORG
from restaurant.fast_access import get_business_profile_cache, get_order_fast_access_cache
from restaurant.profiles.cached import profile

__all__ = ["TITLE", "rows"]

TITLE: Final = "A hit in local memory"

_NO_MORE_THAN_DOGPILE: Final = Target("at most", 1.2, "dogpile memory")
_TARGETS: Final = {
    "profile": (_NO_MORE_THAN_DOGPILE, Target("faster", 8, "LocMemCache"), Target("faster", 8, "cashews mem")),
    "active": (_NO_MORE_THAN_DOGPILE, Target("faster", 2000, "LocMemCache")),
    "order": (_NO_MORE_THAN_DOGPILE,),
    "bill": (_NO_MORE_THAN_DOGPILE,),
}
_STORED: Final = (
    "dogpile, cashews and the dictionary keep the object that our method returns, Django's cache the serializer's data "
    "(pickled), cachalot rows (pickled), of which it makes model instances. All but the dictionary have times to live."
)
_NOTES: Final = {
    "balance": "Our method also reads the organisation's lite profile, whose country a phone number belongs to, and "
    "looks the number's form up; the others are asked by a key that is there already.",
}


def rows(bench: Bench) -> Iterator[Row]:
    """Measure a hit of each of the five values, and the coroutine beside the plain method."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        stack.callback(get_order_fast_access_cache().clear_all)
        stack.callback(get_business_profile_cache().clear_all_caches)
        peers: list[Peer] = [
            Dictionary(),
            DogpileMemory(),
            DjangoCache("LocMemCache", "locmem"),
            CashewsMemory(runner),
        ]
        if not bench.quick:
            # A process of its own, which takes longer to start than all else takes to be measured.
            peers.append(QueryCache("cachalot on LocMemCache", "django-cachalot", "cachalot", bench.place))
        for peer in peers:
            stack.callback(peer.close)
        for value in values_all():
            bench.say(f"{value.label} in local memory")
            yield _row(bench, value, peers)
        bench.say("A hit without statistics")
        yield _statistics_row(bench)
        bench.say("The coroutine beside the plain method")
        yield _async_row(bench, runner)


def _row(bench: Bench, value: Value, peers: list[Peer]) -> Row:
    load_anew(value)
    readings = {peer.name: peer.reading(value) for peer in peers}
    ours = Served(value.read, value.region, "local_hits")
    samples = measure({OURS: ours, **readings}, rounds=bench.often(200, 10))
    note = " ".join(filter(None, (_STORED if value.name == "profile" else "", _NOTES.get(value.name))))
    return Row(f"local.{value.name}", value.what, samples, _TARGETS.get(value.name, ()), note=note)


def _statistics_row(bench: Bench) -> Row:
    get_business_profile_cache().get_profile(ORG)
    samples = measure(
        {
            OURS: Served(partial(get_counted(), profile, ORG), profile, "local_hits"),
            "without statistics": partial(get_uncounted(), profile, ORG),
        },
        rounds=bench.often(400, 60),
    )
    note = "Without: the same method, its counter and samples taken out. With: one hit in 16 to 4,096 is sampled."
    return Row(
        "local.statistics",
        "What is counted of a hit",
        samples,
        (Target("at most", 1.1, "without statistics"),),
        note=note,
    )


def _async_row(bench: Bench, runner: asyncio.Runner) -> Row:
    profiles = get_business_profile_cache()
    profiles.get_profile(ORG)
    samples = measure(
        {
            OURS: Served(InLoop(runner, partial(profiles.aget_profile, ORG)), profile, "local_hits"),
            "sync": InLoop(runner, partial(profiles.get_profile, ORG), awaited=False),
        },
        rounds=bench.often(200, 15),
    )
    targets = (Target("at most", 1.5, "sync"),)
    return Row("local.async", "Business profile by the coroutine, beside the plain method", samples, targets)
