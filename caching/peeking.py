"""What the cache would answer at this moment, for who watches it: nothing is counted, loaded, filled or kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from caching.composed import ListRegion
from caching.envelope import Envelope
from caching.errors import RedisUnavailable
from caching.exchange import Exchange, lifetime_left
from caching.keys import Key
from caching.noting import Noted, note_stamps
from caching.regions import Region
from caching.runtime import runtime
from caching.stats import Counters
from caching.steps import drive
from caching.tiers.local import Entry

__all__ = ["Served", "holds", "peek"]


class Served(NamedTuple):
    """The bytes that a caller would get; `made` says when Redis' values of them were, and is empty for local memory."""

    body: bytes
    made: tuple[float, ...]


def peek(region: Region[Any], key: Key, noted: Mapping[Key, Noted]) -> Served | None:
    """Return what a hit on `key` would be, in local memory or in Redis; None if a read would go to the database.

    `noted` is what `note_stamps` said of it before.
    """
    entry = _here(key)
    if entry is not None:
        return Served(entry.body, ())
    found = _in_redis(region, [key], noted).get(key)
    if found is None:
        return None
    if not isinstance(region, ListRegion):
        return Served(found.body, found.made)
    return _composed(region, key, found)


def holds(region: Region[Any], keys: Sequence[Key]) -> bool | None:
    """Return whether local memory of this process, or Redis, has anything of one of these keys, be it expired.

    None when Redis does not answer, and local memory has nothing.
    """
    if any(runtime.find_usable(key.local) is not None for key in keys):
        return True
    if runtime.redis is None:
        return False
    try:
        return bool(_looked(region, keys, note_stamps(keys)[0]))
    except RedisUnavailable:
        return None


def _composed(region: ListRegion[Any], key: Key, listed: Served) -> Served | None:
    refs = region.refs(Entry(listed.body))
    keys = region.item_keys(key, refs)
    noted, pending = note_stamps(keys)
    if pending:
        return None
    made = list(listed.made)
    parts = {each: entry for each in keys if (entry := _here(each)) is not None}
    missing = [each for each in keys if each not in parts]
    for each, found in (_in_redis(region.items, missing, noted) if missing else {}).items():
        parts[each] = Entry(found.body)
        made += found.made
    if len(parts) < len(set(keys)) or region.outdated(refs, [parts[each] for each in keys]):
        return None
    return Served(region.compose(refs, [parts[each] for each in keys]).body, tuple(made))


def _here(key: Key) -> Entry | None:
    entry = runtime.find_usable(key.local)
    # What has expired may stand in for a better one; a hit it is not.
    return entry if entry is not None and runtime.clock.now() < entry.expires else None


def _in_redis(region: Region[Any], keys: Sequence[Key], noted: Mapping[Key, Noted]) -> dict[Key, Served]:
    if runtime.redis is None:
        return {}
    try:
        found = _looked(region, keys, noted)
    except RedisUnavailable:
        return {}
    return {
        key: Served(envelope.body, (envelope.created,))
        for key, envelope in found.items()
        if lifetime_left(region, envelope).fresh > 0
    }


def _looked(region: Region[Any], keys: Sequence[Key], noted: Mapping[Key, Noted]) -> dict[Key, Envelope]:
    return drive(Exchange(region, Counters(), noted, runtime.local).look(keys))
