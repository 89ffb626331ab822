"""Another thread, which has its own connection to the database: what others read and write while a test is at work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def elsewhere(work: Callable[[], T]) -> T:
    """Return what `work` returns in another thread."""
    returned: list[T] = []

    def run() -> None:
        try:
            returned.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return returned[0]
