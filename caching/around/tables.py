"""Which tables are followed, and which of their columns tell what a write makes stale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec
from django.apps import apps
from django.db import router
from django.db.models import CompositePrimaryKey, Field, ForeignKey, Model
from django.db.models.constants import LOOKUP_SEP

from caching.dependencies import concrete
from caching.registry import registry

__all__ = ["Followed", "field_at", "followed_tables", "is_told"]


class Followed(msgspec.Struct, frozen=True):
    """A table that regions depend on.

    `models` are those of whose rows keys are made; `regions` names what is cleared instead: rows that lie in several
    tables, or have primary keys of several columns, are not put together. Of each write `told` columns are told by
    value, primary and foreign keys only, and `watched` ones only by whether they changed.
    """

    table: str
    models: tuple[type[Model], ...]
    regions: tuple[str, ...]
    told: tuple[str, ...]
    watched: tuple[str, ...]

    @property
    def all_regions(self) -> list[str]:
        """The names of all regions that depend on the table."""
        depending = (region.name for model in self.models for region, _ in registry.dependencies.of(model))
        return sorted({*self.regions, *depending})


def followed_tables(alias: str) -> dict[str, Followed]:
    """Return, by name, the tables of the database that regions depend on."""
    models: dict[str, list[type[Model]]] = {}
    regions: dict[str, set[str]] = {}
    for model in apps.get_models(include_auto_created=True):
        depending = registry.dependencies.of(model)
        if not depending or model._meta.proxy or not router.allow_migrate_model(alias, model):
            continue
        parents = {concrete(parent) for parent in model._meta.all_parents}
        if not parents and not isinstance(model._meta.pk, CompositePrimaryKey):
            models.setdefault(model._meta.db_table, []).append(model)
            continue
        of_parents = [each for parent in parents for each in registry.dependencies.of(parent)]
        own = {each[0].name for each in depending if each not in of_parents}
        for table in {each._meta.db_table for each in (model, *parents)} if own else ():
            regions.setdefault(table, set()).update(own)
    return {
        table: Followed(
            table,
            tuple(models.get(table, ())),
            tuple(sorted(regions.get(table, ()))),
            *_columns(models.get(table, ())),
        )
        for table in sorted({*models, *regions})
    }


def field_at(model: type[Model], path: str) -> Field[Any, Any]:
    """Return the field that a path begins with, of the model's own or a relation to it."""
    first = path.split(LOOKUP_SEP)[0]
    return model._meta.pk if first == "pk" else cast("Field[Any, Any]", model._meta.get_field(first))


def is_told(field: Field[Any, Any]) -> bool:
    """Whether the value of a column is told: of a primary key, or a foreign key that points at one.

    What else keys are made of may be somebody's phone number, and whoever signs in to the database can listen.
    """
    if isinstance(field, ForeignKey):
        return bool(field.target_field.primary_key)
    return field.concrete and bool(field.primary_key)


def _columns(models: tuple[type[Model], ...] | list[type[Model]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    fields = {field.column: field for model in models for field in _fields(model) if field.concrete and field.column}
    return tuple(sorted(name for name, field in fields.items() if is_told(field))), tuple(sorted(fields))


def _fields(model: type[Model]) -> Iterator[Field[Any, Any]]:
    yield model._meta.pk
    for _, on in registry.dependencies.of(model):
        for path in on.watched:
            yield field_at(model, path)
