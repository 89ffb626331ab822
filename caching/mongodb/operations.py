"""What differs from MongoDB's own operations: the compilers, and decimals that keep their places."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bson import Decimal128
from django.db.backends.utils import format_number
from django.db.models import DecimalField
from django.db.models.expressions import Col
from django_mongodb_backend import operations

__all__ = ["DatabaseOperations"]


class DatabaseOperations(operations.DatabaseOperations):  # type: ignore[misc] # without types
    """Those of MongoDB, with compilers that lock and decimals of as many places as their column has."""

    compiler_module = "caching.mongodb.compiler"

    def adapt_decimalfield_value(
        self, value: Decimal | None, max_digits: int | None = None, decimal_places: int | None = None
    ) -> Decimal128 | None:
        text = format_number(value, max_digits, decimal_places)
        return None if text is None else Decimal128(text)

    def get_db_converters(self, expression: Any) -> list[Callable[..., Any]]:
        converters: list[Callable[..., Any]] = super().get_db_converters(expression)
        if isinstance(expression, Col) and isinstance(expression.output_field, DecimalField):
            # A sum or product that the database stored has places of its own.
            converters.append(_with_places)
        return converters


def _with_places(value: Decimal | None, expression: Any, _: object) -> Decimal | None:
    if value is None:
        return None
    return value.quantize(
        Decimal(1).scaleb(-expression.output_field.decimal_places), context=expression.output_field.context
    )
