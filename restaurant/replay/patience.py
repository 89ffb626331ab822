"""Waits for a database that went away in the middle of a replay, and asks again, as the clients of a site do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db import Error as AnyDatabaseError

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_PAUSE_SECONDS: Final = 0.1
_LAST_PAUSE_SECONDS: Final = 1.0
# Exactly these: what a driver has a closer word for, such as a broken constraint, is no outage.
_AWAY: Final = (OperationalError, InterfaceError, DatabaseError)


class Patience:
    """Puts up with a database that is away, for `seconds` each time.

    `pause` waits for so many seconds, and may raise to end it all. `waited` has an item for each attempt in vain.
    """

    def __init__(
        self, seconds: float, pause: Callable[[float], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._pause = pause
        self._now = now
        self.waited: list[str] = []

    def persist(self, do: Callable[[bool], T]) -> T:
        """Return what `do` returns; it is called until the database is there, and told whether it was called before.

        Raises what it raises: anything else at once, that the database is away when patience is at its end.
        """
        until, pause, again = 0.0, _FIRST_PAUSE_SECONDS, False
        while True:
            try:
                return do(again)
            except AnyDatabaseError as error:
                now, name = self._now(), type(error).__name__
                if not until:
                    until = now + self._seconds
                if type(error) not in _AWAY or now >= until:
                    raise
                if not again:
                    # By its kind alone: what it says may quote rows.
                    logger.warning("The database is away: %s", name, extra={"event": "database_away"})
                self.waited.append(name)
            # Django looks between requests only whether a connection can still be used.
            connection.close()
            self._pause(min(pause, max(0.0, until - now)))
            pause, again = min(2 * pause, _LAST_PAUSE_SECONDS), True
