"""How long the local memory of other processes may be behind a write: measured with real processes and a real network.

Every read notes when it began, every write when it was acknowledged, on the one clock of the machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django.fixtures import Settings

from caching.runtime import runtime
from tests.caching.hearing import lead_to, listen
from tests.caching.stepping import KEY
from tests.faults.proxy import Answerless, BlackHole, Proxy
from tests.faults.waiting import eventually
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

_WRITES = 100

# A busy machine makes a figure worse, never better: one good round of so many will do.
_ROUNDS = 5


class Silence(BlackHole, Answerless):
    """Nothing arrives in either direction, and nobody is told."""


@pytest.fixture(autouse=True)
def corner() -> None:
    Shop.objects.create(slug="corner", name="0")


def _write_when_told(pipe: Connection, settings: Settings, caching: dict[str, Any], caches: dict[str, Any]) -> None:
    connections.close_all()
    settings.CACHING = {**settings.CACHING, **caching}
    settings.CACHES = {**settings.CACHES, **caches}
    while True:
        name = pipe.recv()
        Shop.objects.filter(pk="corner").update(name=name)
        pipe.send(time.monotonic())


def is_hit() -> bool:
    shop.get("corner")
    return shop.hit(KEY.local) is not None


def read_until(name: str) -> float:
    """Read without a pause until the name arrives; returns when the first read that saw it began."""
    end = time.monotonic() + 60
    while True:
        began = time.monotonic()
        if shop.get("corner").name == name:
            return began
        assert began < end, "the write never arrived"


def lags(writer: Any) -> list[float]:
    """For how many seconds after each acknowledgement a read still saw the old name."""
    found = []
    for _ in range(_WRITES):
        name = str(time.monotonic_ns())
        eventually(is_hit)
        writer.send(name)
        seen = read_until(name)
        found.append(max(0.0, seen - writer.receive()))
    return found


def test_another_host_sees_a_write_soon(
    redis: Any, start: Callable[..., Any], settings: Settings, tmp_path: Path
) -> None:
    listen()
    writer = start(_write_when_told, settings, {"STAMPS_DIR": str(tmp_path)}, {})
    said, p99 = "", 1.0
    for _ in range(_ROUNDS):
        found = lags(writer)
        *_, p99 = statistics.quantiles(found, n=100)
        said += f"lag p50 {statistics.median(found) * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms. "
        if p99 < 0.05:
            break
    assert p99 < 0.05, said


def test_another_process_of_the_host_sees_a_write_at_once(start: Callable[..., Any], settings: Settings) -> None:
    writer = start(_write_when_told, settings, {}, {})
    for number in range(1, _WRITES + 1):
        eventually(is_hit)
        writer.send(str(number))
        writer.receive()
        assert shop.get("corner").name == str(number)


@pytest.fixture
def proxy(redis: Any, settings: Settings) -> Iterator[Proxy]:
    """This host's way to the server, and not the other's."""
    proxy = Proxy(redis.connection_pool.connection_kwargs["port"])
    lead_to(settings, proxy.port)
    # A read that asks Redis in vain must not take for longer than the bound itself.
    settings.CACHING = {**settings.CACHING, "REDIS_BUDGET_SECONDS": 0.05}
    yield proxy
    runtime.reset()
    proxy.close()


def test_a_host_that_is_cut_off_serves_nothing_older_than_300_milliseconds(
    redis: Any, settings: Settings, proxy: Proxy, start: Callable[..., Any], tmp_path: Path
) -> None:
    direct = {**settings.CACHES["redis"], "LOCATION": f"redis://127.0.0.1:{proxy.target}/0"}
    patient = {"STAMPS_DIR": str(tmp_path), "REDIS_BUDGET_SECONDS": 5.0}
    writer = start(_write_when_told, settings, patient, {"redis": direct})
    listen()
    found: list[float] = []
    for number in range(1, 21):
        eventually(is_hit)
        proxy.suffer(Silence())
        writer.send(str(number))
        acknowledged = writer.receive()
        last_stale = acknowledged
        while (began := time.monotonic()) < acknowledged + 0.6:
            if shop.get("corner").name != str(number):
                last_stale = began
        found.append(last_stale - acknowledged)
        proxy.heal()
        runtime.breaker.close()
        # A write that the machine delayed for longer than the trust lasted proves nothing.
        if sum(each > 0 for each in found) == 3:
            break
    said = f"stale for up to {max(found) * 1000:.0f} ms, median {statistics.median(found) * 1000:.0f} ms"
    assert 0 < max(found) <= 0.3, said
