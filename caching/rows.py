"""The values that keys are made of, read from rows and from instances, and noted for the open transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import islice, product
from typing import Any, TypeVar, cast

from django.db import NotSupportedError, connections
from django.db.models import Field, ForeignKey, Model
from django.db.models.constants import LOOKUP_SEP

from caching.dependencies import UNKNOWN, Row
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
        row[path] = value = _value(instance, _column(type(instance), path))
        if value is UNKNOWN:
            return None
    return row


def _value(instance: Model, field: Field[Any, Any]) -> Any:
    value = getattr(instance, field.attname)
    if hasattr(value, "resolve_expression"):
        return UNKNOWN
    # What was assigned may be text where a row has a UUID or a date: another key.
    return (field.target_field if isinstance(field, ForeignKey) else field).to_python(value)


def rows_of(instances: Iterable[Model], alias: str) -> Iterator[Row]:
    """Yield the rows of saved instances, from memory where possible.

    Raises `NotSupportedError` for a row of which neither instance nor database tells the organisation.
    """
    remaining = iter(instances)
    while batch := list(islice(remaining, _BATCH)):
        known = [instance for instance in batch if instance.pk is not None]
        rows = [row_of(instance) for instance in known]
        if None in rows:
            yield from stored_rows(type(batch[0]), [instance.pk for instance in known], alias)
        else:
            yield from (row for row in rows if row is not None)
        # bulk_create(ignore_conflicts=True) tells no primary keys, and some databases never do.
        look = cache(partial(_rows_behind, type(batch[0]), alias))
        for instance in batch:
            if instance.pk is None:
                yield from _rows_without_pk(instance, look)


def _rows_without_pk(instance: Model, look: Callable[..., list[dict[str, Any]]]) -> Iterator[Row]:
    model = type(instance)
    own: dict[str, Any] = {}
    behind: dict[str, list[str]] = {}
    for path in registry.dependencies.paths(model):
        first, _, rest = path.partition(LOOKUP_SEP)
        field = _column(model, first)
        if not field.concrete:
            # Nothing points at a row of which nobody knows the primary key.
            own[path] = None
        elif field.primary_key:
            own[path] = UNKNOWN
        elif rest:
            behind.setdefault(first, []).append(rest)
        else:
            own[path] = _value(instance, field)
    if any(own.get(on.org) is UNKNOWN for _, on in registry.dependencies.of(model)):
        raise NotSupportedError(
            f"Nobody tells the primary keys of these rows of {model.__name__}, of which cache keys are made. Give them "
            "when you create the rows, or save them one by one."
        )
    parents = [
        look(first, tuple(rests), getattr(instance, _column(model, first).attname)) for first, rests in behind.items()
    ]
    for combination in product(*parents):
        yield own | {path: value for part in combination for path, value in part.items()}


def _rows_behind(
    model: type[Model], alias: str, first: str, rests: tuple[str, ...], value: Any
) -> list[dict[str, Any]]:
    field = cast("ForeignKey[Any, Any]", _column(model, first))
    parents = field.remote_field.model._base_manager.using(alias)
    found = parents.filter(**{field.target_field.attname: value}).order_by().values(*rests)
    names = {rest: first + LOOKUP_SEP + rest for rest in rests}
    return [{names[rest]: row[rest] for rest in rests} for row in found] or [dict.fromkeys(names.values())]


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
