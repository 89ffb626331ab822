"""What the keys of a region are made of, as operators have to type it: told by what the region declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Final, get_type_hints
from uuid import UUID

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models.constants import LOOKUP_SEP

from caching.dependencies import On
from caching.regions import Region

__all__ = ["key_parts"]

_KINDS: Final[dict[Any, str]] = {UUID: "UUID", int: "whole number", date: "date, as 2026-11-23", str: "text"}
# By name: its driver is not there for everyone.
_OBJECT_ID: Final = "ObjectId"
_FIELD_KINDS: Final[dict[type[models.Field[Any, Any]], Any]] = {
    models.UUIDField: UUID,
    models.IntegerField: int,
    models.DateField: date,
    models.CharField: str,
    models.TextField: str,
}


def key_parts(region: Region[Any]) -> str | None:
    """Return what a key has behind the organisation, such as "page (whole number), page size (whole number)".

    "" for a region of one value per organisation, None where the declaration does not tell. The names are those of the
    parameters of `load`; of a region that has `load_many` alone, those of the fields that its keys are made of.
    """
    if region.parts_of_loader() is not None:
        return ", ".join(_of_loader(region.loader))
    exact = next((on for on in region.fresh_on if on.parts is not None), None)
    return None if exact is None else ", ".join(_of_fields(exact))


def _of_loader(load: Callable[..., Any]) -> Iterator[str]:
    try:
        kinds = get_type_hints(load)
    except (NameError, TypeError):
        # Annotated with what is there for the type checker alone.
        kinds = {}
    parameters = inspect.signature(load).parameters.values()
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    for each in positional[1:]:
        yield _part(each.name, kinds.get(each.name))


def _of_fields(on: On) -> Iterator[str]:
    for path in on.parts or ():
        model: Any = on.model
        *relations, last = path.split(LOOKUP_SEP)
        try:
            for name in relations:
                model = model._meta.get_field(name).related_model
            field = model._meta.pk if last == "pk" else model._meta.get_field(last)
        except FieldDoesNotExist:
            yield _part(path, None)
            continue
        name = f"{model._meta.verbose_name} id" if last == "pk" else path
        while getattr(field, "target_field", None) is not None:
            field = field.target_field
        yield _part(name, _kind_of(field))


def _kind_of(field: Any) -> Any:
    # MongoDB's own keys call themselves numbers, as Django's counted ones are.
    if field.get_internal_type().startswith(_OBJECT_ID):
        return _OBJECT_ID
    return next((kind for each, kind in _FIELD_KINDS.items() if isinstance(field, each)), None)


def _part(name: str, kind: Any) -> str:
    words = " ".join(name.replace("_", " ").split())
    told = _OBJECT_ID if _OBJECT_ID in (kind, getattr(kind, "__name__", None)) else _KINDS.get(kind)
    return words if told is None else f"{words} ({told})"
