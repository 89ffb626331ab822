"""What is left to say after a clear or a warm-up: whom it has not reached; in the commands and on the pages alike."""

from __future__ import annotations

from typing import Final

from caching.runtime import runtime

__all__ = ["CLEARED_LATER", "WARMED_HERE", "clear_waits"]

CLEARED_LATER: Final = "Redis did not answer. The clear is in the outbox, and reaches other servers when Redis is back."
WARMED_HERE: Final = "Without Redis only the process that answered holds the values."


def clear_waits() -> bool:
    """Tell whether Redis has not heard of what was just cleared here."""
    return runtime.redis is not None and not runtime.breaker.closed
