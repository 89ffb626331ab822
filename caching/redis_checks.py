"""System checks of the way to Redis: options that make no connection, certificates, users, and lone primaries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from caching.conf import conf
from caching.errors import RedisUnavailable

__all__ = ["check_redis"]


@register(Tags.caches)
def check_redis(**_: Any) -> list[CheckMessage]:
    """Check the options of the Redis cache, and ask its server what only the server can tell."""
    cache = settings.CACHES.get(conf.REDIS_ALIAS) if conf.REDIS_ALIAS is not None else None
    if cache is None or not str(cache.get("BACKEND", "")).startswith("django_redis."):
        # Check caching.E005 says so.
        return []
    return list(_connections(conf.REDIS_ALIAS))


def _connections(alias: str) -> Iterator[CheckMessage]:
    # Imported late, as everywhere: redis-py takes a third of a second.
    from caching.tiers.connections import Connections

    connections = Connections(alias)
    try:
        connection = connections.blocking()
        connections.asynchronous()
    except RedisUnavailable as error:
        yield Error(str(error), hint="Leave them out, or verify certificates without OCSP.", id="caching.E075")
        return
    except Exception as error:
        # Whatever it is: the text of many of these repeats what was given, passwords too.
        yield Error(
            f"CACHES[{alias!r}] makes no connection to Redis: {type(error).__name__}.",
            hint="See its LOCATION and OPTIONS (docs/stores.md); CONNECTION_POOL_KWARGS are redis-py's options.",
            id="caching.E075",
        )
        return
    if getattr(connection, "cert_reqs", True) == 0:
        yield Warning(
            f"CACHES[{alias!r}] speaks TLS and verifies no certificate: whoever is in between can read and change all.",
            hint="Leave out ssl_cert_reqs=none, and name the authority's file as ssl_ca_certs.",
            id="caching.W075",
        )
    if conf.BACKGROUND:
        yield from _server(alias, connection)


def _server(alias: str, connection: Any) -> Iterator[CheckMessage]:
    from redis.sentinel import SentinelManagedConnection

    from caching.tiers.conversation import TROUBLE, WHO, lasting, reason

    try:
        connection.connect()
        connection.send_command(*WHO[1], check_health=False)
        told: bytes = connection.read_response()
    except TROUBLE as error:
        if lasting(error):
            yield Warning(
                f"Redis will not be used: {reason(error)}.",
                hint=f"See the LOCATION and OPTIONS of CACHES[{alias!r}], and the user in docs/stores.md.",
                id="caching.W076",
            )
        return
    finally:
        connection.disconnect()
    if isinstance(connection, SentinelManagedConnection) and b"min_slaves_good_slaves:" not in told:
        yield Warning(
            "Sentinels watch this Redis, and a primary that they have replaced goes on serving whom it still reaches.",
            hint="Set min-replicas-to-write 1 and min-replicas-max-lag 2 on every server (docs/stores.md).",
            id="caching.W077",
        )
