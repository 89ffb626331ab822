"""Hears from Redis what other hosts change, and so says for how long local copies may be trusted."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Iterable
from typing import Any, Final, Literal

from redis.exceptions import RedisError

from caching.channels import Channels, TrackingRefused, channels
from caching.conf import conf
from caching.errors import RedisUnavailable
from caching.logs import logger
from caching.registry import registry
from caching.runtime import runtime
from caching.stamps import key_name_slot, region_slot, scope_name_slot
from caching.tiers.choosing import redis_tier
from caching.tiers.redis import RedisTier

__all__ = ["Listener", "TrackingRefused", "region_told", "slots_told", "why_refused"]

State = Literal["listening", "connecting", "without tracking"]

# Between two attempts to connect: doubled from the first to the last while the server stays away.
_FIRST_RETRY_SECONDS: Final = 0.1
_LAST_RETRY_SECONDS: Final = 2.0
# A server that refuses may be upgraded, or its rules be changed, while we run.
_ASK_AGAIN_SECONDS: Final = 30.0
# Only a name server that does not answer can hold the thread up that long.
_JOIN_SECONDS: Final = 5.0


def slots_told(name: str, prefix: str) -> Iterable[int]:
    """Return the slots of what a change of the Redis key `name` makes stale: the reverse of `caching.epochs`."""
    if name.startswith(f"{prefix}p:"):
        pending = name.removeprefix(f"{prefix}p:")
        return [scope_name_slot(pending[:-2]) if pending.endswith(":*") else key_name_slot(pending)]
    kind, _, epoch = name.removeprefix(f"{prefix}e:").partition(":")
    if kind == "s":
        return [scope_name_slot(epoch)]
    if kind == "r":
        return [region_slot(epoch)]
    regions = list(registry.regions)
    return [scope_name_slot(epoch + region) for region in regions] if kind == "o" else map(region_slot, regions)


def region_told(name: str) -> str:
    """Return the region of which the Redis key `name` tells; "" when it tells of all, or of none."""
    kind, _, region = name.partition(":r:")
    if region and "{" not in kind:
        return region
    # Behind the organisation, before the database and the parts.
    return name.partition("}:")[2].partition(":")[0].partition("@")[0]


def why_refused(tier: RedisTier, *, patience: float) -> str | None:
    """Return why the server does not tell of changes; None when it does, or does not answer within `patience` (s)."""
    asked = channels(tier, patience, lambda _: None)
    try:
        asked.open()
    except TrackingRefused as refusal:
        return str(refusal)
    except (RedisUnavailable, RedisError, OSError):
        return None
    finally:
        asked.close()
    return None


class Listener:
    """One thread per process, with one connection on which Redis tells of all marks and clearings, whoever's they are.

    Each becomes a change of stamps. Several times in `TRUST_SECONDS` the server is asked who it is; whatever it told
    before it answers has been heard then, so local copies are trusted until `TRUST_SECONDS` after the question.
    Whenever something may have been missed, local memory is dropped: by a connection that is new, a server that was
    emptied or one that has another role.

    `heard_until` is the clock's `now` until which local copies are trusted. `tracking` says whether Redis tells of
    changes. From a server that refuses nothing is heard: `heard_until` is infinite then, and local copies live for
    `LOCAL_TTL_WITHOUT_TRACKING` at most.
    """

    def __init__(self) -> None:
        assert conf.REDIS_ALIAS is not None  # noqa: S101 -- for the type checker; the runtime has seen to it
        self.heard_until = 0.0
        self.tracking = False
        #: Which server was last heard, in which role.
        self.run_id = b""
        self._state: State = "connecting"
        self._said = ""
        self._lag: float | None = None
        self._heard = 0
        self._sessions = 0
        self._patience = _FIRST_RETRY_SECONDS
        # Of its own, to make connections: the runtime's may be under way to be made, and makes this listener.
        self._tier = redis_tier(conf.REDIS_ALIAS, runtime.breaker)
        self._channels: Channels | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caching-listener", daemon=True)
        _listeners.add(self)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its connection; does nothing the second time."""
        self._stop.set()
        channels = self._channels
        if channels is not None:
            channels.wake()
        self._thread.join(_JOIN_SECONDS)

    def describe(self) -> dict[str, Any]:
        """Return `state`, `lag_ms` (the last question's round trip), `heard` (changes) and `reconnects`."""
        return {
            "state": self._state,
            "lag_ms": None if self._lag is None else round(self._lag * 1000, 2),
            "heard": self._heard,
            "reconnects": max(0, self._sessions - 1),
        }

    def after_fork_in_child(self) -> None:
        """Let the parent alone have the connection: held open here it would outlive the parent, with nobody reading."""
        if self._channels is not None:
            self._channels.close_in_child()

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            pause = 0.0
            try:
                self._listen()
            except TrackingRefused as refusal:
                self._do_without(refusal)
                pause = _ASK_AGAIN_SECONDS
            except Exception as error:
                # Whatever it was, changes may have been missed. A thread that ends would never say so.
                if not self._stop.is_set():
                    self._lose(error)
                pause = self._patience
                self._patience = min(pause * 2, _LAST_RETRY_SECONDS)
            self._stop.wait(pause)
        self._forget()

    def _listen(self) -> None:
        self._channels = heard = channels(self._tier, conf.TRUST_SECONDS, self._hear)
        try:
            heard.open()
            self._recognise(*heard.who())
            # Only now, when nothing more is missed: what was kept before may be stale, and so may what a read under
            # way keeps in the tier that it began with.
            self._forget()
            self.tracking = True
            while not self._stop.is_set():
                began, sent = time.monotonic(), runtime.clock.now()
                who = heard.who()
                self._lag = time.monotonic() - began
                self._recognise(*who)
                self._trust(sent)
                heard.listen(began + conf.TRUST_SECONDS / 3)
        finally:
            heard.close()

    def _recognise(self, run_id: bytes, why_not: str) -> None:
        known, self.run_id = self.run_id, run_id
        if known != run_id:
            _renew()
        if why_not:
            raise RedisUnavailable(why_not)
        if self.tracking and known != run_id:
            raise RedisUnavailable("it began another reign")

    def _trust(self, sent: float) -> None:
        self.heard_until = sent + conf.TRUST_SECONDS
        if self._state != "listening":
            self._state = "listening"
            self._sessions += 1
            self._patience = _FIRST_RETRY_SECONDS
            level = logging.WARNING if self._said else logging.INFO
            self._say(level, "listening", "Redis tells of other hosts' changes: local memory is in use.")

    def _hear(self, keys: list[bytes] | None) -> None:
        if keys is None:
            # The server was emptied.
            self.heard_until = 0.0
            runtime.drop_local()
            return
        self._heard += len(keys)
        stamps, prefix = _made("stamps"), conf.PREFIX
        for each in keys:
            name = each.decode(errors="replace")
            if stamps is not None:
                stamps.bump(slots_told(name, prefix))
            region = registry.regions.get(region_told(name))
            if region is not None:
                region.counters.received += 1

    def _forget(self) -> None:
        self.heard_until = 0.0
        self.tracking = False
        runtime.drop_local()

    def _lose(self, error: Exception) -> None:
        self._forget()
        # Kept connections may lead to a primary that was replaced while nobody heard of it.
        _renew()
        self._state = "connecting"
        expected = isinstance(error, RedisUnavailable | RedisError | OSError)
        self._say(
            logging.WARNING,
            "listening_lost",
            "Redis does not tell of other hosts' changes, so local memory is out of use: %(error)s",
            error=error,
            exc_info=None if expected else error,
        )

    def _do_without(self, refusal: TrackingRefused) -> None:
        # What there is in local memory was kept for the bounded time: without tracking, or not at all.
        self.heard_until = math.inf
        self._state = "without tracking"
        self._say(
            logging.WARNING,
            "tracking_refused",
            "Redis refuses to tell of changes: other hosts' are seen after up to %(seconds)s seconds (caching.W006): "
            "%(error)s",
            seconds=conf.LOCAL_TTL_WITHOUT_TRACKING,
            error=refusal,
        )

    def _say(
        self, level: int, event: str, message: str, *, exc_info: Exception | None = None, **fields: object
    ) -> None:
        if self._said != self._state:
            self._said = self._state
            logger.log(level, message, *([fields] if fields else []), exc_info=exc_info, extra={"event": event})


def _renew() -> None:
    tier = _made("redis")
    if tier is not None:
        tier.renew()


def _made(name: str) -> Any:
    # Not the attribute, which would make it: this thread shall not make anew what a reset has just put away.
    return vars(runtime).get(name)


_listeners: weakref.WeakSet[Listener] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for listener in list(_listeners):
        listener.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
