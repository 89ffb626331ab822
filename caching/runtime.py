"""The process's one set of tiers, made on first use and made anew when the settings change."""

from __future__ import annotations

import atexit
import math
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from caching.activity import Activity
from caching.breaker import Breaker
from caching.clock import Clock
from caching.conf import conf
from caching.errors import HostFileError, HostFileForeign
from caching.flights import Flights
from caching.keys import Key
from caching.logs import logger
from caching.registry import registry
from caching.stamps import Stamps
from caching.stats import Statistics
from caching.tiers.local import Entry, LocalTier

if TYPE_CHECKING:
    from caching.adaptive import Adaptive
    from caching.encryption import Ciphers
    from caching.listener import Listener
    from caching.observer import Observer
    from caching.refreshing import Refresher
    from caching.relay import Relay
    from caching.tiers.redis import RedisTier
    from caching.usage import Usage

__all__ = ["Runtime", "runtime"]

# How often the stamps file is looked at: somebody may have removed it, and new processes would share another.
_LOOK_AGAIN_SECONDS = 1.0


class Runtime:
    """`clock`, `stamps`, `local`, `redis`, `breaker`, `listener`, `relay`, `flights`, `refresher`, what watches them.

    Attributes are made when first read and then plain attributes, for they are read on every hit.
    `stamps` and `local` are None when no file can be shared with the other processes of the host; `redis` and `relay`
    without a Redis; `listener` without one, or without threads of our own. With the Redis tier its threads start.
    `statistics`, `activity`, `usage` and `observer` tell what happens; `adaptive` has what was seen of each key;
    `ciphers` encrypt what lies in Redis.
    """

    clock: Clock
    stamps: Stamps | None
    local: LocalTier | None
    redis: RedisTier | None
    breaker: Breaker
    listener: Listener | None
    relay: Relay | None
    flights: Flights
    refresher: Refresher
    statistics: Statistics
    activity: Activity
    usage: Usage
    adaptive: Adaptive
    observer: Observer
    ciphers: Ciphers

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
            "breaker": lambda: Breaker(self.clock),
            "listener": self._make_listener,
            "flights": Flights,
            "refresher": self._make_refresher,
            "relay": self._make_relay,
            # Not the attribute: statistics alone shall not make a tier.
            "statistics": lambda: Statistics(lambda: self.__dict__.get("local"), lambda: self.observer),
            "activity": lambda: Activity(self.clock),
            "usage": self._make_usage,
            "adaptive": self._make_adaptive,
            "observer": self._make_observer,
            "ciphers": self._make_ciphers,
        }
        if name not in makers:
            raise AttributeError(name)
        with self._lock:
            if name not in self.__dict__:
                self.__dict__[name] = makers[name]()
            return self.__dict__[name]

    def reset(self) -> None:
        """Forget everything that depends on settings; the next use makes it anew."""
        self._displaced = None
        self._stop_threads(self._taken_threads())
        redis: RedisTier | None = self.__dict__.get("redis")
        if redis is not None:
            redis.close()
        # What was counted stands in the file of statistics then, and is inherited from there.
        if "statistics" in self.__dict__:
            self.statistics.share()
        with self._lock:
            # Other threads go on, and may have begun to watch what is given up here.
            late = self._taken_threads()
            for region in registry.regions.values():
                region.counters.reset()
            for name in (
                "stamps", "local", "redis", "breaker", "flights", "statistics", "activity", "usage", "adaptive",
                "ciphers",
            ):  # fmt: skip
                self.__dict__.pop(name, None)
        self._stop_threads(late)

    def _taken_threads(self) -> list[Any]:
        taken = [self.__dict__.pop(name, None) for name in ("observer", "listener", "relay", "refresher")]
        return [worker for worker in taken if worker is not None]

    @staticmethod
    def _stop_threads(workers: list[Any]) -> None:
        for worker in workers:
            worker.stop()

    def trust(self, local: LocalTier) -> bool:
        """Look whether the host still shares our stamps, and whether we still hear of other hosts' changes.

        Called when `local.trusted_until` has passed.
        """
        if not local.stamps.is_current():
            self._start_anew()
            return False
        now = self.clock.now()
        listener = self.listener
        heard_until = listener.heard_until if listener is not None else math.inf
        # Only now: a tier is dropped before the listener is trusted again, and was not brought up to date.
        if local is not self.__dict__.get("local"):
            return False
        local.trusted_until = min(now + _LOOK_AGAIN_SECONDS, heard_until)
        return now < local.trusted_until

    def drop_local(self) -> None:
        """Forget all that this process holds in local memory: changes may have been missed.

        Reads under way keep what they find in the tier that is dropped, and so for nobody.
        """
        self.__dict__.pop("local", None)

    @property
    def hears_changes(self) -> bool:
        """Whether other hosts' writes are told to this process, or there are none: local copies may live their TTL."""
        return self.redis is None or (self.listener is not None and self.listener.tracking)

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
        logger.warning(
            "The stamps file was removed or replaced: local memory starts anew.", extra={"event": "stamps_replaced"}
        )
        for name in ("stamps", "local"):
            self.__dict__.pop(name, None)
        try:
            self.__dict__["stamps"] = self._make_stamps()
            self._displaced = None
        except HostFileForeign as error:
            # At start that is an error; a running process goes on reading, without local memory.
            self._say_off(error)
            self.__dict__["stamps"] = None
            self._displaced = error

    @staticmethod
    def _say_off(error: HostFileError) -> None:
        logger.error("Local memory is off: %(error)s", {"error": error}, extra={"event": "local_memory_off"})

    def find(self, key: tuple[Any, ...]) -> Entry | None:
        """Return the valid entry in local memory, if there is one, and drop one that is not."""
        entry = self.find_usable(key)
        if entry is None:
            return None
        now = self.clock.now()
        if now >= entry.expires:
            return None
        entry.visited = True
        if now >= entry.until:
            entry.until = entry.expires
            region, alias, org, *parts = key
            if entry.unasked:
                registry.get(region).counters.prefetch_hits += entry.foreseen
                entry.unasked = entry.foreseen = False
                self.activity.noticed.append(key)
            else:
                # Chosen to be loaded anew a little before its time, while the others go on hitting it.
                self.refresher.refresh(registry.get(region), Key(region, org, parts, alias))
        return entry

    def find_usable(self, key: tuple[Any, ...]) -> Entry | None:
        """Return the entry in local memory even if it has expired, as long as it may stand in for a better one."""
        local = self.local
        entry = local.entries.get(key) if local is not None else None
        if local is None or (entry is None and not local.folded.count):
            return None
        # In this order: what is heard in between may make the entry stale and renew the trust.
        if local.now() >= local.trusted_until and not self.trust(local):
            return None
        if entry is None:
            return local.unfold(key)
        if not local.is_valid(entry):
            local.discard(entry)
            return None
        return entry

    def at_exit(self) -> None:
        """Leave the last counts to the other processes, and no thread behind."""
        self._stop_threads(self._taken_threads())
        if "statistics" in self.__dict__:
            self.statistics.share()
        if "usage" in self.__dict__:
            self.usage.observe(self.activity.take())
            self.usage.share()

    def after_fork_in_child(self) -> None:
        """Make what a child must not share with its parent: locks, records, statistics."""
        self._lock = threading.RLock()
        # The threads stayed in the parent; its connections close by themselves, and only there.
        for name in (
            "local", "redis", "breaker", "listener", "relay", "flights", "refresher", "statistics", "activity", "usage",
            "adaptive", "observer",
        ):  # fmt: skip
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
            self._say_off(error)
            return None

    def _make_local(self) -> LocalTier | None:
        return None if self.stamps is None else LocalTier(self.clock, self.stamps)

    def _make_redis(self) -> RedisTier | None:
        if not conf.WITH_REDIS:
            return None
        tier = self._make_tier()
        self.__dict__["redis"] = tier
        # Whoever asks Redis must hear what it says, and deliver what it could not be told.
        _ = self.relay, self.listener
        return tier

    def _make_tier(self) -> RedisTier:
        # Imported late: redis-py alone takes a third of a second, and most commands need none.
        if conf.REST_URL is not None or conf.REST_TOKEN is not None:
            from caching.rest_checks import refuse_unusable
            from caching.tiers.rest import RestTier

            refuse_unusable()
            return RestTier(conf.REST_URL, conf.REST_TOKEN, self.breaker)
        from caching.tiers.choosing import redis_tier

        return redis_tier(conf.REDIS_ALIAS, self.breaker)

    def _make_listener(self) -> Listener | None:
        if conf.REDIS_ALIAS is None or not conf.BACKGROUND:
            return None
        from caching.listener import Listener

        listener = Listener()
        listener.start()
        return listener

    def _make_usage(self) -> Usage:
        from caching.usage import Usage

        return Usage()

    def _make_adaptive(self) -> Adaptive:
        from caching.adaptive import Adaptive

        return Adaptive()

    def _make_ciphers(self) -> Ciphers:
        from caching.encryption import Ciphers

        return Ciphers(self.clock)

    def _make_observer(self) -> Observer:
        from caching.observer import Observer

        observer = Observer()
        if conf.BACKGROUND and conf.OBSERVE_SECONDS:
            observer.start()
        return observer

    def _make_refresher(self) -> Refresher:
        from caching.refreshing import Refresher

        return Refresher()

    def _make_relay(self) -> Relay | None:
        # The tier first, which makes the relay: its threads would wait for one that is under way to be made.
        if self.redis is None or "relay" in self.__dict__:
            return self.__dict__.get("relay")
        from caching.relay import Relay

        relay = Relay()
        if conf.BACKGROUND:
            relay.start()
        return relay


runtime = Runtime()
atexit.register(runtime.at_exit)
os.register_at_fork(after_in_child=runtime.after_fork_in_child)
