"""Runs queries: rows read for update are locked, and errors have the classes that they have with other databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from bson import ObjectId
from django.db import DatabaseError, IntegrityError, NotSupportedError, OperationalError
from django.db.models.sql.constants import GET_ITERATOR_CHUNK_SIZE, MULTI
from django.db.transaction import TransactionManagementError
from django_mongodb_backend import compiler
from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError, WTimeoutError

from caching.retrying import TRANSIENT

__all__ = ["LOCK", "SQLAggregateCompiler", "SQLCompiler", "SQLDeleteCompiler", "SQLInsertCompiler", "SQLUpdateCompiler"]

#: A field of documents that no model has.
LOCK: Final = "_locked_by"


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (IntegrityError, NotSupportedError):
        raise
    except DatabaseError as error:
        raise _as_elsewhere(error.__cause__ or error) from error.__cause__
    except PyMongoError as error:
        raise _as_elsewhere(error) from error


def _as_elsewhere(error: BaseException) -> DatabaseError:
    # The words of other errors may quote rows.
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError):
        return OperationalError(str(error))
    if isinstance(error, PyMongoError) and error.has_error_label(TRANSIENT):
        return OperationalError(str(error))
    return error if isinstance(error, DatabaseError) else DatabaseError(type(error).__name__)


class _Watched:
    """Runs a query as the backends of SQL databases do: its errors translated, and `execute_wrapper` told of it."""

    #: What begins the words that stand for the query.
    _verb = "SELECT FROM"

    def _run(self, query: Callable[[], Any]) -> Any:
        compiler: Any = self
        connection = compiler.connection
        run: Callable[..., Any] = lambda *_: query()  # noqa: E731 -- one of those that are wrapped into each other
        for wrapper in reversed(connection.execute_wrappers):
            run = partial(wrapper, run)
        with _errors():
            words = f'{self._verb} "{compiler.query.get_meta().db_table}"'
            return run(words, (), False, {"connection": connection, "cursor": None})


class SQLCompiler(_Watched, compiler.SQLCompiler):  # type: ignore[misc] # without types
    """Reads. A lock is a write to the row, as MongoDB has no other: of two transactions the later one is aborted."""

    _read: list[Any] | None = None

    def execute_sql(
        self, result_type: str = MULTI, chunked_fetch: bool = False, chunk_size: int = GET_ITERATOR_CHUNK_SIZE
    ) -> Any:
        if self.query.select_for_update:
            return self._run(lambda: self._execute_locking(result_type, chunk_size))
        read = super().execute_sql
        return self._run(lambda: read(result_type, chunked_fetch, chunk_size))

    def _execute_locking(self, result_type: str, chunk_size: int) -> Any:
        if self.connection.get_autocommit():
            raise TransactionManagementError("select_for_update cannot be used outside of a transaction.")
        if self.query.select_for_update_skip_locked:
            raise NotSupportedError("MongoDB aborts one of two transactions that lock a row; none can skip it.")
        self._read = []
        result = super().execute_sql(result_type, False, chunk_size)
        if self._read:
            self.collection.update_many(
                {"_id": {"$in": self._read}}, {"$set": {LOCK: ObjectId()}}, session=self.connection.session
            )
        return result

    def _make_result(self, entity: dict[str, Any], columns: Any = None) -> list[Any]:
        if self._read is not None:
            self._read.append(entity["_id"])
        result: list[Any] = super()._make_result(entity, columns)
        return result


class _Writing(_Watched):
    def execute_sql(self, *args: Any, **kwargs: Any) -> Any:
        write = super().execute_sql  # type: ignore[misc] # of the compiler mixed in
        return self._run(lambda: write(*args, **kwargs))


class SQLInsertCompiler(_Writing, compiler.SQLInsertCompiler):  # type: ignore[misc] # without types
    _verb = "INSERT INTO"


class SQLUpdateCompiler(_Writing, compiler.SQLUpdateCompiler):  # type: ignore[misc] # without types
    _verb = "UPDATE"


class SQLDeleteCompiler(_Writing, compiler.SQLDeleteCompiler):  # type: ignore[misc] # without types
    _verb = "DELETE FROM"


class SQLAggregateCompiler(_Writing, compiler.SQLAggregateCompiler):  # type: ignore[misc] # without types
    """Aggregates."""
