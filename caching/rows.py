"""The values that keys are made of, read from rows and from instances, and noted for the open transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar, cast

from django.db import connections
from django.db.models import Field, ForeignKey, Model
from django.db.models.constants import LOOKUP_SEP

from caching.dependencies import Row
from caching.registry import registry
from caching.transactions import note

__all__ = ["batches", "field_names", "note_rows", "row_of", "rows_of", "stored_rows"]

#: Fewer than the variables that SQLite takes in one statement.
_BATCH = 10_000

T = TypeVar("T")


def _column(model: type[Model], name: str) -> Field[Any, Any]:
    return model._meta.pk if name == "pk" else cast("Field[Any, Any]", model._meta.get_field(name))


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the items in runs that fit into one statement."""
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def stored_rows(model: type[Model], pks: Collection[Any], alias: str, *, lock: bool = False) -> list[Row]:
    """Return the rows as they stand in the database; with `lock` they stay so until the transaction ends."""
    paths = registry.dependencies.paths(model)
    if lock and paths and connections[alias].features.has_select_for_update:
        # By a query of its own: not every database locks the rows of a join.
        list(model._base_manager.using(alias).filter(pk__in=pks).order_by().select_for_update().values_list("pk"))
    return list(model._base_manager.using(alias).filter(pk__in=pks).order_by().values(*paths)) if paths else []


def row_of(instance: Model) -> Row | None:
    """Return the row from the instance's own attributes, or None when only the database knows it."""
    row: dict[str, Any] = {}
    for path in registry.dependencies.paths(type(instance)):
        if LOOKUP_SEP in path:
            return None
        field = _column(type(instance), path)
        value = getattr(instance, field.attname)
        if hasattr(value, "resolve_expression"):
            return None
        # What was assigned may be text where a row has a UUID or a date: another key.
        row[path] = (field.target_field if isinstance(field, ForeignKey) else field).to_python(value)
    return row


def rows_of(instances: Iterable[Model], alias: str) -> Iterator[Row]:
    """Yield the rows of saved instances, from memory where possible."""
    remaining = iter(instances)
    while batch := list(islice(remaining, _BATCH)):
        rows = [row_of(instance) for instance in batch]
        if None in rows:
            yield from stored_rows(type(batch[0]), [instance.pk for instance in batch], alias)
        else:
            yield from (row for row in rows if row is not None)


def note_rows(model: type[Model], rows: Iterable[Row], alias: str, *, changed: frozenset[str] | None = None) -> None:
    """Note the keys of these rows as dirty; `changed` names the fields that an update changed."""
    affected = registry.dependencies.affected
    note(alias, [item for row in rows for item in affected(model, row, alias=alias, changed=changed)])


def field_names(model: type[Model], given: Iterable[str]) -> frozenset[str]:
    """Return the fields under all their names: `org` is `org_id`, too, and the primary key is `pk`."""
    names: set[str] = set()
    for name in given:
        field = _column(model, name)
        names.update((name, field.name, field.attname))
        if field.primary_key:
            names.add("pk")
    return frozenset(names)
