"""Makes redis-py connections, blocking and asynchronous, out of whatever django-redis was configured with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any, Final

import redis.asyncio.connection as asynchronous
import redis.asyncio.sentinel as asynchronous_sentinel
import redis.connection as blocking
import redis.sentinel as blocking_sentinel
from django_redis import get_redis_connection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from caching.conf import conf
from caching.errors import RedisUnavailable
from caching.tiers.sentinels import AsyncSentinels, Doors, Sentinels

__all__ = ["SYNC_ONLY", "Connections"]

#: Options that decide who is trusted or how one signs in, and that redis-py has for blocking connections alone.
SYNC_ONLY: Final = ("redis_connect_func", "ssl_validate_ocsp", "ssl_validate_ocsp_stapled")

# What both kinds understand, and mean the same by.
_SHARED: Final = frozenset(
    {
        "client_name",
        "credential_provider",
        "db",
        "host",
        "password",
        "path",
        "port",
        "socket_keepalive",
        "socket_keepalive_options",
        "socket_type",
        "username",
    }
)
_TLS: Final = frozenset(name for name in signature(asynchronous.SSLConnection).parameters if name.startswith("ssl_"))
# The first that a class descends from is its kind.
_TWINS: Final[Sequence[tuple[type, type]]] = (
    (blocking_sentinel.SentinelManagedSSLConnection, asynchronous_sentinel.SentinelManagedSSLConnection),
    (blocking_sentinel.SentinelManagedConnection, asynchronous_sentinel.SentinelManagedConnection),
    (blocking.SSLConnection, asynchronous.SSLConnection),
    (blocking.UnixDomainSocketConnection, asynchronous.UnixDomainSocketConnection),
    (blocking.Connection, asynchronous.Connection),
)


class Connections:
    """Makes connections like those of the django-redis cache `alias`, with the framework's time-outs and no retries.

    Where Sentinels watch the server, each new connection goes to whom they name as the primary at that moment.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._sentinels: Sentinels | None = None

    def blocking(self, **options: Any) -> Any:
        """Return a new, unconnected blocking connection; the `options` are redis-py's."""
        kind, given = self._configured()
        return _blocking(kind, given, conf.REDIS_BUDGET_SECONDS, **options)

    def asynchronous(self, **options: Any) -> Any:
        """Return a new, unconnected connection of an event loop; the `options` are redis-py's.

        Raises `RedisUnavailable` when an option of `SYNC_ONLY` would have to be left out.
        """
        kind, given = self._configured()
        return _asynchronous(kind, {**given, **options}, conf.REDIS_BUDGET_SECONDS)

    def _configured(self) -> tuple[type, dict[str, Any]]:
        """Return what kind of connection the pool makes, and with which options."""
        pool = get_redis_connection(self._alias).connection_pool
        kind: type = pool.connection_class
        given: dict[str, Any] = dict(pool.connection_kwargs)
        if isinstance(pool, SentinelConnectionPool):
            if self._sentinels is None:
                doors = [_doors(each.connection_pool) for each in pool.sentinel_manager.sentinels]
                self._sentinels = Sentinels(pool.service_name, doors, lambda: conf.REDIS_BUDGET_SECONDS)
            given["connection_pool"] = self._sentinels
            kind = _managed(kind)
        return kind, given


def _doors(pool: Any) -> Doors:
    kind, given = pool.connection_class, pool.connection_kwargs
    return Doors(partial(_blocking, kind, given), partial(_asynchronous, kind, given))


def _managed(kind: type) -> type:
    if issubclass(kind, blocking_sentinel.SentinelManagedConnection):
        return kind
    # What a URL that begins with rediss:// makes of it.
    secure = issubclass(kind, blocking.SSLConnection)
    return blocking_sentinel.SentinelManagedSSLConnection if secure else blocking_sentinel.SentinelManagedConnection


def _blocking(kind: type, given: Mapping[str, Any], patience: float, **options: Any) -> Any:
    return kind(
        **{
            **given,
            "retry": Retry(NoBackoff(), 0),
            "decode_responses": False,
            "socket_timeout": patience,
            "socket_connect_timeout": patience,
            # Two round trips less for a connection that nobody looks at by name.
            "driver_info": None,
            "protocol": 2,
            # The handshake for notices of maintenance is a round trip, and their handler is the pool's.
            "maint_notifications_config": None,
            "maint_notifications_pool_handler": None,
            **options,
        }
    )


def _asynchronous(kind: type, given: Mapping[str, Any], patience: float) -> Any:
    missing = [name for name in SYNC_ONLY if given.get(name)]
    if missing:
        raise RedisUnavailable(f"asynchronous connections to Redis cannot have {', '.join(missing)} (caching.E075)")
    twin = next(twin for ancestor, twin in _TWINS if issubclass(kind, ancestor))
    options = {name: value for name, value in given.items() if name in _SHARED or name in _tls_names(twin)}
    if "connection_pool" in given:
        options["connection_pool"] = AsyncSentinels(given["connection_pool"])
    return twin(
        **options,
        retry=AsyncRetry(NoBackoff(), 0),
        socket_timeout=patience,
        socket_connect_timeout=patience,
        driver_info=None,
        protocol=2,
    )


def _tls_names(twin: type) -> frozenset[str]:
    return _TLS if issubclass(twin, asynchronous.SSLConnection) else frozenset()
