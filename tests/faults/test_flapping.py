"""A way to Redis that comes and goes every 200 ms, while threads, tasks and other processes write and read."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from caching.models import PendingInvalidation
from caching.runtime import runtime
from tests.caching.conftest import Child
from tests.faults.proxy import Answerless, BlackHole, Fault, LostAnswer, Proxy, Refusal, Reset
from tests.faults.servers import Server
from tests.faults.waiting import eventually
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

_PERIOD = 0.2
_FAULTS = [each for fault in (Refusal(), BlackHole(), Reset(), Answerless(), LostAnswer()) for each in (fault, Fault())]
# All faults, in so many rounds of so many changes.
_ROUNDS, _FLAPS = 3, 4
# Between two requests of the same client. A loop that writes without a break would keep SQLite from everybody else.
_BREATH = 0.005


class Truth:
    """The number of the last write that was acknowledged; shared by all processes of the test."""

    def __init__(self) -> None:
        self._number = multiprocessing.Value("q", 0)

    def acknowledge(self, number: int) -> None:
        self._number.value = number

    @property
    def acknowledged(self) -> int:
        return int(self._number.value)


class Readers:
    """Read in a loop, and count what is older than what had been acknowledged before the read began."""

    def __init__(self, truth: Truth, pk: Any) -> None:
        self._truth = truth
        self._pk = pk
        self.reads = 0
        self.stale: list[tuple[int, list[int]]] = []
        self.stopping = threading.Event()

    def read(self) -> list[int]:
        return self._numbers(shop.get("corner"), menu.get("corner"), dish.get("corner", self._pk))

    async def aread(self) -> list[int]:
        return self._numbers(await shop.aget("corner"), await menu.aget("corner"), await dish.aget("corner", self._pk))

    @staticmethod
    def _numbers(shop: Any, menu: Any, dish: Any) -> list[int]:
        return [int(name.split()[-1]) for name in (shop.name, *(each.name for each in menu.results), dish.name)]

    def check(self, acknowledged: int, seen: list[int]) -> None:
        self.reads += 1
        if min(seen) < acknowledged:
            self.stale.append((acknowledged, seen))

    def in_thread(self) -> None:
        while not self.stopping.wait(_BREATH):
            acknowledged = self._truth.acknowledged
            self.check(acknowledged, self.read())
        connections.close_all()

    def in_tasks(self) -> None:
        async def go() -> None:
            while not self.stopping.is_set():
                acknowledged = self._truth.acknowledged
                self.check(acknowledged, await self.aread())
                await asyncio.sleep(_BREATH)

        async def go_all() -> None:
            await asyncio.gather(go(), go())

        asyncio.run(go_all())


def in_process(pipe: Any, truth: Truth, pk: Any, caching: dict[str, Any]) -> None:
    """Read until told to stop; then say how much was read and what was stale, and what the last read was."""
    connections.close_all()
    settings.CACHING = {**settings.CACHING, **caching}
    runtime.reset()
    readers = Readers(truth, pk)
    pipe.send("ready")
    while not pipe.poll(_BREATH):
        acknowledged = truth.acknowledged
        readers.check(acknowledged, readers.read())
    pipe.recv()
    eventually(lambda: min(readers.read()) == truth.acknowledged)
    pipe.send((readers.reads, readers.stale))
    runtime.at_exit()
    connections.close_all()


class Writer:
    """Write in a loop; `last` is the number of the last write."""

    def __init__(self, truth: Truth, soup: Dish) -> None:
        self._truth = truth
        self._soup = soup
        self.last = 0
        self.stopping = threading.Event()

    def in_thread(self) -> None:
        while not self.stopping.wait(_BREATH):
            self.last += 1
            self._soup.shop.name = f"shop {self.last}"
            self._soup.shop.save()
            self._soup.name = f"soup {self.last}"
            self._soup.save()
            self._truth.acknowledge(self.last)
        connections.close_all()


@pytest.fixture
def truth() -> Truth:
    return Truth()


@pytest.fixture
def soup() -> Dish:
    corner = Shop.objects.create(slug="corner", name="shop 0")
    return Dish.objects.create(shop=corner, name="soup 0")


@pytest.fixture
def colleagues(
    server: Server, soup: Dish, truth: Truth, configure: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Child]]:
    """A process of this host and one of another, which reach the server all the time."""
    configure(1, elsewhere=server.port, BACKGROUND=True)
    connections.close_all()
    there = str(tmp_path_factory.mktemp("elsewhere"))
    children = [
        Child(in_process, truth, soup.pk, {"REDIS_ALIAS": "elsewhere", **more}) for more in ({}, {"STAMPS_DIR": there})
    ]
    for child in children:
        child.receive()
    yield children
    for child in children:
        child.close()


def test_under_a_flapping_way_nothing_is_stale_and_everything_is_delivered(
    server: Server,
    truth: Truth,
    soup: Dish,
    colleagues: list[Child],
    proxy: Proxy,
    configure: Callable[..., None],
) -> None:
    # The relay looks often, so that Redis is soon trusted again.
    configure(proxy.port, elsewhere=server.port, REDIS_BUDGET_SECONDS=0.05, RELAY_SECONDS=0.02, BACKGROUND=True)
    readers, writer = Readers(truth, soup.pk), Writer(truth, soup)
    threads = [
        threading.Thread(target=work)
        for work in (readers.in_thread, readers.in_thread, readers.in_tasks, writer.in_thread)
    ]
    faults = itertools.cycle(_FAULTS)
    for thread in threads:
        thread.start()
    try:
        for _ in range(_ROUNDS):
            flap_and_heal(proxy, faults)
    finally:
        for each in (writer, readers):
            each.stopping.set()
        for thread in threads:
            thread.join()
    assert (readers.stale, readers.reads > 0) == ([], True)
    for colleague in colleagues:
        colleague.send("enough")
    (reads_here, stale_here), (reads_there, _) = (colleague.receive() for colleague in colleagues)
    assert stale_here == []
    assert min(reads_here, reads_there) > 0
    eventually(lambda: runtime.breaker.closed and not PendingInvalidation.objects.exists())
    shop.counters.reset()
    eventually(lambda: shop.get("corner") and shop.counters.local_hits + shop.counters.redis_hits)
    assert set(readers.read()) == {writer.last}


def flap_and_heal(proxy: Proxy, faults: Iterator[Fault]) -> None:
    """Let the way come and go until Redis is given up, and a little longer, and then stay until it is trusted again."""
    trips, flaps = runtime.breaker.describe()["trips"], proxy.flaps
    proxy.flap(faults, _PERIOD)
    eventually(lambda: runtime.breaker.describe()["trips"] > trips and proxy.flaps >= flaps + _FLAPS)
    proxy.heal()
    eventually(lambda: runtime.breaker.closed)
