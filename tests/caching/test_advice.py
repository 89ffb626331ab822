"""What is wrong is said with its cause and what to do, and nothing is said when all is well."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.advice import MUCH_MEMORY, advice
from caching.series import MEASURES
from caching.tallies import RegionUsage, tally
from tests.shop import cached


def usage(**numbers: int) -> RegionUsage:
    return tally("shop", [{**dict.fromkeys(MEASURES, 0), "peak_bytes": numbers.get("bytes", 0), **numbers}])


def said(of: RegionUsage, **how: Any) -> list[tuple[str, str, str]]:
    return [(each.about, each.cause, each.remedy) for each in advice(of, **{"minutes": 60, "hosts": 1, **how})]


def test_nothing_is_said_when_all_is_well() -> None:
    assert said(usage(local_hits=900, misses=100, loads=100, audited=5, bytes=MUCH_MEMORY)) == []


def test_few_reads_prove_nothing() -> None:
    assert said(usage(misses=99)) == []
    assert len(said(usage(misses=100))) == 1


def test_a_hit_rate_is_low_below_seventy_percent() -> None:
    assert said(usage(local_hits=70, misses=30)) == []
    [(about, cause, _)] = said(usage(local_hits=69, misses=31))
    assert about == "hit rate"
    assert cause.startswith("Shop: 69.0% of 100 reads were hits, fewer than 70%.")


@pytest.mark.parametrize(
    ("numbers", "cause", "remedy"),
    [
        ({"errors": 120}, "Redis did not answer 120 times", "Look at Redis"),
        ({"bypassed": 200, "refused": 200}, "200 of 400 misses went around the cache because a writer", "transactions"),
        ({"loads": 400, "refused": 200}, "200 loads could not be kept", "outside of transactions"),
        ({"rejected": 120}, "120 values in Redis were of no use", "Clear one key or organisation"),
        ({"evictions": 120}, "Memory is short: 120 values were evicted", "LOCAL_MAX_BYTES"),
        ({"invalidations": 200}, "It changes about as often as it is read anew", "fresh_on"),
        ({}, "Its copies run out after 300 s before they are read again", "warm_cache --region shop"),
    ],
)
def test_the_causes_of_misses_are_told_apart(numbers: dict[str, int], cause: str, remedy: str) -> None:
    [(_, its_cause, its_remedy)] = said(usage(local_hits=600, misses=400, **numbers))
    assert cause in its_cause
    assert remedy in its_remedy


def test_a_little_of_a_cause_is_not_the_cause() -> None:
    little = {"errors": 119, "bypassed": 199, "refused": 199, "rejected": 119, "evictions": 119, "invalidations": 199}
    [(_, cause, _)] = said(usage(local_hits=600, misses=400, **little))
    assert "run out" in cause


def test_with_redis_the_time_there_counts(redis: object) -> None:
    [(_, cause, remedy)] = said(usage(local_hits=600, misses=400))
    assert "after 3600 s" in cause
    assert "'redis_ttl'" in remedy
    assert "With Redis" not in remedy


def test_without_redis_one_is_recommended() -> None:
    [(_, _, remedy)] = said(usage(local_hits=600, misses=400))
    assert "'local_ttl'" in remedy
    assert remedy.endswith("With Redis, what one process has loaded is a hit for all.")


def test_misses_on_what_is_read_often_are_told_when_more_hits_are_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    often = usage(local_hits=510, misses=90, evictions=90)
    assert said(often) == [], "nothing more is expected"
    monkeypatch.setattr(cached.shop, "target", 0.9)

    [(about, cause, _)] = said(usage(local_hits=510, misses=90, evictions=90))
    assert about == "misses"
    assert "85.0% of 600 reads were hits, though it is read 10 times a minute and 90% are expected." in cause
    assert "Memory is short" in cause
    assert said(usage(local_hits=510, misses=90), minutes=61) == [], "it is not read often"
    assert said(usage(local_hits=540, misses=60)) == [], "it is on target"


def test_much_memory_is_told_for_each_server() -> None:
    assert said(usage(bytes=2 * MUCH_MEMORY), hosts=2) == []
    [(about, cause, remedy)] = said(usage(bytes=2 * MUCH_MEMORY + 2), hosts=2)
    assert (about, cause) == ("memory", "Shop: up to 100 MB of local memory on a server, more than 100 MB.")
    assert "quota" in remedy


def test_memory_that_was_given_back_since_is_told_too() -> None:
    assert [about for about, _, _ in said(usage(bytes=5, peak_bytes=MUCH_MEMORY + 1))] == ["memory"]


def test_old_values_and_expired_answers_are_told() -> None:
    [(about, cause, remedy)] = said(usage(violations=1, audited=2000))
    assert (about, "old values, 1 of 2,000 hits" in cause) == ("violations", True)
    assert "cache_audit" in remedy
    [(about, cause, remedy)] = said(usage(stale=3))
    assert (about, "3 reads got an expired value" in cause) == ("stale", True)
    assert "stale_for" in remedy


def test_of_an_organisation_only_what_is_known_is_said() -> None:
    [(_, cause, remedy)] = said(usage(local_hits=60, misses=40, bytes=9 * MUCH_MEMORY, stale=4), org="tea")
    assert "run out" in cause
    assert remedy.endswith("`manage.py warm_cache --org tea`.")


def test_every_sentence_ends(settings: Settings) -> None:
    for numbers in ({}, {"errors": 400}, {"bypassed": 400}, {"refused": 9}, {"rejected": 400}, {"evictions": 400}):
        for _, cause, remedy in said(usage(misses=400, stale=1, violations=1, bytes=2 * MUCH_MEMORY, **numbers)):
            assert cause.endswith(".")
            assert remedy.endswith(".")
