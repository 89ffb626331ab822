"""A day is played in simulated time through the real cache; every read is compared, and a stale one is found."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from benchmarks.policies import simulation
from benchmarks.policies.habits import Look
from benchmarks.policies.simulation import GROUPS, Outcome, simulate
from caching.clock import Clock
from caching.conf import conf
from caching.registry import registry
from caching.runtime import runtime
from orders.models import Order
from orders.statuses import Status
from tests.benchmarks.policies.weeks import plan_make

pytestmark = pytest.mark.django_db(transaction=True)


def few(monkeypatch: pytest.MonkeyPatch, *, every: int = 20) -> None:
    """Leave out most looks, which a test has no time for."""
    drawn = simulation.looks_of_day

    def looks(*given: Any) -> list[Look]:
        return [look for number, look in enumerate(drawn(*given)) if number % every == 0 or look.order is not None]

    monkeypatch.setattr(simulation, "looks_of_day", looks)
    monkeypatch.setattr(simulation, "_IDLE_SECONDS", 1200.0)


@pytest.fixture
def outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    few(monkeypatch)
    return simulate("fixed", {}, plan_make(tmp_path))


def test_all_orders_are_played_and_nothing_is_stale(outcome: Outcome) -> None:
    played = Order.objects.exclude(org_id="policies")
    assert [order.status for order in played] == [Status.PAID] * 2
    assert sorted(order.placed_at.hour for order in played) == [18, 19]
    assert {order.placed_on for order in played} == {date(2019, 4, 29)}
    assert outcome.stale == 0


def test_reads_hits_and_queries_are_counted_by_group(outcome: Outcome) -> None:
    assert set(outcome.reads) == set(GROUPS.values())
    assert 0 < outcome.hits.total() < outcome.reads.total()
    assert outcome.queries >= outcome.reads.total() - outcome.hits.total()
    assert outcome.background == 0
    assert outcome.held > 0
    assert outcome.hit_rate() == outcome.hits.total() / outcome.reads.total()
    assert Outcome("none", Counter(), Counter()).hit_rate("orders") == 0


def test_it_goes_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    plan = plan_make(tmp_path)
    assert simulate("fixed", {}, plan) == simulate("fixed", {}, plan)


def test_longer_times_gain_hits_of_what_does_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    plan = plan_make(tmp_path)
    fixed, adaptive = (simulate("any", {"ADAPTIVE_TTL": on}, plan) for on in (False, True))
    assert adaptive.reads == fixed.reads
    assert adaptive.hit_rate() > fixed.hit_rate()
    assert adaptive.queries < fixed.queries
    assert adaptive.stale == 0


def test_days_to_learn_from_are_played_and_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    alone = simulate("fixed", {}, plan_make(tmp_path, days=2)).reads.total()
    counted = simulate("fixed", {}, plan_make(tmp_path, learn=1)).reads.total()
    assert 0 < counted < alone
    assert Order.objects.exclude(org_id="policies").count() == 3


def test_a_cache_that_is_not_told_of_writes_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    plan = plan_make(tmp_path)
    first: dict[str, Any] = {}
    region = registry.get("orders_page")
    get = type(region).get

    def frozen(self: Any, org: str, *parts: Any, **options: Any) -> Any:
        if self is region and options.get("use_cache", True):
            return first.setdefault(org, get(self, org, *parts))
        return get(self, org, *parts, **options)

    monkeypatch.setattr(type(region), "get", frozen)
    assert simulate("fixed", {}, plan).stale > 0


def test_settings_clock_and_time_are_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, every=200)
    plan = plan_make(tmp_path)
    mine, now = Clock(), timezone.now
    runtime.clock = mine
    try:
        simulate("adaptive", {"ADAPTIVE_TTL": True}, plan)
        assert runtime.clock is mine
        assert timezone.now is now
        assert not conf.ADAPTIVE_TTL
    finally:
        del runtime.clock


def test_queries_of_the_observer_count_as_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, every=200)
    plan = plan_make(tmp_path)
    tick = simulation._Simulation._pass_time

    class Loading:
        def tick(self) -> None:
            registry.get("profile").get("policies", use_cache=False)

    def passing(self: Any, until: float) -> None:
        vars(runtime)["observer"] = Loading()
        tick(self, until)
        del vars(runtime)["observer"]

    monkeypatch.setattr(simulation._Simulation, "_pass_time", passing)
    found = simulate("fixed", {}, plan)
    assert found.background > found.reads.total()
