"""The one way to open a transaction in this project, and to try it again when the database was busy."""

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from django.db import DatabaseError, OperationalError, transaction

from caching.retrying import is_transient, retrying
from caching.transactions import atomic

__all__ = ["atomic", "is_busy", "retry_when_busy"]

P = ParamSpec("P")
R = TypeVar("R")

_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 0.05
# SQLite has only words, which no language setting changes.
_BUSY: Final = ("database is locked", "database table is locked")
# PostgreSQL's words are of its own language: serialization_failure, deadlock_detected, lock_not_available (a time-out).
_BUSY_STATES: Final = frozenset({"40001", "40P01", "55P03"})


def is_busy(error: DatabaseError) -> bool:
    """Tell whether the database refused only because others were writing, so that trying again may succeed."""
    state = getattr(error.__cause__, "sqlstate", None)
    return state in _BUSY_STATES or is_transient(error) or any(phrase in str(error) for phrase in _BUSY)


def retry_when_busy(service: Callable[P, R]) -> Callable[P, R]:
    """Run `service` again when the database was busy with other writers.

    Up to three times in all where it has waited for them already, and for 20 seconds on MongoDB, which never waits.
    For services that open the outermost transaction themselves: one that is called inside a transaction is not tried
    again, for what came before it in that transaction is lost as well. Its alias is read from the keyword `using`.
    """

    @wraps(service)
    def patient(*args: P.args, **kwargs: P.kwargs) -> R:
        using: Any = kwargs.get("using")
        for attempt in range(1, _ATTEMPTS):
            try:
                return retrying(using, lambda: service(*args, **kwargs))
            except OperationalError as error:
                if is_transient(error) or transaction.get_connection(using).in_atomic_block or not is_busy(error):
                    raise
                time.sleep(_PAUSE_SECONDS * attempt * random.random())  # noqa: S311 - spreads the tries, guards nothing
        return retrying(using, lambda: service(*args, **kwargs))

    return patient
