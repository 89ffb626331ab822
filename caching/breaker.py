"""The circuit breaker: a Redis that does not answer is left alone until the relay has found it well again."""

from __future__ import annotations

import random
import threading
from typing import Any, Final, Literal

from caching.clock import Clock
from caching.logs import logger

__all__ = ["Breaker", "State"]

State = Literal["closed", "open", "half-open"]

# Between two probes: doubled from the first to the last while the server stays away.
_FIRST_PROBE_SECONDS: Final = 0.1
_LAST_PROBE_SECONDS: Final = 2.0
# Of that pause, at random, at least this share.
_LEAST_SHARE: Final = 0.6


class Breaker:
    """Whether this process asks Redis (`closed`), or has given it up until a probe succeeds.

    The first time-out, lost connection or refusal that says "I cannot serve" opens it, so that only the
    requests already waiting pay for it. Requests never probe. The relay does: when one is due it calls `probing`,
    delivers what the outbox holds, and only then calls `close`; a failure calls `trip` again. Every change is logged
    once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: Read on every call to Redis, so a plain attribute.
        self.closed = True
        self.state: State = "closed"
        self._since = clock.wall()
        self._why = ""
        self._probe_at = 0.0
        self._patience = _FIRST_PROBE_SECONDS
        self._trips = 0

    def trip(self, why: str) -> None:
        """Open: Redis could not serve. `why` is for operators and holds no user's data."""
        with self._lock:
            was, self.state = self.state, "open"
            if was == "half-open":
                self._patience = min(self._patience * 2, _LAST_PROBE_SECONDS)
            elif was == "closed":
                self.closed = False
                self._trips += 1
                self._since = self._clock.wall()
                self._patience = _FIRST_PROBE_SECONDS
            self._why = why
            # Not in step with whatever comes and goes by the clock, nor with other processes.
            spread = random.uniform(_LEAST_SHARE, 1.0)  # noqa: S311 -- keeps no secret
            self._probe_at = self._clock.now() + self._patience * spread
        if was == "closed":
            logger.warning(
                "Redis is left alone until it answers again: %(why)s", {"why": why}, extra={"event": "redis_left_alone"}
            )

    @property
    def probe_is_due(self) -> bool:
        """Whether it is open and the server has been left alone for long enough."""
        return not self.closed and self._clock.now() >= self._probe_at

    def probing(self) -> None:
        """Half open: one caller is about to try the server."""
        with self._lock:
            if self.state == "open":
                self.state = "half-open"

    def close(self) -> None:
        """Close: the server answers, and everything that it had missed was delivered."""
        with self._lock:
            was, self.state = self.state, "closed"
            self.closed = True
            if was != "closed":
                self._since = self._clock.wall()
        if was != "closed":
            logger.warning("Redis answers again.", extra={"event": "redis_answers"})

    def describe(self) -> dict[str, Any]:
        """Return `state`, `since` (seconds since 1970), `trips` (how often it opened) and `why` it did last."""
        with self._lock:
            return {"state": self.state, "since": self._since, "trips": self._trips, "why": self._why}
