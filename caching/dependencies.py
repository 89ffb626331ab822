"""Which cached keys a changed row makes stale, derived from what the `cached.py` modules declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Model

from caching.keys import Key, Scope

if TYPE_CHECKING:
    from caching.regions import Region

__all__ = ["DependencyMap", "On", "Row"]

#: The values of a row at the paths that keys are made of.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class On:
    """A region's sentence "stale when a row of `model` changes".

    `org` and `parts` are field paths from the model to the key (`"customer__phone"`); `parts=()` is the key of a
    region that has one per organisation, and without `parts` every key of the organisation goes stale. With `fields`,
    an update that leaves all of these unchanged is passed over.
    """

    model: type[Model]
    org: str
    parts: tuple[str, ...] | None = None
    fields: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.org, *(self.parts or ()), *self.fields)


def _concrete(model: type[Model]) -> type[Model]:
    # A proxy's rows are those of the model behind it; an abstract model has nothing behind it.
    return model._meta.concrete_model or model


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
                each
                for declared, found in self._declared.items()
                if issubclass(model, _concrete(declared))
                for each in found
            ]
        return self._resolved[model]

    def paths(self, model: type[Model]) -> list[str]:
        """Return the field paths that the keys of a row of `model` are made of, without repetition."""
        return sorted({path for _, on in self.of(model) for path in on.paths})

    def affected(
        self, model: type[Model], row: Row, *, alias: str, changed: frozenset[str] | None = None
    ) -> Iterator[Key | Scope]:
        """Yield the keys and scopes that a write of `row` makes stale.

        `changed` are the fields an update changed; None for a created or deleted row, or when nobody knows.
        """
        for region, on in self.of(model):
            if on.fields and changed is not None and changed.isdisjoint((*on.fields, on.org, *(on.parts or ()))):
                continue
            org = row[on.org]
            parts = [row[path] for path in on.parts or ()]
            if org is None or None in parts:
                # A row that hangs on nothing has no key.
                continue
            yield Scope(region.name, str(org)) if on.parts is None else Key(region.name, str(org), parts, alias)
