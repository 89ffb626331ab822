"""The process's one set of tiers, made on first use and made anew when the settings change."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from caching.clock import Clock
from caching.conf import conf
from caching.errors import HostFileError, HostFileForeign
from caching.registry import registry
from caching.stamps import Stamps
from caching.stats import Statistics
from caching.tiers.local import Entry, LocalTier

if TYPE_CHECKING:
    from caching.tiers.redis import RedisTier

__all__ = ["Runtime", "runtime"]

logger = logging.getLogger("caching")

# How often the stamps file is looked at: somebody may have removed it, and new processes would share another.
_TRUST_SECONDS = 1.0


class Runtime:
    """`clock`, `stamps`, `local`, `redis` and `statistics` of this process.

    Attributes are made when first read and then plain attributes, for they are read on every hit.
    `stamps` and `local` are None when no file can be shared with the other processes of the host.
    """

    clock: Clock
    stamps: Stamps | None
    local: LocalTier | None
    redis: RedisTier | None
    statistics: Statistics

    def __init__(self) -> None:
        self._lock = threading.RLock()
        #: Why the stamps of this running process can no longer be shared, if so.
        self._displaced: HostFileForeign | None = None

    def __getattr__(self, name: str) -> Any:
        makers: dict[str, Callable[[], object]] = {
            "clock": Clock,
            "stamps": self._make_stamps,
            "local": self._make_local,
            "redis": self._make_redis,
            # Not the attribute: statistics alone shall not make a tier.
            "statistics": lambda: Statistics(lambda: self.__dict__.get("local")),
        }
        if name not in makers:
            raise AttributeError(name)
        with self._lock:
            if name not in self.__dict__:
                self.__dict__[name] = makers[name]()
            return self.__dict__[name]

    def reset(self) -> None:
        """Forget everything that depends on settings; the next use makes it anew."""
        for region in registry.regions.values():
            # What was counted stands in the file of statistics, and is inherited from there.
            region.counters.reset()
        self._displaced = None
        for name in ("stamps", "local", "redis", "statistics"):
            self.__dict__.pop(name, None)

    def trust(self, local: LocalTier) -> bool:
        """Look whether the host still shares our stamps; called when `local.trusted_until` has passed."""
        if not local.stamps.is_current():
            self._start_anew()
            return False
        local.trusted_until = self.clock.now() + _TRUST_SECONDS
        return True

    def writers_stamps(self) -> Stamps | None:
        """Return the stamps that the host shares at this moment, for a writer about to change some.

        Raises `HostFileForeign` while somebody else's file stands in their place: processes that still use the stamps,
        or will, would not see the change.
        """
        if self._displaced or (self.stamps is not None and not self.stamps.is_current()):
            self._start_anew()
            if self.stamps is None and self._displaced:
                raise self._displaced
        return self.stamps

    def _start_anew(self) -> None:
        logger.warning("The stamps file was removed or replaced: local memory starts anew.")
        for name in ("stamps", "local"):
            self.__dict__.pop(name, None)
        try:
            self.__dict__["stamps"] = self._make_stamps()
            self._displaced = None
        except HostFileForeign as error:
            # At start that is an error; a running process goes on reading, without local memory.
            logger.error("Local memory is off: %s", error)
            self.__dict__["stamps"] = None
            self._displaced = error

    def find(self, key: tuple[Any, ...]) -> Entry | None:
        """Return the valid entry in local memory, if there is one, and drop one that is not."""
        local = self.local
        entry = local.entries.get(key) if local is not None else None
        if local is None or entry is None:
            return None
        if local.is_valid(entry) and (local.clock.now() < local.trusted_until or self.trust(local)):
            entry.visited = True
            return entry
        local.discard(entry)
        return None

    def at_exit(self) -> None:
        """Leave the last counts to the other processes."""
        if "statistics" in self.__dict__:
            self.statistics.share()

    def after_fork_in_child(self) -> None:
        """Make what a child must not share with its parent: locks, records, statistics."""
        self._lock = threading.RLock()
        for name in ("local", "statistics"):
            self.__dict__.pop(name, None)
        stamps = self.__dict__.get("stamps")
        if stamps is not None and not stamps.after_fork_in_child():
            del self.__dict__["stamps"]
        for region in registry.regions.values():
            region.counters.reset()

    def _make_stamps(self) -> Stamps | None:
        try:
            return Stamps(self.clock)
        except HostFileForeign:
            raise
        except HostFileError as error:
            if conf.SINGLE_PROCESS:
                return Stamps(self.clock, shared=False)
            logger.error("Local memory is off: %s", error)
            return None

    def _make_local(self) -> LocalTier | None:
        return None if self.stamps is None else LocalTier(self.clock, self.stamps)

    def _make_redis(self) -> RedisTier | None:
        if conf.REDIS_ALIAS is None:
            return None
        # Imported late: redis-py alone takes a third of a second, and most commands need none.
        from caching.tiers.redis import RedisTier

        return RedisTier(conf.REDIS_ALIAS)


runtime = Runtime()
atexit.register(runtime.at_exit)
os.register_at_fork(after_in_child=runtime.after_fork_in_child)
