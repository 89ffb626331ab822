"""System checks of Redis over REST: settings that cannot work, or would send the token in the clear, are refused."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from caching.conf import conf
from caching.registry import registry

__all__ = ["check_rest", "refuse_unusable"]


@register(Tags.caches)
def check_rest(**_: Any) -> list[CheckMessage]:
    """Check REST_URL and REST_TOKEN of `settings.CACHING`, and that nothing asks for what REST cannot do."""
    if conf.REST_URL is None and conf.REST_TOKEN is None:
        return []
    return [*_settings(), *_regions()]


def refuse_unusable() -> None:
    """Raise `ImproperlyConfigured` for settings that the checks refuse: server processes start without them."""
    for error in _settings():
        raise ImproperlyConfigured(f"{error.msg} {error.hint}")


def _settings() -> Iterator[CheckMessage]:
    url, token = conf.REST_URL, conf.REST_TOKEN
    if not url or not token or not isinstance(url, str) or not isinstance(token, str):
        there, missing = ("REST_URL", "REST_TOKEN") if url else ("REST_TOKEN", "REST_URL")
        yield Error(
            f"CACHING[{there!r}] is set, and CACHING[{missing!r}] is not, or is no text.",
            hint="Set both (in the environment: UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN), or neither.",
            id="caching.E055",
        )
        return
    if conf.REDIS_ALIAS is not None:
        yield Error(
            "CACHING has both a REDIS_ALIAS and a REST_URL: servers that used one each would not hear of each other.",
            hint="Keep one of them (in the environment: REDIS_URL, or UPSTASH_REDIS_REST_URL with its token).",
            id="caching.E056",
        )
    if find_spec("upstash_redis") is None:
        yield Error(
            "CACHING['REST_URL'] needs the package upstash-redis, which is not installed.",
            hint="Install it: pip install 'upstash-redis>=1.8,<2'.",
            id="caching.E057",
        )
    wrong = _wrong_with(url)
    if wrong:
        yield Error(
            f"CACHING['REST_URL'] {wrong}.",
            hint="It looks like https://name.upstash.io; http is for this machine alone (127.0.0.1, ::1, localhost).",
            id="caching.E058",
        )


def _wrong_with(url: str) -> str:
    # Never the URL itself: somebody may have put the token into it.
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no URL"
    if not host:
        return "names no server"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "has more than a server and a path: the token belongs into REST_TOKEN"
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)):
        return ""
    return "is not https, so that anybody on the way could read the token and every value"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _regions() -> Iterator[CheckMessage]:
    for region in registry.regions.values():
        if region.wait_replicas:
            yield Error(
                f"Region {region.name!r} waits for replicas (wait_replicas), which nobody can over REST.",
                hint="Declare it without, or use REDIS_URL: every write would go through the outbox.",
                id="caching.E059",
            )
