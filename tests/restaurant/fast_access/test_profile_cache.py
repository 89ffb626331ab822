"""The class that reads and writes business profiles, called as its users call it."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from pytest_django import DjangoAssertNumQueries

from restaurant.fast_access import get_business_profile_cache
from restaurant.profiles.exceptions import ProfileNotFoundError
from restaurant.profiles.models import BusinessProfile
from tests.factories import BusinessProfileFactory
from tests.freshness import assert_hit

pytestmark = pytest.mark.django_db(transaction=True)

cache = get_business_profile_cache()


def rename_around_django(row: BusinessProfile, name: str) -> None:
    """Change the row as another program would, which no cache hears of."""
    QuerySet(BusinessProfile).filter(pk=row.pk).update(name=name)


class TestReading:
    def test_there_is_one_cache(self) -> None:
        assert get_business_profile_cache() is cache

    def test_a_second_read_is_a_hit(self, tiers: str, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        row = BusinessProfileFactory()
        for read in (cache.get_profile, cache.get_profile_lite):
            with django_assert_num_queries(1):
                first: Any = read(row.pk)
            assert first.name == row.name
            assert assert_hit(lambda read=read: read(row.pk)) == first

    def test_nobody_is_none(self) -> None:
        assert cache.get_profile("nowhere") is None
        assert cache.get_profile_lite("nowhere", using="default") is None

    def test_a_batch_is_one_query_for_all_that_are_missing(
        self, tiers: str, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        first, second = BusinessProfileFactory.create_batch(2)
        cache.get_profile(first.pk)
        with django_assert_num_queries(1):
            found = cache.get_profiles_batch([first.pk, second.pk, "nowhere"])
        assert {org: each.name for org, each in found.items()} == {first.pk: first.name, second.pk: second.name}
        assert assert_hit(lambda: cache.get_profiles_batch([first.pk, second.pk])) == found
        assert cache.get_profiles_batch([]) == {}


class TestWriting:
    def test_an_update_returns_what_is_read_from_then_on(self, tiers: str) -> None:
        row = BusinessProfileFactory(name="Old")
        assert cache.get_profile_lite(row.pk) is not None
        updated = cache.update_profile(row.pk, {"name": "New", "phone": "020 7946 0018"})
        assert updated is not None
        assert (updated.name, updated.phone) == ("New", "+442079460018")
        assert assert_hit(lambda: cache.get_profile(row.pk)) == updated
        lite = cache.get_profile_lite(row.pk)
        assert lite is not None
        assert lite.name == "New"

    def test_a_refused_update_changes_nothing(self) -> None:
        row = BusinessProfileFactory()
        before = cache.get_profile(row.pk)
        with pytest.raises(ValidationError, match="no such field"):
            cache.update_profile(row.pk, {"name": "New", "mood": "good"})
        with pytest.raises(ProfileNotFoundError):
            cache.update_profile("nowhere", {"name": "New"})
        assert assert_hit(lambda: cache.get_profile(row.pk)) == before

    def test_changes_made_around_django_show_once_invalidated(self, tiers: str) -> None:
        first, second = BusinessProfileFactory.create_batch(2, name="Old")
        for row in (first, second):
            assert cache.get_profile(row.pk) is not None
            rename_around_django(row, "New")
        cache.invalidate_profile(first.pk)
        assert getattr(cache.get_profile(first.pk), "name", None) == "New"
        assert getattr(cache.get_profile(second.pk), "name", None) == "Old"
        cache.clear_all_caches()
        assert getattr(cache.get_profile(second.pk), "name", None) == "New"


class TestOperation:
    def test_warming_loads_what_exists_and_counts_it(self, tiers: str) -> None:
        rows = BusinessProfileFactory.create_batch(3)
        assert cache.warm_cache([rows[0].pk, rows[1].pk, "nowhere"]) == 2
        assert_hit(lambda: [cache.get_profile(row.pk) for row in rows[:2]])
        assert_hit(lambda: [cache.get_profile_lite(row.pk) for row in rows[:2]])

    def test_statistics_count_requests_hits_and_memory(self) -> None:
        row = BusinessProfileFactory()
        for _ in range(20):
            cache.get_profile(row.pk)
        stats = cache.get_cache_stats()
        assert (stats["total_requests"], stats["cache_hits"], stats["cache_misses"]) == (20, 19, 1)
        assert (stats["hit_rate"], stats["hit_ratio"]) == ("95.00%", 0.95)
        assert stats["memory_usage"] == f"{round(stats['memory_bytes'] / 1024)}KB"
        assert stats["memory_bytes"] > 0
        assert stats["avg_access_time_ms"].endswith("ms")


class TestCoroutines:
    async def test_every_method_has_a_twin_that_does_the_same(self) -> None:
        row = await sync_to_async(BusinessProfileFactory)(name="Old")
        lite = await cache.aget_profile_lite(row.pk)
        assert lite is not None
        assert lite.name == "Old"
        updated = await cache.aupdate_profile(row.pk, {"name": "New"})
        assert await cache.aget_profile(row.pk) == updated
        assert await cache.aget_profiles_batch([row.pk, "nowhere"]) == {row.pk: updated}
        await sync_to_async(rename_around_django)(row, "Newer")
        await cache.ainvalidate_profile(row.pk)
        assert getattr(await cache.aget_profile(row.pk), "name", None) == "Newer"
        await sync_to_async(rename_around_django)(row, "Newest")
        await cache.aclear_all_caches()
        assert await cache.awarm_cache([row.pk]) == 1
        assert getattr(await cache.aget_profile(row.pk), "name", None) == "Newest"
        assert (await cache.aget_cache_stats())["cache_misses"] > 0

    def test_no_twin_is_missing(self) -> None:
        names = {name for name in dir(cache) if not name.startswith("_")}
        plain = {name for name in names if f"a{name}" in names}
        assert names == plain | {f"a{name}" for name in plain}
        assert len(plain) == 8
