"""Reports hold the counters, what is declared, and what the tiers make of it."""

from __future__ import annotations

import os

import pytest
from pytest_django.fixtures import Settings

from caching.errors import UnknownRegion
from caching.reporting import OutboxReport, cache_report
from caching.runtime import runtime
from tests.caching.operators import shop_of
from tests.shop import cached


@pytest.mark.django_db(transaction=True)
def test_a_report_counts_requests_memory_and_evictions(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "LOCAL_MAX_ENTRIES": 2}
    for slug in ("tea", "cake", "bread"):
        shop_of(slug)
        cached.shop.get(slug)
    cached.shop.get("bread")

    figures = cache_report().region("shop").statistics

    assert (figures["requests"], figures["local_hits"], figures["misses"]) == (4, 1, 3)
    assert (figures["entries"], figures["evictions"]) == (2, 1)
    assert runtime.local is not None
    assert figures["bytes"] == runtime.local.bytes > 0


@pytest.mark.django_db(transaction=True)
def test_evictions_outlive_the_tier_that_counted_them(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "LOCAL_MAX_ENTRIES": 1}
    for slug in ("tea", "cake"):
        shop_of(slug)
        cached.shop.get(slug)
    assert cache_report(scope="process").region("shop").statistics["evictions"] == 1

    del runtime.local
    cached.shop.get("tea")

    figures = cache_report(scope="process").region("shop").statistics
    assert (figures["evictions"], figures["entries"]) == (1, 1)


def test_a_target_is_judged_only_after_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached.shop, "target", 0.5)
    assert cache_report().region("shop").meets_target is None

    cached.shop.counters.misses = 2
    cached.shop.counters.local_hits = 1
    assert cache_report().region("shop").meets_target is False

    cached.shop.counters.redis_hits = 1
    assert cache_report().region("shop").meets_target is True

    monkeypatch.setattr(cached.shop, "target", None)
    assert cache_report().region("shop").meets_target is None


def test_times_to_live_are_those_that_apply(settings: Settings) -> None:
    alone = cache_report()
    assert not alone.redis
    assert (alone.region("shop").local_ttl, alone.region("shop").redis_ttl) == (300, None)


@pytest.mark.django_db
def test_with_a_redis_that_is_not_listened_to_local_copies_are_brief(redis: object) -> None:
    report = cache_report()

    assert report.redis
    assert (report.region("shop").local_ttl, report.region("shop").redis_ttl) == (2, 3600)


@pytest.mark.django_db
def test_the_state_of_redis_is_told(redis: object) -> None:
    report = cache_report()
    assert report.breaker is not None
    assert (report.breaker.state, report.breaker.trips, report.listener) == ("closed", 0, None)
    assert report.outbox == OutboxReport(depth=0, oldest_seconds=None, delivered=0, is_relay=False)

    runtime.breaker.trip("a test")
    report = cache_report()
    assert report.breaker is not None
    assert (report.breaker.state, report.breaker.trips, report.breaker.why) == ("open", 1, "a test")


def test_without_redis_there_is_nothing_to_tell() -> None:
    report = cache_report()
    assert (report.breaker, report.listener, report.outbox) == (None, None, None)


def test_a_report_says_whose_it_is(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "PREFIX": "mine:"}

    report = cache_report(scope="process")

    assert (report.scope, report.process, report.prefix, report.local_memory) == ("process", os.getpid(), "mine:", True)
    assert report.host


def test_an_unknown_region_is_told() -> None:
    with pytest.raises(UnknownRegion, match="'shap'"):
        cache_report().region("shap")


def test_a_region_says_what_the_auditor_has_found() -> None:
    assert cache_report().region("shop").consistency.sentence == "not audited yet"

    cached.shop.counters.audited, cached.shop.counters.violations = 3_000, 1

    found = cache_report().region("shop").consistency
    assert (found.nines, found.audited, found.violations) == (2, 3_000, 1)
    assert found.within_ms == 1_000
