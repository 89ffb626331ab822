"""Business profiles by one object: cached reads, the update, invalidation and warming."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS

from restaurant.fast_access.figures import CacheStats, cache_stats
from restaurant.profiles.cached import Profile, ProfileLite, business_settings, profile, profile_lite
from restaurant.profiles.selectors import profile_org_ids
from restaurant.profiles.services import profile_update

__all__ = ["BusinessProfileCache"]

_REGIONS: Final = (profile, profile_lite, business_settings)


class BusinessProfileCache:
    """Profiles of organisations, kept 300 s in local memory and 3600 s in Redis, fresh after every commit.

    `using` is the alias of the database. Methods whose names begin with `a` are coroutines and do the same. Reads raise
    what the database raises; a Redis out of reach they work around.
    """

    def get_profile(self, org_id: str, *, using: str = DEFAULT_DB_ALIAS) -> Profile | None:
        """Return the whole profile, None when there is no such organisation."""
        return profile.get(org_id, using=using)

    async def aget_profile(self, org_id: str, *, using: str = DEFAULT_DB_ALIAS) -> Profile | None:
        """Return what `get_profile` returns."""
        return await profile.aget(org_id, using=using)

    def get_profile_lite(self, org_id: str, *, using: str = DEFAULT_DB_ALIAS) -> ProfileLite | None:
        """Return name, phone, currency and time zone; None when there is no such organisation."""
        return profile_lite.get(org_id, using=using)

    async def aget_profile_lite(self, org_id: str, *, using: str = DEFAULT_DB_ALIAS) -> ProfileLite | None:
        """Return what `get_profile_lite` returns."""
        return await profile_lite.aget(org_id, using=using)

    def get_profiles_batch(self, org_ids: Iterable[str], *, using: str = DEFAULT_DB_ALIAS) -> dict[str, Profile]:
        """Return the profiles by `org_id`, loading all that are missing in one query; unknown ones are left out."""
        return _by_org(profile.get_many(_names(org_ids), using=using))

    async def aget_profiles_batch(self, org_ids: Iterable[str], *, using: str = DEFAULT_DB_ALIAS) -> dict[str, Profile]:
        """Return what `get_profiles_batch` returns."""
        return _by_org(await profile.aget_many(_names(org_ids), using=using))

    def update_profile(
        self, org_id: str, updates: Mapping[str, Any], *, using: str = DEFAULT_DB_ALIAS
    ) -> Profile | None:
        """Change the fields named in `updates` and return the profile as it is read from now on.

        None only when somebody deleted the organisation at the same moment. Raises what
        `restaurant.profiles.services.profile_update` raises, and `MarkFailed` when Redis is out of reach; nothing is
        changed then.
        """
        profile_update(org_id=org_id, updates=updates, using=using)
        return profile.get(org_id, using=using)

    async def aupdate_profile(
        self, org_id: str, updates: Mapping[str, Any], *, using: str = DEFAULT_DB_ALIAS
    ) -> Profile | None:
        """Do what `update_profile` does."""
        return await sync_to_async(self.update_profile, thread_sensitive=True)(org_id, updates, using=using)

    def invalidate_profile(self, org_id: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
        """Make every cached copy of the profile stale, on all hosts.

        Writes do this by themselves; it is for changes made around Django. Raises `MarkFailed` when Redis is out of
        reach.
        """
        for region in _REGIONS:
            region.invalidate(org_id, using=using)

    async def ainvalidate_profile(self, org_id: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
        """Do what `invalidate_profile` does."""
        await sync_to_async(self.invalidate_profile, thread_sensitive=True)(org_id, using=using)

    def warm_cache(self, org_ids: Iterable[str], *, using: str = DEFAULT_DB_ALIAS) -> int:
        """Load profile, lite and settings of the organisations; return how many organisations were loaded.

        Unknown ones are passed over.
        """
        known = profile_org_ids(among=org_ids, using=using)
        for region in _REGIONS:
            for _ in region.warm(known, using=using):
                pass
        return len(known)

    async def awarm_cache(self, org_ids: Iterable[str], *, using: str = DEFAULT_DB_ALIAS) -> int:
        """Do what `warm_cache` does."""
        return await sync_to_async(self.warm_cache, thread_sensitive=True)(org_ids, using=using)

    def get_cache_stats(self) -> CacheStats:
        """Return the statistics of all reads of profiles on this host."""
        return cache_stats(_REGIONS)

    async def aget_cache_stats(self) -> CacheStats:
        """Return what `get_cache_stats` returns."""
        return await sync_to_async(self.get_cache_stats, thread_sensitive=True)()

    def clear_all_caches(self) -> None:
        """Forget the profiles of all organisations, on all hosts. Raises `RedisUnavailable`."""
        for region in _REGIONS:
            region.clear()

    async def aclear_all_caches(self) -> None:
        """Do what `clear_all_caches` does."""
        await sync_to_async(self.clear_all_caches, thread_sensitive=True)()


def _names(org_ids: Iterable[str]) -> list[tuple[str]]:
    return [(org_id,) for org_id in org_ids]


def _by_org(found: Mapping[Any, Profile | None]) -> dict[str, Profile]:
    return {org_id: each for (org_id,), each in found.items() if each is not None}
