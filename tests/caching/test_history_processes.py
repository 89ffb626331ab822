"""What several processes count, of which some are killed and others follow, is what history says in the end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest
from django.db import connections
from django.db.models import Sum

from caching.history import History
from caching.models import CacheUsage
from caching.runtime import runtime
from tests.caching.operators import shop_of
from tests.conftest import MovableClock
from tests.shop.cached import shop

pytestmark = pytest.mark.django_db(transaction=True)

ORGS = ("tea", "cake", "soup")
COUNTED = ("local_hits", "misses", "loads", "invalidations")


def counted() -> dict[str, int]:
    return {name: getattr(shop.counters, name) for name in COUNTED}


def _serve(pipe: Connection, clock: MovableClock) -> None:
    connections.close_all()
    observer = runtime.observer
    observer.consumers = [runtime.usage, History()]
    while True:
        what, *given = pipe.recv()
        if what == "read":
            org, times = given
            for _ in range(times):
                shop.get(org)
        elif what == "write":
            shop.invalidate(given[0])
        else:
            clock.seconds = given[0]
            observer.tick()
        pipe.send((counted(), observer.leads))


def ask(child: Any, *what: Any) -> Any:
    child.send(what)
    return child.receive()


def test_minutes_are_the_sum_of_what_all_processes_counted(start: Callable[..., Any], clock: MovableClock) -> None:
    seed = random.randrange(2**32)
    print(f"{seed=}")  # noqa: T201 -- so that a failure can be repeated
    chance = random.Random(seed)
    for org in ORGS:
        shop_of(org)
    connections.close_all()
    runtime.reset()
    children = [start(_serve, clock) for _ in range(4)]
    shown = [Counter[str]() for _ in children]
    dead: Counter[str] = Counter()
    leaders = set()
    while clock.seconds < 1_000_000 + 12 * 60:
        for number in chance.sample(range(4), 3):
            if chance.random() < 0.3:
                ask(children[number], "write", chance.choice(ORGS))
            ask(children[number], "read", chance.choice(ORGS), chance.randrange(300))
        # After it, what all have counted so far lies in their files.
        clock.advance(chance.uniform(2.1, 9.0))
        for number in chance.sample(range(4), 4):
            told, leads = ask(children[number], "tick", clock.seconds)
            shown[number] = Counter(told)
            if leads:
                leaders.add(children[number].process.pid)
        if chance.random() < 0.15:
            number = chance.randrange(4)
            children[number].kill()
            dead += shown[number]
            children[number], shown[number] = start(_serve, clock), Counter()
    clock.advance(66)
    for child in children:
        ask(child, "tick", clock.seconds)
    for child in children:
        child.kill()

    truth = sum(shown, dead)
    rows = CacheUsage.objects.filter(step="minute", region="shop")
    assert rows.filter(org="").aggregate(**{name: Sum(name, default=0) for name in COUNTED}) == {
        name: truth[name] for name in COUNTED
    }
    of_orgs = rows.exclude(org="").aggregate(hits=Sum("local_hits"), misses=Sum("misses"))
    assert of_orgs["misses"] == truth["misses"]
    assert of_orgs["hits"] == pytest.approx(truth["local_hits"], rel=0.1), "samples tell of most"
    assert len(leaders) > 1
