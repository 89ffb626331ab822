"""What cashews keeps and from where it answers, and that it is missed where it is not installed."""

import asyncio
import sys
from types import SimpleNamespace

import pytest

from benchmarks.peers import cashews
from benchmarks.peers.cashews import CashewsCopy, CashewsMemory, CashewsRedis
from benchmarks.results import Unable
from tests.benchmarks.peers.stand_ins import cashews_modules

OBJECT = object()
VALUE = SimpleNamespace(name="profile", data={"org_id": "bench"}, read=lambda: OBJECT)


@pytest.fixture
def runner():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def made(monkeypatch):
    """The caches that are made, of a stand-in for the package."""
    caches = []
    monkeypatch.setattr(cashews, "absence", lambda package, module: None)
    for name, module in cashews_modules(caches).items():
        monkeypatch.setitem(sys.modules, name, module)
    return caches


def test_memory_has_the_very_object_that_we_return(made, runner):
    peer = CashewsMemory(runner)

    assert peer.reading(VALUE)() is OBJECT
    assert made[0].url == "mem://"
    peer.close()
    assert made[0].closed


def test_redis_is_asked_each_time(made, runner):
    read = CashewsRedis(runner, "redis://there/5").reading(VALUE)
    made[0].read.clear()

    read.seconds_per_call(3)

    assert read() == VALUE.data
    assert made[0].url == "redis://there/5?client_side=true"
    assert made[0].read == ["profile"] * 4


def test_its_copy_answers_by_itself(made, runner):
    read = CashewsCopy(runner, "redis://there/6").reading(VALUE)

    read.seconds_per_call(3)

    assert read() == VALUE.data
    assert made[0].read == []


@pytest.mark.parametrize(
    "make",
    [CashewsMemory, lambda runner: CashewsRedis(runner, "redis://"), lambda runner: CashewsCopy(runner, "redis://")],
)
def test_where_it_is_not_installed_it_says_so(without_peers, runner, make):
    peer = make(runner)

    assert peer.reading(VALUE) == Unable("cashews is not installed; `make bench` installs it.")
    peer.close()
