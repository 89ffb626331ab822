"""Waiting for what a real server or thread does in its own time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["eventually"]

_PATIENCE_SECONDS = 60.0


def eventually(condition: Callable[[], object], what: str = "") -> None:
    """Return as soon as the condition holds; fail when it does not within a minute."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, what or f"{condition} never held"
        threading.Event().wait(0.005)
