"""Round trips, queries and rows are counted as they are, and what is timed is prepared for."""

import pytest

from benchmarks.results import OURS, Sample
from benchmarks.workers import writes
from benchmarks.workers.writes import COLD, UNMARKED
from benchmarks.world import ORG, order_ids
from orders.cached import active_orders
from orders.models import Order
from restaurant.fast_access import get_order_fast_access_cache
from restaurant.profiles.cached import profile
from restaurant.profiles.models import BusinessProfile

ACTIVE = 3


@pytest.fixture(autouse=True)
def _restaurant(restaurant, redis, patient):
    """A restaurant of three active orders, and a Redis."""


class TestTrips:
    def test_a_save_is_marked_and_unmarked_in_a_round_trip_each(self):
        assert writes.trips_of_profile(3) == {OURS: Sample((2.0, 2.0, 2.0))}

    def test_so_are_all_orders_of_a_transaction(self):
        before = set(Order.objects.values_list("version", flat=True))

        assert writes.trips_of_orders(1) == {OURS: Sample((2.0,))}

        assert not before & set(Order.objects.values_list("version", flat=True))

    def test_two_saves_are_counted_twice(self):
        assert writes._trips(lambda: (writes._profile_save(), writes._profile_save()), 1) == {OURS: Sample((4.0,))}

    def test_what_a_read_asks_is_counted_too(self):
        found = writes._trips(lambda: (writes._profile_save(), profile.get(ORG)), 1)

        assert found[OURS].rounds[0] > 2


class TestSaves:
    def test_both_write_the_same_row(self):
        names = set()
        for model in (BusinessProfile, writes._plain_profile()):
            writes._saving(model)()
            names.add(BusinessProfile.objects.get(pk=ORG).name)

        assert len(names) == 2

    def test_nobody_listens_to_the_plain_model(self):
        profile.get(ORG)
        held = profile.get(ORG)

        writes._saving(writes._plain_profile())()

        assert profile.get(ORG) is held
        writes._saving(BusinessProfile)()
        assert profile.get(ORG) is not held

    def test_both_are_timed(self):
        assert {name: len(sample.rounds) for name, sample in writes.saves(2).items()} == {OURS: 2, UNMARKED: 2}


class TestList:
    def test_one_update_leaves_one_row_to_be_read(self):
        assert writes.list_rows(2) == {OURS: Sample((1.0, 1.0))}
        assert writes.list_queries(2) == {OURS: Sample((3.0, 3.0))}

    def test_all_rows_are_counted_where_all_are_read(self, monkeypatch):
        monkeypatch.setattr(writes, "_one_updated", get_order_fast_access_cache().clear_all)

        assert writes.list_rows(1) == {OURS: Sample((float(ACTIVE),))}

    def test_another_order_is_updated_each_time(self):
        changed = set()
        for _ in range(ACTIVE):
            before = dict(Order.objects.values_list("pk", "version"))
            writes._one_updated()
            after = dict(Order.objects.values_list("pk", "version"))
            changed |= {pk for pk in before if before[pk] != after[pk]}

        assert len(changed) > 1
        assert changed <= set(order_ids())

    def test_every_read_that_is_timed_is_a_miss(self):
        misses = active_orders.counters.misses

        answer = writes.list_updates(2)

        assert {name: len(sample.rounds) for name, sample in answer.items()} == {OURS: 2, COLD: 2}
        # Two rounds each and one that does not count, after four calls that tell how many calls a round has.
        assert active_orders.counters.misses - misses >= 2 * (3 + 4)

    def test_a_list_that_is_never_kept_is_an_error(self, settings, monkeypatch):
        settings.CACHING = {**settings.CACHING, "LOCAL_MAX_ENTRIES": 0}
        monkeypatch.setattr(writes, "_PATIENCE_SECONDS", 0.01)

        with pytest.raises(TimeoutError, match="does not keep the list"):
            writes._one_updated()
