"""Tries a Redis that was given up, and brings it what it could not be told."""

from __future__ import annotations

from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.scripts import command

__all__ = ["Relay"]


class Relay:
    """One per process; `tick` does one round."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def tick(self) -> None:
        breaker = runtime.breaker
        if runtime.redis is None or not breaker.probe_is_due:
            return
        breaker.probing()
        try:
            runtime.redis.execute([command("PING")], probe=True)
        except RedisUnavailable as error:
            breaker.trip(str(error))
        else:
            breaker.close()
