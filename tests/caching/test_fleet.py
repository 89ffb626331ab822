"""All servers' figures: each host tells Redis its own, and whoever asks adds them up."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from caching.fleet import Fleet, HostFigures, fleet_hosts
from caching.reporting import cache_report
from caching.runtime import runtime
from tests.conftest import MovableClock
from tests.shop.cached import shop

NAME = "fa:fleet"

# A report counts the rows of the outbox.
pytestmark = pytest.mark.django_db(transaction=True)


def told_by_another(redis: Any, *, at: float, misses: int = 40, **changed: Any) -> HostFigures:
    numbers = {**runtime.statistics.host()["shop"], "misses": misses, "local_hits": 60}
    figures = {"id": "other", "host": "zoo", "process": 7, "at": at, "numbers": {"shop": numbers}, **changed}
    host = HostFigures(**figures)
    redis.hset(NAME, host.id, msgspec.json.encode(host))
    return host


@pytest.fixture
def moved(redis: Any, clock: MovableClock) -> MovableClock:
    return clock


def test_a_host_tells_redis_its_figures_and_busiest_every_few_seconds(redis: Any, moved: MovableClock) -> None:
    shop.counters.misses = 3
    runtime.activity.missed.append(("shop", "default", "tea"))
    fleet = Fleet()
    runtime.usage.observe(runtime.activity.take())

    fleet.lead()
    told = msgspec.json.decode(redis.hget(NAME, runtime.statistics.host_id), type=HostFigures)
    assert told.numbers["shop"]["misses"] == 3
    assert [org.org for org in told.orgs] == ["tea"]
    assert told.keys[0].parts is None, "Redis need not know what keys are made of"

    shop.counters.misses = 4
    moved.advance(2.9)
    fleet.lead()
    assert b'"misses":3' in redis.hget(NAME, runtime.statistics.host_id)
    moved.advance(0.2)
    fleet.lead()
    assert b'"misses":4' in redis.hget(NAME, runtime.statistics.host_id)


def test_the_fleet_is_the_sum_of_its_hosts(redis: Any, moved: MovableClock) -> None:
    shop.counters.misses = 2
    shop.counters.local_hits = 3
    told_by_another(redis, at=moved.wall() - 2)

    report = cache_report(scope="fleet")

    assert report.region("shop").statistics["misses"] == 42
    assert [(host.host, host.requests) for host in report.hosts][1:] == [("zoo", 100)]
    assert report.hosts[1].hit_rate == 0.6
    assert report.hosts[1].seconds_ago == 2
    assert report.hosts[0].requests == 5
    assert cache_report(scope="host").region("shop").statistics["misses"] == 2


def test_the_fleet_counts_since_the_first_of_its_hosts_began(redis: Any, moved: MovableClock) -> None:
    own = runtime.statistics.since
    assert own is not None
    told_by_another(redis, at=moved.wall(), since=own - 60)
    told_by_another(redis, at=moved.wall(), id="of-an-earlier-release")

    report = cache_report(scope="fleet")

    assert report.since == own - 60
    assert {host.id: host.since for host in report.hosts} == {
        runtime.statistics.host_id: own,
        "other": own - 60,
        "of-an-earlier-release": None,
    }
    assert cache_report(scope="host").since == own
    assert cache_report(scope="process").since == runtime.statistics.process_since


def test_this_hosts_own_figures_are_as_they_are_now_and_count_once(redis: Any, moved: MovableClock) -> None:
    shop.counters.misses = 2
    Fleet().lead()
    shop.counters.misses = 9

    assert cache_report(scope="fleet").region("shop").statistics["misses"] == 9


@pytest.mark.parametrize("seconds", [-15.0, 15.0])
def test_a_host_that_fell_silent_counts_no_more(redis: Any, moved: MovableClock, seconds: float) -> None:
    told_by_another(redis, at=moved.wall() + seconds)
    assert len(fleet_hosts()) == 1

    told_by_another(redis, at=moved.wall() + seconds * 0.9)
    assert len(fleet_hosts()) == 2


def test_a_host_that_is_gone_is_forgotten(redis: Any, moved: MovableClock) -> None:
    told_by_another(redis, at=moved.wall() - 86_401)
    told_by_another(redis, at=moved.wall() - 86_399, id="third")

    Fleet().lead()

    assert sorted(redis.hkeys(NAME)) == sorted([b"third", runtime.statistics.host_id.encode()])


def test_what_another_release_tells_is_taken_as_far_as_it_is_known(redis: Any, moved: MovableClock) -> None:
    told_by_another(redis, at=moved.wall(), numbers={"shop": {"misses": 5, "new": 7}, "unknown": {"misses": 1}})
    redis.hset(NAME, "strange", b"\xff{")
    redis.hset(NAME, "older", b'{"id": 3}')

    report = cache_report(scope="fleet")

    assert report.region("shop").statistics["misses"] == 5
    assert "unknown" not in [region.name for region in report.regions]
    assert len(report.hosts) == 2


def test_without_redis_the_fleet_is_this_host() -> None:
    shop.counters.misses = 2
    Fleet().lead()

    report = cache_report(scope="fleet")

    assert report.region("shop").statistics["misses"] == 2
    assert [host.breaker for host in report.hosts] == [""]


def test_a_redis_that_is_away_is_not_told_and_the_fleet_is_this_host(redis_down: None) -> None:
    Fleet().lead()

    assert len(cache_report(scope="fleet").hosts) == 1


def test_what_somebody_else_has_left_under_the_name_makes_way(redis: Any, moved: MovableClock) -> None:
    redis.set(NAME, "something else")
    assert [host.id for host in fleet_hosts()] == [runtime.statistics.host_id]

    Fleet().lead()

    assert redis.hkeys(NAME) == [runtime.statistics.host_id.encode()]
    assert runtime.breaker.closed
