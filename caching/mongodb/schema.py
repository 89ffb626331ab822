"""Makes the indexes of unique columns, keys above all, such that joins can use them."""

from __future__ import annotations

from typing import Any

from django_mongodb_backend import schema
from pymongo import ASCENDING, IndexModel

__all__ = ["DatabaseSchemaEditor"]


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):  # type: ignore[misc] # without types
    """MongoDB's own makes them partial, to allow several nulls, and `$lookup` then reads the whole collection.

    With 13,000 orders that took 1.3 seconds for the lines of one.
    """

    def add_index(
        self, model: Any, index: Any, *, field: Any = None, unique: bool = False, column_prefix: str = "", **kwargs: Any
    ) -> None:
        fields = [field] if field is not None else [model._meta.get_field(name) for name, _ in index.fields_orders]
        if not unique or index.condition or column_prefix or any(each.null for each in fields):
            super().add_index(model, index, field=field, unique=unique, column_prefix=column_prefix, **kwargs)
            return
        keys = [(each.column, ASCENDING) for each in fields]
        plain = IndexModel(keys, name=index.name, unique=True)
        self.get_collection(model._meta.db_table).create_indexes([plain])
