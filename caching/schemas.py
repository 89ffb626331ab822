"""What a migration changes of a model, as a text: releases with other tables do not share values made of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from django.db.migrations.serializer import serializer_factory
from django.db.models import Field, Model
from django.utils.translation import override

__all__ = ["model_schema"]

# What fields say to people, and what they refuse to store, changes no value that is stored.
_SAID: Final = frozenset({"verbose_name", "help_text", "error_messages", "validators"})


# Many regions depend on the same models.
@cache
def model_schema(model: type[Model]) -> str:
    """Return a text that is the same in every process of a release, and changes with the fields of the model.

    Columns, types, choices, defaults, relations: what `makemigrations` would notice, but for words and validators.
    """
    # A label of choices may be translated, and a process has any language.
    with override(None):
        fields = (*model._meta.concrete_fields, *model._meta.many_to_many)
        return repr((model._meta.db_table, sorted(tuple(_described(field)) for field in fields)))


def _described(field: Field[Any, Any]) -> Iterator[str]:
    _, kind, arguments, options = field.deconstruct()
    yield from (field.name, field.column or "", kind, *map(_text, arguments))
    yield from (f"{name}={_text(options[name])}" for name in sorted(options) if name not in _SAID)


def _text(value: object) -> str:
    try:
        # Not its repr, in which a function has its address.
        return serializer_factory(value).serialize()[0]
    except ValueError:
        # What no migration could write, either.
        return type(value).__qualname__
