"""A thread that ends takes its connection to Redis with it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from caching.runtime import runtime
from caching.scripts import command

_LOOKS = 10_000


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
