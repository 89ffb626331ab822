"""How many requests a client may make: counted in fixed windows, in each process by itself.

Counters that all processes share would cost every cached hit a round trip to Redis, and a request that finds Redis down
a second time-out. So with N worker processes a client may make up to N times the requests of the rate.
"""

import math
import re
import time
from typing import Any, ClassVar, Final

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

_RATE: Final = re.compile(r"(\d+)/(s|sec|m|min|h|hour|d|day)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class WindowThrottle(BaseThrottle):
    """Counts the requests of one client per window; the rate of its `scope` is in DEFAULT_THROTTLE_RATES.

    A rate looks like "600/min"; without one there is no limit.
    """

    scope: ClassVar[str]

    def allow_request(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - DRF's signature
        rate = api_settings.DEFAULT_THROTTLE_RATES.get(self.scope)
        who = self.identify(request)
        if not rate or who is None:
            return True
        limit, window = _rate_parse(str(rate))
        now = time.time()
        self._ends_in = window - now % window
        return self._count(f"throttle:{self.scope}:{who}:{now // window:.0f}", window) <= limit

    def wait(self) -> float:
        """Return after how many seconds the next window begins."""
        return math.ceil(self._ends_in)

    def identify(self, request: Request) -> str | None:
        """Return what the requests of one client have in common; None exempts the request."""
        raise NotImplementedError

    def _count(self, key: str, window: int) -> int:
        cache.add(key, 0, timeout=window)
        try:
            return cache.incr(key)
        except ValueError:
            # The counter was evicted between the two calls.
            return 1


class UserThrottle(WindowThrottle):
    """Limits each signed-in user."""

    scope = "user"

    def identify(self, request: Request) -> str | None:
        return str(request.user.pk) if request.user.is_authenticated else None


class AnonymousThrottle(WindowThrottle):
    """Limits each address from which strangers ask."""

    scope = "anonymous"

    def identify(self, request: Request) -> str | None:
        return None if request.user.is_authenticated else str(self.get_ident(request))


class TokenThrottle(WindowThrottle):
    """Limits how often one address may try passwords."""

    scope = "token"

    def identify(self, request: Request) -> str | None:
        return str(self.get_ident(request))


def _rate_parse(rate: str) -> tuple[int, int]:
    found = _RATE.fullmatch(rate)
    if found is None:
        raise ValueError(f"{rate!r} is no throttle rate; write it like 600/min, with s, min, hour or day.")
    return int(found[1]), _SECONDS[found[2][0]]
