"""Which keys the last run read most: a list in the database that a start loads anew. Keys alone, never values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from django.db import DEFAULT_DB_ALIAS, router

from caching.conf import conf
from caching.hostfile import databases, is_among
from caching.keys import Key, parts_of
from caching.loading import load_keys
from caching.logs import logger
from caching.models import HotKey
from caching.observer import Consumer
from caching.registry import registry
from caching.rows import batches
from caching.runtime import runtime
from caching.transactions import atomic

__all__ = ["HotKeys", "hot_keys", "hot_keys_load"]

_WRITE_SECONDS: Final = 300.0
_KEPT: Final = timedelta(days=7)
# Longer ones are not written: nothing that long is asked for again and again.
_MOST_TEXT: Final = 500
_MOST_NAME: Final = 64
_BATCH: Final = 100
# A start looks no further than through so many hosts' lists.
_MOST_HOSTS: Final = 10

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(tuple[str, ...]).decode


class _Row(NamedTuple):
    region: str
    org: str
    parts: str


class HotKeys(Consumer):
    """Writes down now and then, in the one process of the host that leads, which keys the host reads most.

    A host's list holds `CACHING["HOT_KEYS"]` keys, the latest seen; what was not read for seven days is forgotten.
    Keys of regions that are `personal`, and of other databases than the default one, are not written.
    """

    def __init__(self) -> None:
        self._write_again = runtime.clock.now() + _WRITE_SECONDS
        self._leads = False
        self._databases = databases()

    def lead(self) -> None:
        self._leads = True
        if runtime.clock.now() >= self._write_again:
            # Before it is tried: what fails is not tried again every second.
            self._write_again = runtime.clock.now() + _WRITE_SECONDS
            self.write()

    def stop(self) -> None:
        # The end of a test run comes when the site's own databases are back.
        if not self._leads or not is_among(self._databases):
            return
        try:
            self.write()
        except Exception as error:
            # The list of some minutes ago will do; a process that ends is not kept from it.
            logger.debug(
                "The hot keys were not written: %(error)s", {"error": error}, extra={"event": "hot_keys_not_written"}
            )

    def write(self) -> int:
        """Write the list; returns how many keys were read often enough to stand in it."""
        most: int = conf.HOT_KEYS
        rates = {row: rate for row, rate in _busiest(most) if _fits(row)} if most else {}
        if not rates:
            # A quiet night leaves the list, and the database, alone.
            return 0
        host, now = runtime.statistics.host_id, _now()
        alias = router.db_for_write(HotKey)
        with atomic(alias):
            stored = HotKey.objects.using(alias).filter(host=host).order_by("-seen_at", "-weight")
            kept = most - len(rates)
            gone = []
            for pk, *row in stored.values_list("pk", "region", "org", "parts"):
                if _Row(*row) in rates or kept <= 0:
                    gone.append(pk)
                else:
                    kept -= 1
            for pks in batches(gone):
                HotKey.objects.using(alias).filter(pk__in=pks).delete()
            HotKey.objects.using(alias).filter(seen_at__lt=now - _KEPT).delete()
            HotKey.objects.using(alias).bulk_create(
                HotKey(host=host, weight=rate, seen_at=now, **row._asdict()) for row, rate in rates.items()
            )
        return len(rates)


def hot_keys(*, regions: Sequence[str] = (), orgs: Sequence[str] = ()) -> list[Key]:
    """Return the hot keys of the last run, of these regions (none: all) and organisations (none: all).

    The latest seen come first, of those the busiest; at most `CACHING["HOT_KEYS"]`. What no longer fits a region that
    is declared, or an organisation that there is, is passed over.
    """
    most: int = conf.HOT_KEYS
    rows = HotKey.objects.filter(seen_at__gte=_now() - _KEPT).order_by("-seen_at", "-weight")
    if regions:
        rows = rows.filter(region__in=regions)
    if orgs:
        rows = rows.filter(org__in=orgs)
    keys: dict[Key, None] = {}
    # Several hosts have written many of them.
    for row in rows.values_list("region", "org", "parts")[: most * _MOST_HOSTS]:
        key = _key(_Row(*row))
        if key is not None:
            keys[key] = None
        if len(keys) >= most:
            break
    return _of_known_orgs(list(keys)[:most])


def hot_keys_load(*, regions: Sequence[str] = (), orgs: Sequence[str] = ()) -> dict[str, int]:
    """Load what `hot_keys` names, as the database has it now; returns how many keys of each region were loaded.

    Raises what a database raises that cannot be reached.
    """
    loaded: dict[str, int] = {}
    by_region: dict[str, list[Key]] = {}
    for key in hot_keys(regions=regions, orgs=orgs):
        by_region.setdefault(key.region, []).append(key)
    for region, keys in by_region.items():
        loaded[region] = sum(load_keys(keys[start : start + _BATCH]) for start in range(0, len(keys), _BATCH))
    return loaded


def _busiest(most: int) -> Iterable[tuple[_Row, float]]:
    for key in runtime.usage.top(most).keys:
        if key.parts is not None and key.alias == DEFAULT_DB_ALIAS:
            yield _Row(key.region, key.org, _encode(key.parts).decode()), key.rate


def _fits(row: _Row) -> bool:
    return len(row.parts) <= _MOST_TEXT and max(len(row.region), len(row.org)) <= _MOST_NAME and row.org.isprintable()


def _key(row: _Row) -> Key | None:
    region = registry.regions.get(row.region)
    if region is None or region.personal:
        return None
    try:
        parts = parts_of(_decode(row.parts))
    except (msgspec.DecodeError, ValueError):
        return None
    return Key(row.region, row.org, parts) if region.parts_of_loader() in (None, len(parts)) else None


def _of_known_orgs(keys: list[Key]) -> list[Key]:
    if registry.organisations is None or not keys:
        return keys
    known: set[Any] = set(registry.organisations({key.org for key in keys}))
    return [key for key in keys if key.org in known]


def _now() -> datetime:
    return datetime.fromtimestamp(runtime.clock.wall(), UTC)
