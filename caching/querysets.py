"""A query set that notes the writes Django sends no signal for."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from django.db import NotSupportedError
from django.db.models import Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP

from caching.registry import registry
from caching.retrying import run_atomic
from caching.rows import batches, field_names, note_rows, rows_of, stored_rows

__all__ = ["CachedQuerySet", "is_versioned", "random_version"]

M = TypeVar("M", bound=Model)

_VERSION = "version"


def random_version() -> int:
    """Return a version that no row had before: random, for two writers may not count alike; exact in JavaScript."""
    return secrets.randbits(53)


def is_versioned(model: type[Model]) -> bool:
    """Whether every write of a row of `model` gives it another version."""
    return any(getattr(base, "renews_version", False) for base in model.__mro__)


class CachedQuerySet(QuerySet[M, M]):
    """Does what Django's does, inside a transaction that knows which keys become stale."""

    def update(self, **kwargs: Any) -> int:
        """Update the rows matched when it began; rows that begin to match meanwhile are left alone."""
        model, paths = self.model, registry.dependencies.paths(self.model)
        if is_versioned(model):
            kwargs.setdefault(_VERSION, random_version())
        if not paths:
            return super().update(**kwargs)
        changed = field_names(model, kwargs)
        if "pk" in changed:
            raise NotSupportedError(f"update() cannot change the primary key of {model.__name__}, a cached model.")
        self._for_write = True
        return run_atomic(self.db, lambda: self._update_noting(kwargs, changed))

    update.alters_data = True  # type: ignore[attr-defined]

    def _update_noting(self, values: dict[str, Any], changed: frozenset[str]) -> int:
        model, updated = self.model, 0
        for pks in batches(self._locked_pks()):
            note_rows(model, stored_rows(model, pks, self.db), self.db, changed=changed)
            updated += super(CachedQuerySet, self.filter(pk__in=pks)).update(**values)
            if registry.dependencies.may_move(model, changed):
                note_rows(model, stored_rows(model, pks, self.db), self.db, changed=changed)
        return updated

    def _locked_pks(self) -> list[Any]:
        rows = self.order_by()
        if not (self.query.distinct or self.query.group_by):
            rows = rows.select_for_update()
        return list(rows.values_list("pk", flat=True))

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows; the signals that Django sends for each note what becomes stale."""
        self._for_write = True
        return run_atomic(self.db, super().delete)

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def bulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[M]:
        """Insert the rows. With `update_conflicts`, fields that keys are made of cannot be among `update_fields`."""
        objs = list(objs)
        if update_conflicts and update_fields is not None:
            update_fields = self._updatable(update_fields)
        self._for_write = True
        create = super().bulk_create

        def create_noting() -> list[M]:
            created = create(objs, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields)
            note_rows(self.model, rows_of(created, self.db), self.db)
            if update_conflicts and unique_fields:
                self._note_conflicting(objs, list(unique_fields))
            return created

        return run_atomic(self.db, create_noting)

    def _updatable(self, update_fields: Collection[str]) -> list[str]:
        on_keys = (path for _, on in registry.dependencies.of(self.model) for path in (on.org, *(on.parts or ())))
        keyed = {path.split(LOOKUP_SEP)[0] for path in on_keys}
        refused = keyed.intersection(field_names(self.model, update_fields))
        if refused:
            raise NotSupportedError(
                f"bulk_create(update_conflicts=True) cannot update {', '.join(sorted(refused))} of "
                f"{self.model.__name__}: cache keys are made of it. Save such rows one by one."
            )
        return [*update_fields, *([_VERSION] if is_versioned(self.model) else [])]

    def _note_conflicting(self, objs: list[M], unique_fields: list[str]) -> None:
        # The rows that stood there keep their own primary keys, which the instances do not know.
        for some in batches(objs):
            same = (Q(**{name: getattr(obj, name) for name in unique_fields}) for obj in some)
            rows = self.model._base_manager.using(self.db).filter(reduce(or_, same))
            note_rows(self.model, stored_rows(self.model, list(rows.values_list("pk", flat=True)), self.db), self.db)
