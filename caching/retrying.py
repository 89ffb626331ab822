"""When a database refuses only because others were writing: knowing it, and running the whole transaction again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeVar

from django.db import DatabaseError
from django.db.transaction import atomic, get_connection

__all__ = ["COMMIT_UNKNOWN", "TRANSIENT", "is_transient", "pauses", "retrying", "run_atomic"]

T = TypeVar("T")

#: How MongoDB labels errors: nothing has happened and all may be run again; only the commit may.
TRANSIENT: Final = "TransientTransactionError"
COMMIT_UNKNOWN: Final = "UnknownTransactionCommitResult"

_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.25

# As long as SQLite waits for other writers (restaurant/settings.py).
_PATIENCE_SECONDS: Final = 20.0


def is_transient(error: BaseException) -> bool:
    """Whether the database aborted a transaction because of another one, and asks for all of it to be run again.

    MongoDB has no locks to wait for: of two transactions that write one row, the later one is aborted.
    """
    label = getattr(error.__cause__, "has_error_label", None)
    return label is not None and bool(label(TRANSIENT))


def pauses(seconds: float) -> Iterator[Callable[[], None] | None]:
    """Yield for each try what waits before the next one; None for the last, after about `seconds`.

    Exponential back-off with full jitter (Brooker, 2015), so that those who collided do not collide again.
    """
    ends, longest = time.monotonic() + seconds, _FIRST_PAUSE
    while time.monotonic() < ends:
        yield partial(time.sleep, random.uniform(0, longest))  # noqa: S311 -- spreads the tries, guards nothing
        longest = min(2 * longest, _LONGEST_PAUSE)
    yield None


def retrying(using: str | None, transaction: Callable[[], T]) -> T:
    """Run what opens the outermost transaction; run it again while the database asks for that.

    Inside another transaction it is run once, for what came before it there is lost as well.
    """
    for pause in pauses(_PATIENCE_SECONDS):
        try:
            return transaction()
        except DatabaseError as error:
            if pause is None or get_connection(using).in_atomic_block or not is_transient(error):
                raise
            pause()
    raise AssertionError("The last try returns or raises.")


def run_atomic(using: str, body: Callable[[], T]) -> T:
    """Run `body` in a transaction, as `retrying` does."""

    def transaction() -> T:
        with atomic(using):
            return body()

    return retrying(using, transaction)
