"""Rows of the books: written once; what was wrong is put right by a further row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

from django.db.models import Model

from billing.exceptions import AppendOnlyError
from caching.models import CachedModel
from caching.querysets import CachedQuerySet

M = TypeVar("M", bound=Model)


def _never(model: type[Model], what: str) -> AppendOnlyError:
    return AppendOnlyError(f"A stored {model._meta.verbose_name} is never {what}; add a correcting row instead.")


class AppendOnlyQuerySet(CachedQuerySet[M]):
    """Creates and reads rows; `delete` is left for the removal of a whole organisation."""

    def update(self, **kwargs: Any) -> NoReturn:  # noqa: ARG002 - Django's signature
        """Raise AppendOnlyError."""
        raise _never(self.model, "changed")

    def bulk_create(self, objs: Iterable[M], *args: Any, update_conflicts: bool = False, **kwargs: Any) -> list[M]:
        """Insert the rows; raise AppendOnlyError when stored ones would be changed instead."""
        if update_conflicts:
            raise _never(self.model, "changed")
        return super().bulk_create(objs, *args, **kwargs)

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002 - the same
        """Raise AppendOnlyError."""
        raise _never(self.model, "changed")


class AppendOnlyModel(CachedModel):
    """Base class of the books' rows."""

    objects = AppendOnlyQuerySet.as_manager()  # type: ignore[misc]  # the plugin takes it for an instance variable

    class Meta(CachedModel.Meta):
        abstract = True

    def save(self, **kwargs: Any) -> None:
        """Insert the row; raise AppendOnlyError when it is already stored."""
        if not self._state.adding or kwargs.get("force_update") or kwargs.get("update_fields"):
            raise _never(type(self), "changed")
        super().save(**kwargs)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> NoReturn:  # noqa: ARG002 - the same
        """Raise AppendOnlyError."""
        raise _never(type(self), "deleted")
