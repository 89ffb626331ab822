"""A second host in the same process: what the runtime holds is exchanged, so that nothing is shared but the stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from caching.runtime import runtime

__all__ = ["Host"]

# The lock guards the making of all of it; time is the same everywhere.
_SHARED = ("_lock", "clock")


class Host:
    """Stamps, local memory, breaker, relay and connections of another host, which has the `caching` settings."""

    def __init__(self, **caching: Any) -> None:
        self._caching = caching
        self._held: dict[str, Any] = {"_displaced": None}
        self.is_here = False

    @contextmanager
    def here(self) -> Iterator[None]:
        """Be that host in the block."""
        ours = self._exchange(self._held)
        # In place: settings that are assigned make the runtime forget what it holds.
        before = dict(settings.CACHING)
        settings.CACHING.update(self._caching)
        self.is_here = True
        try:
            yield
        finally:
            self.is_here = False
            settings.CACHING.update(before)
            self._held = self._exchange(ours)

    def close(self) -> None:
        with self.here():
            runtime.reset()

    @staticmethod
    def _exchange(held: dict[str, Any]) -> dict[str, Any]:
        state = vars(runtime)
        before = {name: state.pop(name) for name in list(state) if name not in _SHARED}
        state.update(held)
        return before
