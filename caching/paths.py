"""Through which tables a declared field path leads: only a write of one of them can change what the path ends in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from django.db.models import Model
from django.db.models.constants import LOOKUP_SEP
from django.db.models.sql import Query

__all__ = ["Crossing", "column_of", "crossings"]

#: A path as the database goes it: the relations, then the column. Two spellings of one path are equal.
Route = tuple[tuple[Any, ...], Any]


class Crossing(msgspec.Struct, frozen=True):
    """A model whose rows lie on a path, and the rest of the path from there."""

    model: type[Model]
    rest: Route

    @property
    def column(self) -> str:
        """The column of the model's own row that the path goes on with."""
        relations, target = self.rest
        return str((relations[0] if relations else target).attname)


def _hops(model: type[Model], path: str) -> tuple[list[Any], Any]:
    hops, _, targets, _ = Query(model).names_to_path(path.split(LOOKUP_SEP), model._meta, fail_on_missing=True)
    target = targets[0]
    # A foreign key holds the value that it points at: `shop__pk` is the column `shop_id`, and reads no shop.
    while hops and hops[-1].direct and target in hops[-1].target_fields:
        target = hops.pop().join_field
    return hops, target


def column_of(model: type[Model], path: str) -> Route:
    """Return where the path leads, the same for `shop_id`, `shop__pk` and `shop`. Raises `FieldError`."""
    hops, target = _hops(model, path)
    return tuple(hop.join_field for hop in hops), target


def crossings(model: type[Model], path: str) -> Iterator[Crossing]:
    """Yield the tables, other than the model's own, whose columns decide where the path leads. Raises `FieldError`."""
    hops, target = _hops(model, path)
    for index, hop in enumerate(hops, start=1):
        goes_on_by_own_column = index == len(hops) or hops[index].direct
        if goes_on_by_own_column:
            rest = tuple(each.join_field for each in hops[index:])
            yield Crossing(hop.to_opts.concrete_model, (rest, target))
