"""What a write around Django makes stale: the same keys as a write by Django, and more where those cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, cast

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import Field, ForeignKey, Model
from django.db.models.constants import LOOKUP_SEP

from caching.around.tables import Followed, field_at, is_told
from caching.dependencies import UNKNOWN, On, Row
from caching.keys import Key, Scope
from caching.marks import Clear, Item
from caching.registry import registry
from caching.rows import field_names, stored_rows

__all__ = ["Change", "lost", "stale"]


class Change(msgspec.Struct, frozen=True):
    """A row that was written: the columns it is told by, before (None: inserted) and after (None: deleted).

    `changed` names the columns that an update changed, of those that are watched.
    """

    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    changed: frozenset[str] = frozenset()


def lost(tables: Iterable[Followed]) -> set[Item]:
    """Return what is cleared when nobody knows which rows of the tables were written."""
    return {Clear(region, None) for table in tables for region in table.all_regions}


def stale(table: Followed, change: Change, alias: str) -> set[Item]:
    """Return what the write of a row makes stale, read from the database where the columns do not suffice.

    A row may have been written again before this is called. Every write is told, each with what was before it: so it is
    enough that each makes stale what it took away, and what stands there now.
    """
    items: set[Item] = {Clear(region, None) for region in table.regions}
    for model in table.models:
        try:
            items.update(_of_model(model, change, alias))
        except (KeyError, TypeError, ValueError, ValidationError):
            # Columns that are not those of this release.
            items.update(lost([table]))
    return items


def _of_model(model: type[Model], change: Change, alias: str) -> Iterator[Item]:
    pk = model._meta.pk
    if change.old is not None and change.new is not None and pk.column in change.changed:
        # To Django it is another row.
        yield from _of_model(model, Change(change.old, None), alias)
        yield from _of_model(model, Change(None, change.new), alias)
        return
    changed = _changed(model, change)
    concerned = [
        (region.name, on)
        for region, on in registry.dependencies.of(model)
        if not on.fields or changed is None or not changed.isdisjoint(on.watched)
    ]
    if concerned and change.new is not None:
        for row in stored_rows(model, [_value(pk, change.new)], alias):
            yield from registry.dependencies.affected(model, row, alias=alias, changed=changed)
    for region, on in concerned if change.old is not None else ():
        if changed is None or _moved(on, changed):
            yield from _before(model, region, on, cast("Mapping[str, Any]", change.old), alias)


def _changed(model: type[Model], change: Change) -> frozenset[str] | None:
    if change.old is None or change.new is None:
        return None
    columns = {field.column: field.name for field in model._meta.local_concrete_fields}
    return field_names(model, [columns[column] for column in change.changed if column in columns])


def _moved(on: On, changed: frozenset[str]) -> bool:
    return not changed.isdisjoint(path.split(LOOKUP_SEP)[0] for path in (on.org, *(on.parts or ())))


def _before(model: type[Model], region: str, on: On, old: Mapping[str, Any], alias: str) -> Iterator[Item]:
    for row in _rows_before(model, (on.org, *(on.parts or ())), old, alias):
        org, parts = row[on.org], [row[path] for path in on.parts or ()]
        if org is None or None in parts:
            # A row that hung on nothing had no key.
            continue
        if org is UNKNOWN:
            yield Clear(region, None)
        elif on.parts is None or UNKNOWN in parts:
            yield Scope(region, str(org))
        else:
            yield Key(region, str(org), parts, alias)


def _rows_before(model: type[Model], paths: Iterable[str], old: Mapping[str, Any], alias: str) -> Iterator[Row]:
    own: dict[str, Any] = {}
    behind: dict[str, list[str]] = {}
    for path in paths:
        first, _, rest = path.partition(LOOKUP_SEP)
        field = field_at(model, path)
        if not is_told(field):
            # It may have changed since, and what pointed at the row may do so no more.
            own[path] = UNKNOWN
        elif rest:
            behind.setdefault(first, []).append(rest)
        else:
            own[path] = _value(field, old)
    parents = [_parents(model, first, rests, old, alias) for first, rests in behind.items()]
    for combination in product(*parents):
        yield own | {path: value for part in combination for path, value in part.items()}


def _parents(
    model: type[Model], first: str, rests: list[str], old: Mapping[str, Any], alias: str
) -> list[dict[str, Any]]:
    field = cast("ForeignKey[Any, Any]", field_at(model, first))
    value = _value(field, old)
    names = {rest: first + LOOKUP_SEP + rest for rest in rests}
    if value is None:
        return [dict.fromkeys(names.values())]
    parents = field.remote_field.model._base_manager.using(alias)
    found = list(parents.filter(pk=value).order_by().values(*rests))
    # A parent that is gone, too, took with it what only it knew.
    return [{names[rest]: row[rest] for rest in rests} for row in found] or [dict.fromkeys(names.values(), UNKNOWN)]


def _value(field: Field[Any, Any], columns: Mapping[str, Any]) -> Any:
    return (field.target_field if isinstance(field, ForeignKey) else field).to_python(columns[field.column])
