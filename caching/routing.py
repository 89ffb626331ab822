"""Lets what fills the cache and what decides about writes be read from the primary, whatever the routers say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import router
from django.db.models import Model

__all__ = ["PrimaryRouter", "reads_from"]


class _Here(threading.local):
    # Of a thread, as connections are. What stands in a context is carried on by coroutines that are cancelled while
    # their thread is still inside.
    alias: str | None = None


_here: Final = _Here()


class PrimaryRouter:
    """Stands before the routers in `DATABASE_ROUTERS`, and says nothing outside `reads_from`."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        alias = _here.alias
        if alias is None:
            return None
        instance = hints.get("instance")
        if instance is not None and instance._state.db == alias:
            # What belongs to a row is read where the row was.
            return alias
        # Not simply the alias: other models may have another primary.
        return router.db_for_write(model, **hints)


_PRIMARY: Final = PrimaryRouter()


@contextmanager
def reads_from(alias: str) -> Iterator[None]:
    """Let queries that name no database read where rows are written, and what belongs to a row of `alias` there.

    Prefetched and related rows, too, which Django asks the routers for even if the query itself names a database. A
    query that names a replica still reads from it.
    """
    routers = router.routers
    # Here, for the list is made anew when settings change. Without routers everything is read where it is written.
    if routers and routers[0] is not _PRIMARY:
        routers.insert(0, _PRIMARY)
    before, _here.alias = _here.alias, alias
    try:
        yield
    finally:
        _here.alias = before
