"""A thread that ends takes its connection to Redis with it, and one that meets an outage those of all others."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.scripts import command

_LOOKS = 10_000


@pytest.fixture
def redis_user() -> str:
    """One who may do everything: keys here have short names, and connections are asked who they are."""
    return ""


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_a_connection_ends_with_its_thread_and_not_some_time_later(redis: Any, no_garbage_collection: None) -> None:
    tier = runtime.redis
    assert tier is not None
    used: list[int] = []
    thread = threading.Thread(target=lambda: used.append(tier.execute([command("CLIENT", "ID")]).values[0]))
    thread.start()
    thread.join()
    # The server hears of it a moment later.
    assert any(str(used[0]) not in {client["id"] for client in redis.client_list()} for _ in range(_LOOKS))


def test_after_an_outage_no_thread_goes_on_with_the_connection_it_had(redis: Any) -> None:
    tier = runtime.redis
    assert tier is not None

    def client_id() -> int:
        return tier.execute([command("CLIENT", "ID")], probe=True).values[0]  # type: ignore[no-any-return]

    with ThreadPoolExecutor(1) as other:
        before = other.submit(client_id).result()
        assert other.submit(client_id).result() == before
        redis.replicaof("127.0.0.1", "1")
        try:
            with pytest.raises(RedisUnavailable, match="READONLY"):
                tier.execute([command("SET", "written", "1")])
        finally:
            redis.replicaof("NO", "ONE")
        assert other.submit(client_id).result() != before
