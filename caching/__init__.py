"""A layered cache for Django: local memory, then Redis, then the database, fresh after every commit."""

from caching.composed import Listing, ListRegion, Refs
from caching.dependencies import On
from caching.errors import CachingError, MarkFailed, RedisUnavailable, UnknownRegion
from caching.following import Follows
from caching.regions import Region
from caching.snapshots import Snapshot

__all__ = [
    "CachingError",
    "Follows",
    "ListRegion",
    "Listing",
    "MarkFailed",
    "On",
    "RedisUnavailable",
    "Refs",
    "Region",
    "Snapshot",
    "UnknownRegion",
]
