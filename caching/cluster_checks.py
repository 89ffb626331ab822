"""System checks of a Redis Cluster: servers that cannot be one, and uses of its cache that would fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from caching.conf import conf

__all__ = ["check_cluster"]

_SESSIONS = ("django.contrib.sessions.backends.cache", "django.contrib.sessions.backends.cached_db")


@register(Tags.caches)
def check_cluster(**_: Any) -> list[CheckMessage]:
    """Check the cache that `CACHING["REDIS_ALIAS"]` names, if its OPTIONS say `CLUSTER`."""
    cache = settings.CACHES.get(conf.REDIS_ALIAS, {}) if isinstance(conf.REDIS_ALIAS, str) else {}
    options = cache.get("OPTIONS")
    if not isinstance(options, dict) or "CLUSTER" not in options:
        return []
    if not isinstance(options["CLUSTER"], bool):
        what = f"CACHES[{conf.REDIS_ALIAS!r}]['OPTIONS']['CLUSTER'] must be True or False, not {options['CLUSTER']!r}."
        return [Error(what, id="caching.E080")]
    return [*_servers(cache.get("LOCATION")), *_uses()] if options["CLUSTER"] else []


def _servers(location: object) -> Iterator[CheckMessage]:
    # One text with commas, or several: as django-redis has it.
    urls = location.split(",") if isinstance(location, str) else location
    if not isinstance(urls, list | tuple) or not urls or not all(map(_is_server, urls)):
        yield Error(
            f"CACHES[{conf.REDIS_ALIAS!r}]['LOCATION'] does not name servers of a Redis Cluster.",
            hint="Write ['redis://host:port', ...] (rediss:// for TLS), of each server or of some; a cluster has no "
            "databases but 0 and no sockets.",
            id="caching.E081",
        )


def _is_server(url: object) -> bool:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        return parts.scheme in ("redis", "rediss") and parts.port != 0 and parts.path.strip("/") in ("", "0")
    except ValueError:
        return False


def _uses() -> Iterator[CheckMessage]:
    sessions = settings.SESSION_ENGINE in _SESSIONS and settings.SESSION_CACHE_ALIAS == conf.REDIS_ALIAS
    if sessions or conf.REDIS_ALIAS == DEFAULT_CACHE_ALIAS:
        yield Warning(
            f"CACHES[{conf.REDIS_ALIAS!r}] is a Redis Cluster, which django-redis has no client for, and is used for "
            f"{'sessions' if sessions else 'whatever Django caches'}, too.",
            hint="Give that a cache of its own; CACHING['REDIS_ALIAS'] may name one that nobody else uses.",
            id="caching.W080",
        )
