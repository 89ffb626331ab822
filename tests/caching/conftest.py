"""Real processes for tests of what processes share, a Redis that is away, and organisations that are shops."""

from __future__ import annotations

import multiprocessing
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest
from django.db.models import Q
from pytest_django.fixtures import Settings

from caching.prefetch import Prefetcher
from caching.registry import registry
from caching.runtime import runtime
from tests.caching.foreseeing import switch
from tests.conftest import STORE, MovableClock
from tests.shop.models import Shop

_PATIENCE_SECONDS = 60
_FORK = multiprocessing.get_context("fork")


class Child:
    """A forked process that runs `work(pipe, *arguments)`; the test talks to it through the other end of the pipe."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self._pipe, its_end = _FORK.Pipe()
        self.process = _FORK.Process(target=work, args=(its_end, *arguments))
        self.process.start()
        its_end.close()

    def send(self, message: object) -> None:
        self._pipe.send(message)

    def receive(self) -> Any:
        """Return what the child sent; fails when it died, or is silent for a minute."""
        assert self._pipe.poll(_PATIENCE_SECONDS), "the child process is silent"
        return self._pipe.recv()

    def kill(self) -> None:
        """End the process with SIGKILL, as the kernel does when memory is short."""
        self.process.kill()
        self.join()

    def join(self) -> None:
        self.process.join(_PATIENCE_SECONDS)
        assert self.process.exitcode is not None, "the child process does not end"

    def close(self) -> None:
        self.kill()
        self._pipe.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Start a function in a process of its own; what still runs when the test ends is killed."""
    children: list[Child] = []

    def start_child(work: Callable[[Connection], None], *arguments: Any) -> Child:
        children.append(Child(work, *arguments))
        return children[-1]

    yield start_child
    for child in children:
        child.close()


@pytest.fixture
def barrier() -> Callable[[int], Barrier]:
    """Make a barrier at which that many processes wait for each other."""
    return _FORK.Barrier


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Cable:
    """This process's way to the Redis server; others have theirs."""

    def __init__(self, dead_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._dead_port = dead_port
        self._monkeypatch = monkeypatch

    def unplug(self) -> None:
        """Cut this process off: its connections are closed, and new ones refused."""
        tier = runtime.redis
        assert tier is not None
        if STORE == "rest":
            self._url, url = tier._url, f"http://127.0.0.1:{self._dead_port}"
            self._monkeypatch.setattr(tier, "_url", url)
        else:
            self._monkeypatch.setattr(tier, "connection", partial(type(tier).connection, tier, port=self._dead_port))
        tier.close()

    def plug(self) -> None:
        """End that; what the process noticed of it stays as it is."""
        tier = runtime.redis
        assert tier is not None
        if STORE == "rest":
            self._monkeypatch.setattr(tier, "_url", self._url)
        else:
            self._monkeypatch.setattr(tier, "connection", partial(type(tier).connection, tier))
        tier.close()


@pytest.fixture
def cable(redis: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    """Configure the real server as the Redis tier, behind a cable that the test pulls."""
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        yield Cable(nobody_listens.getsockname()[1], monkeypatch)


@pytest.fixture
def redis_down(settings: Settings, fresh_cache: None) -> Iterator[None]:
    """Configure a Redis tier whose server refuses every connection."""
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        settings.CACHES = {
            **settings.CACHES,
            "redis": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": f"redis://127.0.0.1:{port}/0",
            },
        }
        settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis", "REDIS_BUDGET_SECONDS": 5.0}
        yield


@pytest.fixture
def shops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shops be the organisations there are."""
    monkeypatch.setattr(
        registry, "organisations", lambda orgs: Shop.objects.filter(pk__in=orgs).values_list("pk", flat=True)
    )


@pytest.fixture
def named_shops(monkeypatch: pytest.MonkeyPatch, shops: None) -> None:
    """Let the shops be found by their names, too."""

    def find(text: str, limit: int) -> list[tuple[str, str]]:
        like = Shop.objects.filter(Q(pk__icontains=text) | Q(name__icontains=text))
        return list(like.order_by("name", "pk").values_list("pk", "name")[:limit])

    monkeypatch.setattr(registry, "find_organisations", find)


@pytest.fixture
def prefetcher(settings: Settings, clock: MovableClock) -> Prefetcher:
    """Prediction, switched on, in an observer of which nobody else is part."""
    switch(settings)
    return runtime.observer.consumer(Prefetcher)
