"""Which cached keys a changed row makes stale, derived from what the `cached.py` modules declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Model
from django.db.models.constants import LOOKUP_SEP

from caching.keys import Key, Scope

if TYPE_CHECKING:
    from caching.regions import Region

__all__ = ["UNKNOWN", "DependencyMap", "On", "Row", "concrete", "sees_writes_of"]

#: The values of a row at the paths that keys are made of.
Row = Mapping[str, Any]

#: In a row: a value that only the database knows, and does not tell.
UNKNOWN: Final = object()


@dataclass(frozen=True)
class On:
    """A region's sentence "stale when a row of `model` changes".

    `org` and `parts` are field paths from the model to the key (`"customer__phone"`); `parts=()` is the key of a
    region that has one per organisation, and without `parts` every key of the organisation goes stale. With `fields`,
    an update that leaves all of these unchanged is passed over.

    `model` may be the table of a many-to-many relation (`On(Dish.tags.through, org="dish__shop_id",
    parts=("dish_id",))`), and a path may lead to many rows (`On(Tag, org="dish__shop_id", parts=("dish__pk",))`).
    """

    model: type[Model]
    org: str
    parts: tuple[str, ...] | None = None
    fields: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.org, *(self.parts or ()), *self.fields)

    @cached_property
    def watched(self) -> frozenset[str]:
        """The paths, and the fields they begin with: a row that turns to another parent has other values behind it."""
        return frozenset(self.paths) | {path.split(LOOKUP_SEP)[0] for path in self.paths}


def concrete(model: type[Model]) -> type[Model]:
    """Return the model whose table it is: for a proxy the one behind it, else itself."""
    # An abstract model has nothing behind it.
    return model._meta.concrete_model or model


def sees_writes_of(on: On, model: type[Model]) -> bool:
    """Whether `on` names the rows that are written through `model`, a proxy or an heir for instance."""
    return issubclass(model, concrete(on.model))


class DependencyMap:
    """All declarations, by model."""

    def __init__(self, regions: Iterable[Region[Any]]) -> None:
        self._declared: dict[type[Model], list[tuple[Region[Any], On]]] = {}
        self._resolved: dict[type[Model], list[tuple[Region[Any], On]]] = {}
        for region in regions:
            for on in region.fresh_on:
                self._declared.setdefault(on.model, []).append((region, on))

    @property
    def models(self) -> list[type[Model]]:
        """The models that declarations name."""
        return list(self._declared)

    def of(self, model: type[Model]) -> list[tuple[Region[Any], On]]:
        """Return what depends on rows of `model`, its proxies and its parents included."""
        if model not in self._resolved:
            self._resolved[model] = [
                each for found in self._declared.values() for each in found if sees_writes_of(each[1], model)
            ]
        return self._resolved[model]

    def paths(self, model: type[Model]) -> list[str]:
        """Return the field paths that the keys of a row of `model` are made of, without repetition."""
        return sorted({path for _, on in self.of(model) for path in on.paths})

    def may_move(self, model: type[Model], changed: frozenset[str]) -> bool:
        """Whether an update of these fields can give a row of `model` other values at its `paths`."""
        return any(not changed.isdisjoint(on.watched) for _, on in self.of(model))

    def affected(
        self, model: type[Model], row: Row, *, alias: str, changed: frozenset[str] | None = None
    ) -> Iterator[Key | Scope]:
        """Yield the keys and scopes that a write of `row` makes stale.

        `changed` are the fields an update changed; None for a created or deleted row, or when nobody knows.
        """
        for region, on in self.of(model):
            if on.fields and changed is not None and changed.isdisjoint(on.watched):
                continue
            org = row[on.org]
            parts = [row[path] for path in on.parts or ()]
            if org is None or None in parts:
                # A row that hangs on nothing has no key.
                continue
            if on.parts is None or UNKNOWN in parts:
                yield Scope(region.name, str(org))
            else:
                yield Key(region.name, str(org), parts, alias)
