"""What operators do to the cache, each leaving its audit record: clear and warm regions, organisations, keys, rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import product
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import Model, QuerySet

from caching import invalidation
from caching.conf import conf
from caching.errors import HostFileError, MarkFailed, RedisUnavailable, UnknownKey
from caching.hotkeys import hot_keys_load
from caching.keys import Key, Part, Scope
from caching.models import CacheEvent
from caching.object_ids import object_id
from caching.peeking import holds
from caching.registry import registry
from caching.rows import batches, stored_rows
from caching.runtime import runtime
from caching.scripts import command
from caching.transactions import atomic

__all__ = [
    "cache_clear",
    "cache_clear_key",
    "cache_clear_rows",
    "cache_load",
    "cache_warm",
    "cache_warm_hot",
    "cache_warm_key",
    "cache_warm_rows",
]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

#: Whoever does it; commands have nobody to name.
Operator = AbstractBaseUser | AnonymousUser

#: Told after each batch: the region's name and how many of its values have just been loaded.
OnBatch = Callable[[str, int], None]


def cache_clear(*, regions: Sequence[str] = (), orgs: Sequence[str] = (), user: Operator | None = None) -> None:
    """Forget these regions (none: all) of these organisations (none: all) on every host.

    What Redis does not hear waits in the outbox, and reaches other hosts when it does. Raises `UnknownRegion` or
    `UnknownOrganisation` before anything is done, and `RedisUnavailable` when the outbox cannot be used either.
    """
    _require(regions, orgs)
    targets = list(product(regions or [""], orgs or [""]))
    with _explained("Clearing did not finish"), atomic():
        _record(CacheEvent.Action.CLEAR, dict.fromkeys((region, org, "") for region, org in targets), user)
        for region, org in targets:
            invalidation.clear(region or None, org or None)


def cache_clear_key(*, region: str, org: str, parts: Sequence[str | int], user: Operator | None = None) -> bool | None:
    """Forget one key on every host; text that looks like a UUID, a date or an ObjectId is taken for that and for text.

    Returns whether this process or Redis had something of that name; None when Redis did not say. It is made stale
    whatever was found: other processes may hold it. Raises what `cache_clear` does.
    """
    _require([region], [org])
    keys = [Key(region, org, each) for each in product(*map(_meanings, parts))]
    found = holds(registry.get(region), keys)
    with _explained("Clearing did not finish"), atomic():
        _record(CacheEvent.Action.CLEAR, {_target(keys[0]): None}, user)
        invalidation.invalidate(keys)
    return found


def cache_clear_rows(*, rows: QuerySet[Any], user: Operator | None = None) -> None:
    """Forget, on every host, whatever the regions declare to depend on these rows. Raises what `cache_clear` does."""
    items = _depending(rows)
    with _explained("Clearing did not finish"), atomic():
        _record(CacheEvent.Action.CLEAR, dict.fromkeys(map(_target, items)), user)
        invalidation.invalidate(items)


def cache_warm(
    *,
    regions: Sequence[str] = (),
    orgs: Sequence[str] = (),
    user: Operator | None = None,
    on_batch: OnBatch | None = None,
) -> dict[str, int]:
    """Load what these regions (none: all) declare as hot for these organisations (none: all).

    Returns how many values each region has loaded. Raises `UnknownRegion` or `UnknownOrganisation` before anything is
    done, and `RedisUnavailable` when the values could not be kept.
    """
    _require(regions, orgs)
    loaded = {org: cache_load(regions=regions, orgs=[org] if org else [], on_batch=on_batch) for org in orgs or [""]}
    # Only now: inside a transaction nothing would be kept.
    _record_warm(regions, loaded, user)
    return _sum(loaded)


def cache_warm_hot(
    *, regions: Sequence[str] = (), orgs: Sequence[str] = (), user: Operator | None = None
) -> dict[str, int]:
    """Load what was read most in the last run, of these regions (none: all) and organisations (none: all).

    Returns how many values each region has loaded; regions of which nothing was written down are not in it. Raises what
    `cache_warm` does.
    """
    _require(regions, orgs)
    _require_redis()
    loaded = {org: hot_keys_load(regions=regions, orgs=[org] if org else []) for org in orgs or [""]}
    _record_warm(regions, loaded, user)
    return _sum(loaded)


def cache_warm_key(
    *, region: str, org: str, parts: Sequence[str | int], user: Operator | None = None
) -> dict[str, int]:
    """Load one key; text that looks like a UUID, a date or an ObjectId is taken for that.

    Returns {region: 1}, or 0 for no such row.

    Raises `UnknownRegion`, `UnknownOrganisation`, `UnknownKey` or `RedisUnavailable`.
    """
    _require([region], [org])
    _require_redis()
    name: tuple[Part, ...] = (org, *(_meanings(part)[0] for part in parts))
    try:
        found = registry.get(region).get_many([name])
    except (TypeError, ValueError, ValidationError) as error:
        # What a region's loader says of parts it did not expect.
        raise UnknownKey(region) from error
    loaded = sum(value is not None for value in found.values())
    _record(CacheEvent.Action.WARM, {_target(Key(region, org, name[1:])): loaded}, user)
    return {region: loaded}


def cache_warm_rows(*, rows: QuerySet[Any], user: Operator | None = None) -> dict[str, int]:
    """Load what the regions depending on these rows declare as hot for the rows' organisations.

    Returns how many values each region has loaded. Raises `RedisUnavailable`.
    """
    orgs = sorted({item.org for item in _depending(rows)})
    regions = sorted({region.name for region, _ in registry.dependencies.of(rows.model)})
    return cache_warm(regions=regions, orgs=orgs, user=user) if orgs else {}


def cache_load(
    *, regions: Sequence[str] = (), orgs: Sequence[str] = (), on_batch: OnBatch | None = None
) -> dict[str, int]:
    """Do what `cache_warm` does, without checks and without a record: for servers that warm themselves at start."""
    _require_redis()
    loaded: dict[str, int] = {}
    for region in map(registry.get, regions or sorted(registry.regions)):
        loaded[region.name] = 0
        for count in region.warm(orgs or None, using=DEFAULT_DB_ALIAS):
            loaded[region.name] += count
            if on_batch is not None:
                on_batch(region.name, count)
    return loaded


def _require(regions: Iterable[str], orgs: Sequence[str]) -> None:
    for region in regions:
        registry.get(region)
    registry.require_organisations(orgs)


def _require_redis() -> None:
    # Reads hide that Redis is away; whoever warms it wants to know.
    if runtime.redis is not None:
        with _explained("Nothing was warmed"):
            runtime.redis.execute([command("PING")])


@contextmanager
def _explained(what_happened: str) -> Iterator[None]:
    try:
        yield
    except (RedisUnavailable, MarkFailed) as error:
        reason = error.__cause__ if isinstance(error.__cause__, HostFileError) else error
        raise RedisUnavailable(f"{what_happened}: {reason}. Try again; doing it twice does no harm.") from error


def _meanings(part: str | int) -> tuple[Part, ...]:
    """Return what a part written in JSON may stand for, the likeliest first."""
    if isinstance(part, str) and _UUID.fullmatch(part):
        return UUID(part), part
    if isinstance(part, str) and _DATE.fullmatch(part):
        try:
            return date.fromisoformat(part), part
        except ValueError:
            return (part,)
    if isinstance(part, str):
        try:
            return object_id(part), part
        except ValueError:
            return (part,)
    return (part,)


def _depending(rows: QuerySet[Any]) -> set[Key | Scope]:
    model: type[Model] = rows.model
    # Keys are of the database that is written to, not of a replica that a router lets the rows be read from.
    alias = rows._db or router.db_for_write(model)  # type: ignore[attr-defined] # what using() was told
    items = {
        item
        for pks in batches(list(rows.using(alias).order_by().values_list("pk", flat=True)))
        for row in stored_rows(model, pks, alias)
        for item in registry.dependencies.affected(model, row, alias=alias)
    }
    keys = [item for item in items if isinstance(item, Key)]
    wide = {item for item in items if isinstance(item, Scope)}
    # As for writes: very many keys of one organisation are one mark on all of them.
    wide.update(scope for scope, count in Counter(key.scope for key in keys).items() if count > conf.WIDE_MARK_ABOVE)
    return {*wide, *(key for key in keys if key.scope not in wide)}


def _target(item: Key | Scope) -> tuple[str, str, str]:
    return item.region, item.org, item.name if isinstance(item, Key) else ""


def _record_warm(regions: Sequence[str], loaded: Mapping[str, Mapping[str, int]], user: Operator | None) -> None:
    """Record what was loaded of each organisation ("": of all) and region."""
    counts = {
        (region, org, ""): counts.get(region, 0) if region else sum(counts.values())
        for region in regions or [""]
        for org, counts in loaded.items()
    }
    _record(CacheEvent.Action.WARM, counts, user)


def _sum(loaded: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for counts in loaded.values():
        for region, count in counts.items():
            sums[region] = sums.get(region, 0) + count
    return sums


def _record(
    action: CacheEvent.Action, targets: Mapping[tuple[str, str, str], int | None], user: Operator | None
) -> None:
    """Record an action on each target: region, organisation and key, and how many values were loaded of it."""
    CacheEvent.objects.bulk_create(
        CacheEvent(
            action=action,
            region=region,
            org_id=org,
            key=key,
            loaded=loaded,
            user_id=None if user is None else user.pk,
        )
        for (region, org, key), loaded in targets.items()
    )
