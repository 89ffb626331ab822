"""What one request may lose to Redis: a single time-out, however many values it reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["is_spent", "request_budget", "spend"]


class _Budget:
    # An object, not the variable's own value: threads and tasks of the request have copies of its context.
    __slots__ = ("spent",)

    def __init__(self) -> None:
        self.spent = False


_budget: ContextVar[_Budget | None] = ContextVar("caching_budget", default=None)


@contextmanager
def request_budget() -> Iterator[None]:
    """Give the block, and the threads and tasks that work for it, one time-out of Redis to spend."""
    token = _budget.set(_Budget())
    try:
        yield
    finally:
        _budget.reset(token)


def is_spent() -> bool:
    """Whether the request has waited for Redis in vain: it asks the database from now on."""
    budget = _budget.get()
    return budget is not None and budget.spent


def spend() -> None:
    """Note that the request has waited for Redis in vain."""
    budget = _budget.get()
    if budget is not None:
        budget.spent = True
