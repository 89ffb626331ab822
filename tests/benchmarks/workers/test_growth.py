"""What is timed as work grows is what local memory answers, and what many do together is counted once."""

import pytest

from benchmarks.results import OURS, Sample, Unable
from benchmarks.workers import growth
from benchmarks.workers.growth import COLD, DICTIONARY, FROM_REDIS, LATENCY, Entries, Tally, pooled
from orders.cached import active_orders
from restaurant.profiles.cached import profile


class TestEntries:
    @pytest.fixture
    def entries(self, transactional_db, own_regions):
        return Entries()

    def test_ever_more_are_looked_up_in_local_memory(self, entries):
        for size in (3, 5):
            answer = entries.time(size, 2)

            assert {name: len(sample.rounds) for name, sample in answer.items()} == {OURS: 2, DICTIONARY: 2}
            assert len(entries._dictionary) == size
            assert entries._region.counters.misses == size

    def test_the_dictionary_holds_what_is_cached(self, entries):
        entries._fill(3)

        assert entries._dictionary == entries._region.get_many(entries._names)

    def test_entries_that_were_evicted_are_not_timed(self, entries, settings):
        settings.CACHING = {**settings.CACHING, "LOCAL_MAX_ENTRIES": 2}

        assert isinstance(entries.time(5, 1)[OURS], Unable)


class TestOrders:
    @pytest.fixture(autouse=True)
    def _prepared(self, restaurant, redis, patient):
        assert growth.organisations_prepared([2, 1]) == {}

    def test_each_tier_answers_for_itself(self):
        before = active_orders.counters.misses

        answer = growth.orders("other-0000", 2)

        assert {name: type(sample) for name, sample in answer.items()} == {
            OURS: Sample, FROM_REDIS: Sample, COLD: Sample
        }  # fmt: skip
        # The first read, and each cold one: three rounds, and one that does not count.
        assert active_orders.counters.misses == before + 1 + 4

    def test_each_organisation_has_its_orders(self):
        assert [active_orders.get(org).count for org in ("other-0000", "other-0001")] == [2, 1]


class TestManyAtOnce:
    def test_threads_count_the_hits_of_all(self, restaurant):
        before = profile.counters.local_hits

        answer = growth.threads(3, 0.001)

        assert answer[OURS].rounds[0] > 0
        # Each reads for a while, at least once, and tells how long one in so many took.
        assert profile.counters.local_hits - before >= 3 * growth._TIMED_OF
        assert len(answer[LATENCY].rounds) >= 3

    def test_processes_count_the_hits_of_all(self, restaurant):
        before = profile.counters.local_hits

        answer = growth.processes(2, 0.001)

        assert answer[OURS].rounds[0] > 0
        assert len(answer[LATENCY].rounds) >= 2
        # They are others.
        assert profile.counters.local_hits == before

    def test_what_local_memory_does_not_answer_is_no_hit(self, restaurant, monkeypatch):
        monkeypatch.setattr(growth, "_profile_hit", lambda: lambda: None)

        assert growth.threads(2, 0.001) == dict.fromkeys(
            (OURS, LATENCY), Unable("Local memory answered 0% of the reads only.")
        )

    def test_local_memory_that_never_answers_is_an_error(self, restaurant, settings, monkeypatch):
        settings.CACHING = {**settings.CACHING, "LOCAL_MAX_ENTRIES": 0}
        monkeypatch.setattr(growth, "_START_SECONDS", 0.001)

        with pytest.raises(RuntimeError, match="Local memory does not answer"):
            growth.threads(1, 0.001)


class TestPooled:
    def test_who_comes_late_counts_within_the_same_time(self):
        together = [Tally(100, 0.0, 1.0, [0.1]), Tally(100, 1.0, 2.0, [0.3])]

        assert pooled(together) == {OURS: Sample((100.0,)), LATENCY: Sample((0.1, 0.3))}

    def test_latencies_are_thinned_out_evenly(self, monkeypatch):
        monkeypatch.setattr(growth, "_MOST_LATENCIES", 3)

        answer = pooled([Tally(1, 0.0, 1.0, [4.0, 2.0, 0.0, 5.0, 1.0, 3.0])])

        assert answer[LATENCY] == Sample((0.0, 2.0, 4.0))
