"""Whose answer a figure is, and how local memory is made to forget a value."""

from types import SimpleNamespace

import pytest

from benchmarks.results import Unable
from benchmarks.served import Served, forget_locally, without_local
from caching.runtime import runtime
from caching.stats import Counters
from restaurant.profiles.cached import profile, profile_lite
from tests.factories import BusinessProfileFactory


class TestServed:
    @pytest.fixture
    def region(self):
        """All of a region that is looked at."""
        return SimpleNamespace(counters=Counters())

    @pytest.fixture
    def hit(self, region):
        """A read that local memory answers."""

        def read():
            region.counters.local_hits += 1

        return read

    def test_hits_of_the_tier_are_not_doubted(self, hit, region):
        served = Served(hit, region, "local_hits")

        served.seconds_per_call(10)

        assert region.counters.local_hits == 10
        assert served.doubt() is None

    def test_what_times_itself_is_asked_for_its_time(self, region):
        class Elsewhere:
            def seconds_per_call(self, calls):
                return 42.0

        assert Served(Elsewhere(), region, "local_hits").seconds_per_call(10) == 42.0

    def test_hits_of_another_tier_are(self, hit, region):
        served = Served(hit, region, "redis_hits")

        served.seconds_per_call(10)

        assert served.doubt() == Unable("These were not redis hits alone: local hits 10, redis hits 0, misses 0.")

    def test_so_is_a_read_that_asked_nobody(self, region):
        assert isinstance(Served(lambda: None, region, "local_hits").doubt(), Unable)

    @pytest.mark.parametrize(("hits", "misses", "doubted"), [(99, 1, False), (98, 2, True)])
    def test_a_hundredth_may_be_another_tiers(self, hit, region, hits, misses, doubted):
        served = Served(hit, region, "local_hits")

        region.counters.local_hits += hits
        region.counters.misses += misses

        assert (served.doubt() is not None) == doubted

    def test_what_was_before_does_not_count(self, hit, region):
        region.counters.misses = 1000
        served = Served(hit, region, "local_hits")

        served.seconds_per_call(1)

        assert served.doubt() is None


@pytest.fixture
def org(transactional_db):
    """An organisation."""
    return BusinessProfileFactory().pk


def test_a_value_is_forgotten_locally_and_no_other(org):
    profile.get(org)
    profile_lite.get(org)

    forget_locally([profile.key(org), profile.key("nobody")])

    assert profile.key(org).local not in runtime.local.entries
    assert profile_lite.key(org).local in runtime.local.entries


def test_without_local_memory_each_read_comes_from_redis(redis, org):
    profile.get(org)
    read = without_local(lambda: profile.get(org), profile.key(org))

    assert [read().org_id for _ in range(3)] == [org] * 3
    assert profile.counters.redis_hits == 3
