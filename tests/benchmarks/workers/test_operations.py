"""Each of the specification's operations reads the same around the cache as through it, and is answered by one tier."""

import pytest
from django.db import connection

from benchmarks.results import OURS, Sample
from benchmarks.workers import operations as worker
from benchmarks.workers.operations import DATABASE, FROM_REDIS, QUERIES, operations, prepared, timed, uncached
from caching import Listing
from orders.models import Order
from restaurant.profiles.models import BusinessProfile

pytestmark = pytest.mark.usefixtures("restaurant")


def plain(found):
    """What an operation found, whichever form its way returns it in."""
    if isinstance(found, Listing):
        return list(found.results)
    if isinstance(found, dict):
        return sorted(found.values(), key=lambda each: each.org_id)
    return list(found) if isinstance(found, tuple | list) else [found]


def test_all_read_the_same_around_the_cache():
    assert prepared() == {}

    for name, operation in operations().items():
        cached, direct = plain(operation.cached()), plain(operation.direct())

        assert cached == direct, name
        assert cached, name
        assert None not in cached, name


def test_a_database_is_prepared_once():
    for _ in range(2):
        prepared()

        assert BusinessProfile.objects.count() == 10
        # Of the three orders of a small restaurant.
        assert Order.objects.filter(status="confirmed").count() == 1


def test_an_empty_database_gets_the_restaurant(monkeypatch):
    written = []
    monkeypatch.setattr("benchmarks.world.ORG", "somebody else")
    monkeypatch.setattr("benchmarks.world.world_create", lambda: written.append("the restaurant"))

    prepared()

    assert written == ["the restaurant"]


def test_each_tier_answers_every_operation(redis, patient):
    prepared()

    for name, operation in operations().items():
        answer = timed(operation, far=0.0, hits=2, rounds=3)

        kinds = {tier: type(sample) for tier, sample in answer.items()}
        assert kinds == dict.fromkeys((OURS, FROM_REDIS, DATABASE, QUERIES), Sample), (name, answer)
        assert len(answer[DATABASE].rounds) == 3


class TestUncached:
    @pytest.fixture
    def slept(self, monkeypatch):
        """How long was slept each time."""
        seconds = []
        monkeypatch.setattr(worker.time, "sleep", seconds.append)
        return seconds

    def test_a_database_far_away_takes_as_long_for_each_query(self, slept):
        def two_queries():
            for _ in range(2):
                BusinessProfile.objects.count()

        answer = uncached(two_queries, far=0.05, rounds=3)

        # What warms up is near.
        assert slept == [0.05] * 6
        assert answer[QUERIES] == Sample((2.0,))
        assert len(answer[DATABASE].rounds) == 3

    def test_one_that_is_near_does_not_wait(self, slept):
        uncached(BusinessProfile.objects.count, far=0.0, rounds=1)

        assert slept == []

    def test_nothing_is_left_behind(self, slept):
        uncached(BusinessProfile.objects.count, far=0.05, rounds=1)

        assert connection.execute_wrappers == []
