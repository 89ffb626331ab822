"""Queries that are asked so often that building them, which takes Django longer than the database, is done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from django.db import connections, router
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.sql.compiler import SQLCompiler

__all__ = ["CompiledQuery"]

# Others, such as documents, have no text to keep.
_SQL: Final = frozenset({"sqlite", "postgresql", "mysql", "oracle"})


class _Parameter(Expression):
    """Stands in the query for a value that comes later; its field turns it into what the database takes."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name: Final = name

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:  # noqa: ARG002 - Django's
        return "%s", [self]


class _Compiled(NamedTuple):
    sql: str
    parameters: Sequence[object]
    #: Of each column that needs some: where it is, the functions, and what they are told of it.
    converters: Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]


class CompiledQuery:
    """A query of `model`, which `build` makes of values by name, as a `values_list`; `fields` say of what kind each is.

    It is made once for each SQL database of this process; for others it is built each time. What it finds is read each
    time.
    """

    def __init__(self, model: type[Model], build: Callable[..., QuerySet[Any, Any]], **fields: Field[Any, Any]) -> None:
        self._model = model
        self._build = build
        self._parameters = {name: _Parameter(name, field) for name, field in fields.items()}
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, *, using: str | None = None, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows for these values, columns in the order of `values_list`."""
        alias = using or router.db_for_read(self._model)
        connection = connections[alias]
        if connection.vendor not in _SQL:
            return list(self._build(**values).using(alias))
        compiled = self._compiled.get(alias) or self._compile(alias)
        parameters: list[Any] = [
            each.output_field.get_db_prep_value(values[each.name], connection) if isinstance(each, _Parameter) else each
            for each in compiled.parameters
        ]
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, parameters)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        if not compiled.converters:
            return found
        rows = [list(row) for row in found]
        for position, converters, column in compiled.converters:
            for converter in converters:
                for row in rows:
                    row[position] = converter(row[position], column, connection)
        return [tuple(row) for row in rows]

    def _compile(self, alias: str) -> _Compiled:
        compiler = self._build(**self._parameters).using(alias).query.get_compiler(alias)
        sql, parameters = compiler.as_sql()
        converters = compiler.get_converters([column for column, _, _ in compiler.select])
        compiled = _Compiled(sql, tuple(parameters), [(where, *each) for where, each in converters.items()])
        self._compiled[alias] = compiled
        return compiled
