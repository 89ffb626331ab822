"""What all servers do together: one process of each tells Redis its host's figures, and whoever asks adds them up."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from caching.conf import conf
from caching.errors import RedisUnavailable
from caching.key_secrets import agree, secret_ids
from caching.logs import logger
from caching.observer import Consumer
from caching.runtime import runtime
from caching.scripts import TELL, Command, command
from caching.stats import COUNTERS
from caching.usage import BusyKey, BusyOrg

if TYPE_CHECKING:
    from caching.tiers.redis import RedisTier

__all__ = ["Fleet", "HostFigures", "fleet_hosts", "strangers", "told_by", "total"]

_TELL_SECONDS: Final = 3.0
# Who has not been heard of for so long is counted no more ...
_SILENT_SECONDS: Final = 15.0
# ... and after so long forgotten.
_GONE_SECONDS: Final = 86_400.0
_BUSIEST: Final = 50
_WARN_SECONDS: Final = 60.0


class HostFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One host: its counters by region, its busiest, and how the process that leads there gets on with Redis.

    `at` is when it told so, in seconds since 1970 by its own clock, and `since` when it began to count (None: not
    known); `lag_ms` is None without a listener.
    """

    id: str
    host: str
    process: int
    at: float
    numbers: dict[str, dict[str, int]]
    orgs: tuple[BusyOrg, ...] = ()
    keys: tuple[BusyKey, ...] = ()
    breaker: str = ""
    listener: str = ""
    lag_ms: float | None = None
    since: float | None = None
    # Of what its names of keys are made.
    secrets: tuple[str, ...] = ()


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(HostFigures).decode


class Fleet(Consumer):
    """Tells Redis what this host did; without Redis there is nobody to tell."""

    def __init__(self) -> None:
        self._tell_again = 0.0
        self._warn_again = 0.0

    def lead(self) -> None:
        now, redis = runtime.clock.now(), runtime.redis
        if redis is None or not runtime.breaker.closed or now < self._tell_again:
            return
        self._tell_again = now + _TELL_SECONDS
        figures, told = _own(), told_by(redis)
        try:
            redis.execute([TELL([_name()], figures.id, _encode(figures)), *_forgetting(told, figures.at)])
        except RedisUnavailable:
            # The breaker says so, and others miss this host.
            return
        strange = strangers(told, figures.at)
        if strange and now >= self._warn_again:
            self._warn_again = now + _WARN_SECONDS
            logger.error(
                "Names of keys are made with other secrets on %(hosts)s: neither makes stale what the other caches.",
                {"hosts": ", ".join(strange)},
                extra={"event": "key_secrets_differ"},
            )


def strangers(hosts: Iterable[HostFigures], now: float) -> list[str]:
    """Return those heard of lately whose secrets in names of keys do not go with this process's."""
    ours = secret_ids()
    return sorted(
        {host.host for host in hosts if abs(now - host.at) < _SILENT_SECONDS and not agree(ours, host.secrets)}
    )


def fleet_hosts(*, serving: bool = True) -> list[HostFigures]:
    """Return the figures of all hosts, this one's first and as they are now; of this one alone without Redis.

    A process that is not `serving`, such as a command, says nothing of how its host gets on with Redis: that is what
    the one that leads there told, or empty.
    """
    own = _own()
    # Clocks differ a little; what comes from far ahead is nobody's figure of now.
    heard = told_by(runtime.redis) if runtime.redis is not None else []
    told = [host for host in heard if abs(own.at - host.at) < _SILENT_SECONDS]
    others = [host for host in told if host.id != own.id]
    if not serving:
        leader = next((host for host in told if host.id == own.id and host.process != own.process), None)
        breaker, listener, lag_ms = (leader.breaker, leader.listener, leader.lag_ms) if leader else ("", "", None)
        own = msgspec.structs.replace(own, breaker=breaker, listener=listener, lag_ms=lag_ms)
    return [own, *sorted(others, key=lambda host: (host.host, host.id))]


def total(hosts: list[HostFigures]) -> dict[str, dict[str, int]]:
    """Return the counters of every region that this host knows, added up; hosts of another release may know less."""
    return {
        region: {name: sum(host.numbers.get(region, {}).get(name, 0) for host in hosts) for name in COUNTERS}
        for region in hosts[0].numbers
    }


def told_by(redis: RedisTier) -> list[HostFigures]:
    """Return what hosts have told this Redis, those long silent included; nothing when it does not answer."""
    try:
        answer = redis.execute([command("HVALS", _name())]).values[0]
    except RedisUnavailable:
        return []
    found = []
    for each in answer:
        try:
            found.append(_decode(each))
        except msgspec.DecodeError:
            # Of another release, or not ours.
            continue
    return found


def _forgetting(told: Iterable[HostFigures], now: float) -> list[Command]:
    gone = [host.id for host in told if now - host.at > _GONE_SECONDS]
    return [command("HDEL", _name(), *gone)] if gone else []


def _own() -> HostFigures:
    top, listener = runtime.usage.top(_BUSIEST), runtime.listener
    heard = listener.describe() if listener is not None else {"state": "", "lag_ms": None}
    return HostFigures(
        id=runtime.statistics.host_id,
        host=socket.gethostname(),
        process=os.getpid(),
        at=runtime.clock.wall(),
        numbers=runtime.statistics.host(),
        orgs=top.orgs,
        # Redis need not know what keys are made of.
        keys=tuple(msgspec.structs.replace(key, parts=None) for key in top.keys),
        breaker=runtime.breaker.describe()["state"] if runtime.redis is not None else "",
        listener=heard["state"],
        lag_ms=heard["lag_ms"],
        since=runtime.statistics.since,
        secrets=secret_ids(),
    )


def _name() -> str:
    return f"{conf.PREFIX}fleet"
