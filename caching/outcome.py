"""What is left to say after a clear or a warm-up: whom it has not reached; in the commands and on the pages alike."""

from __future__ import annotations

from typing import Final

from caching.registry import registry
from caching.runtime import runtime

__all__ = ["CLEARED_LATER", "WARMED_HERE", "clear_waits", "nothing_here", "why_nothing_warmed"]

CLEARED_LATER: Final = "Redis did not answer. The clear is in the outbox, and reaches other servers when Redis is back."
WARMED_HERE: Final = "Without Redis only the process that answered holds the values."


def clear_waits() -> bool:
    """Tell whether Redis has not heard of what was just cleared here."""
    return runtime.redis is not None and not runtime.breaker.closed


def nothing_here() -> str:
    """Return where nothing was found of a key that was cleared, and that it was cleared all the same."""
    where = "in the memory of the process that answered"
    where = f"neither {where} nor in Redis" if runtime.redis is not None else f"not {where}"
    return f"Nothing of that name was in the cache, {where}. It was cleared all the same, wherever else it may be."


def why_nothing_warmed(region: str, *, key: bool) -> str:
    """Return why a warm-up of what is declared as hot in that region ("": all), or of one key, has loaded nothing."""
    if key:
        return "The database has no such row."
    regions = [registry.regions[region]] if region in registry.regions else list(registry.regions.values())
    if all(each.warm_keys is None for each in regions):
        return "The region declares nothing as hot." if region else "No region declares anything as hot."
    return "The database has nothing of what is declared as hot."
