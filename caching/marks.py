"""What a writer says of each thing that goes stale: to Redis around its COMMIT, to the host's stamps, to the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from caching.conf import conf
from caching.epochs import clear_name, fresh_token, guard_names, wide_names
from caching.keys import Key, Scope
from caching.registry import registry
from caching.scripts import CLEAR, MARK, UNMARK, WIDE_MARK, WIDE_UNMARK, Command
from caching.stamps import region_slot, scope_slot, slots_of

__all__ = ["Clear", "Item", "Told", "mark", "regions_of", "slots_to_bump", "told", "under_all_names", "unmark"]


class Clear(NamedTuple):
    """Everything of a region (None: of all regions) and an organisation (None: of all): what an operator forgets."""

    region: str | None
    org: str | None


Item = Key | Scope | Clear


class Told(NamedTuple):
    """What is left of an item in the outbox: its `kind`, and the name that its keys in Redis derive from."""

    kind: str
    name: str


def told(item: Item) -> Told:
    """Return what the outbox keeps of an item."""
    if isinstance(item, Key):
        return Told("key", item.name)
    if isinstance(item, Scope):
        return Told("scope", item.name)
    return Told("clear", clear_name(item.region, item.org).removeprefix(conf.PREFIX))


def under_all_names(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items, and behind each key the same by its names under other secrets: somebody may read these."""
    for item in items:
        yield item
        if isinstance(item, Key):
            yield from item.under_other_secrets()


def mark(item: Item, commit_id: str) -> Command:
    """Return what Redis hears before the COMMIT; for a clear, which guards no COMMIT, it is all there is."""
    milliseconds = int(conf.MARK_SECONDS * 1000)
    if isinstance(item, Key):
        return MARK(list(guard_names(item)), commit_id, milliseconds)
    if isinstance(item, Scope):
        return WIDE_MARK(list(wide_names(item)), commit_id, milliseconds, fresh_token())
    return CLEAR([clear_name(item.region, item.org)], fresh_token())


def unmark(item: Told, commit_id: str) -> Command:
    """Return what Redis hears after the COMMIT; hearing it twice, or without a mark, does no harm."""
    if item.kind == "key":
        return UNMARK(list(guard_names(item)), commit_id)
    if item.kind == "scope":
        return WIDE_UNMARK(list(wide_names(item)), commit_id, fresh_token())
    return CLEAR([conf.PREFIX + item.name], fresh_token())


def regions_of(item: Item) -> Iterable[str]:
    """Return the regions that the item is of."""
    return list(registry.regions) if item.region is None else [item.region]


def slots_to_bump(item: Item) -> list[int]:
    """Return the slots whose change makes the host's copies of the item stale."""
    if isinstance(item, Key):
        return [slots_of(item).key]
    if isinstance(item, Scope):
        return [scope_slot(item)]
    if item.org is None:
        return [region_slot(region) for region in regions_of(item)]
    return [scope_slot(Scope(region, item.org)) for region in regions_of(item)]
