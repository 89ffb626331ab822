"""What dogpile.cache keeps, for how long, and that it is missed where it is not installed."""

import sys
from types import SimpleNamespace

import pytest

from benchmarks.peers import dogpile
from benchmarks.peers.dogpile import DogpileMemory, DogpileRedis
from benchmarks.results import Unable
from tests.benchmarks.peers.stand_ins import dogpile_modules

OBJECT = object()
VALUE = SimpleNamespace(name="profile", data={"org_id": "bench"}, read=lambda: OBJECT)


@pytest.fixture
def regions(monkeypatch):
    """The regions that are made, of a stand-in for the package."""
    made = []
    monkeypatch.setattr(dogpile, "absence", lambda package, module: None)
    for name, module in dogpile_modules(made).items():
        monkeypatch.setitem(sys.modules, name, module)
    return made


def test_memory_has_the_very_object_that_we_return(regions):
    assert DogpileMemory().reading(VALUE)() is OBJECT
    assert regions[0].configured == ("dogpile.cache.memory", 3600, {})


def test_redis_has_the_data(regions):
    peer = DogpileRedis("redis://there/4")

    assert peer.reading(VALUE)() == VALUE.data
    assert regions[0].configured == ("dogpile.cache.redis", 3600, {"url": "redis://there/4"})
    peer.close()
    assert regions[0].backend.reader_client.closed


@pytest.mark.parametrize("make", [DogpileMemory, lambda: DogpileRedis("redis://there/4")])
def test_where_it_is_not_installed_it_says_so(without_peers, make):
    peer = make()

    assert peer.reading(VALUE) == Unable("dogpile.cache is not installed; `make bench` installs it.")
    peer.close()
