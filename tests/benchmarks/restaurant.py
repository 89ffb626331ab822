"""The benchmark's restaurant in the test database, with caches as in the benchmark's settings, and a tiny run."""

from __future__ import annotations

import pytest

from benchmarks import peers
from benchmarks.bench import Bench
from benchmarks.world import world_create

__all__ = ["Place", "caches_of_peers", "restaurant", "tiny_bench", "without_peers"]


class Place:
    """Where the servers of the test are; it starts nothing."""

    def __init__(self, redis_url: str) -> None:
        self.redis_url = redis_url


class _TinyBench(Bench):
    def often(self, full: int, quick: int) -> int:
        return 1


@pytest.fixture
def restaurant(transactional_db):
    """A restaurant of three active orders, all committed."""
    world_create(active=3)


@pytest.fixture
def caches_of_peers(settings, valkey, redis):
    """The caches of the benchmark's settings, on the test's own server, whose address it returns."""
    server = f"redis://{valkey.host}:{valkey.port}"
    settings.CACHES = {
        **settings.CACHES,
        "locmem": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "benchmark"},
        "django-redis": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"{server}/1"},
        "django-core-redis": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": f"{server}/2"},
    }
    return f"{server}/0"


@pytest.fixture
def without_peers(monkeypatch):
    """Nothing of what `make bench` installs is there, whatever is."""
    monkeypatch.setattr(peers, "find_spec", lambda name: None)


@pytest.fixture
def tiny_bench(caches_of_peers, without_peers):
    """A run of one round each, which says nothing."""
    return _TinyBench(Place(caches_of_peers), quick=True, say=lambda what: None)
