"""System checks: settings that cannot work, or would quietly cost the cache its use, are said at start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from caching.conf import DEFAULTS, QUOTA_OPTIONS, REGION_OPTIONS, VALUE_OPTIONS, conf
from caching.errors import HostFileError
from caching.presets import PRESETS, WITH_REDIS
from caching.registry import registry
from caching.runtime import runtime

__all__ = ["check_caching"]

_POSITIVE = (
    "LOCAL_MAX_ENTRIES", "LOCAL_MAX_BYTES", "LOCAL_TTL_WITHOUT_TRACKING", "MARK_SECONDS", "LEASE_SECONDS",
    "NEGATIVE_TTL", "WIDE_MARK_ABOVE", "REDIS_BUDGET_SECONDS", "REST_BUDGET_SECONDS", "TRUST_SECONDS",
    "RELAY_SECONDS",
)  # fmt: skip


@register(Tags.caches)
def check_caching(**_: Any) -> list[CheckMessage]:
    """Check `settings.CACHING`, the Redis cache it names and its server, the stamps file and the databases."""
    given = getattr(settings, "CACHING", {})
    if not isinstance(given, Mapping):
        return [Error("CACHING must be a dictionary.", id="caching.E001")]
    return [*_settings(given), *_regions(), *_redis(), *_stamps(), *_databases()]


def _settings(given: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for name in sorted(set(given) - set(DEFAULTS)):
        yield Error(
            f"CACHING[{name!r}] is no setting.", hint=f"Settings: {', '.join(sorted(DEFAULTS))}.", id="caching.E002"
        )
    preset = conf.PRESET
    if preset is not None and (not isinstance(preset, str) or preset not in PRESETS):
        yield Error(
            f"CACHING['PRESET'] cannot be {preset!r}.",
            hint=f"Presets: {', '.join(PRESETS)}, or None.",
            id="caching.E011",
        )
    elif preset in WITH_REDIS and not conf.WITH_REDIS:
        yield Warning(
            f"CACHING['PRESET'] is {preset!r}, which is made for servers that share a Redis, and REDIS_ALIAS is None.",
            hint="Set REDIS_ALIAS to a django-redis cache of CACHES, or PRESET to 'small'.",
            id="caching.W007",
        )
    for name in _POSITIVE:
        value = getattr(conf, name)
        if not _is_number(value) or value <= 0:
            yield Error(f"CACHING[{name!r}] must be a number above 0, not {value!r}.", id="caching.E003")
    if not isinstance(conf.PREFIX, str) or not conf.PREFIX or "{" in conf.PREFIX or "}" in conf.PREFIX:
        yield Error(
            "CACHING['PREFIX'] must be text without braces.",
            hint="Braces would move an organisation's keys to different cluster slots.",
            id="caching.E003",
        )
    if not _is_number(conf.TTL_JITTER) or not 0 <= conf.TTL_JITTER < 1:
        yield Error("CACHING['TTL_JITTER'] must be at least 0 and below 1.", id="caching.E003")
    for name in ("LEASE_WAIT_SECONDS", "REDIS_SPIN_SECONDS", "OBSERVE_SECONDS"):
        value = getattr(conf, name)
        if not _is_number(value) or value < 0:
            yield Error(f"CACHING[{name!r}] must be a number, at least 0.", id="caching.E003")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_option(option: str, value: object) -> bool:
    if value is None:
        return option == "soft_timeout"
    return _is_number(value) and (value > 0 or (option == "stale_for" and value == 0))  # type: ignore[operator]


def _regions() -> Iterator[CheckMessage]:
    if not isinstance(conf.REGIONS, Mapping):
        yield Error("CACHING['REGIONS'] must be a dictionary of regions.", id="caching.E004")
        return
    for name, options in conf.REGIONS.items():
        if name not in registry.regions:
            known = ", ".join(sorted(registry.regions))
            yield Error(f"CACHING['REGIONS'] names {name!r}, no region.", hint=f"Regions: {known}.", id="caching.E004")
        if not isinstance(options, Mapping):
            yield Error(f"CACHING['REGIONS'][{name!r}] must be a dictionary of options.", id="caching.E004")
            continue
        for option, value in options.items():
            if option in QUOTA_OPTIONS:
                # Of bytes and entries: `caching.quota_checks`.
                continue
            if option in VALUE_OPTIONS:
                # A size and a switch: `caching.encryption_checks`.
                continue
            if option == "audit_rate":
                # A share: `caching.audit_checks`.
                continue
            if option == "prefetch":
                # A switch: `caching.prefetch_checks`.
                continue
            if option == "ttl_bounds":
                # No seconds but two of them: `caching.adaptive_checks`.
                continue
            if option not in REGION_OPTIONS or not _is_option(option, value):
                yield Error(
                    f"CACHING['REGIONS'][{name!r}][{option!r}] cannot be {value!r}.",
                    hint=f"Options: {', '.join(sorted(REGION_OPTIONS))}, in seconds above 0 (stale_for: 0, and "
                    f"soft_timeout: None, switch off); and the quotas {', '.join(sorted(QUOTA_OPTIONS))}.",
                    id="caching.E004",
                )


def _redis() -> Iterator[CheckMessage]:
    alias = conf.REDIS_ALIAS
    if alias is None:
        return
    cache = settings.CACHES.get(alias)
    if cache is None or not str(cache.get("BACKEND", "")).startswith("django_redis."):
        yield Error(
            f"CACHING['REDIS_ALIAS'] is {alias!r}, but CACHES[{alias!r}] is no django-redis cache.",
            hint="Set its BACKEND to 'django_redis.cache.RedisCache', or REDIS_ALIAS to None.",
            id="caching.E005",
        )
    elif conf.BACKGROUND and _is_number(conf.REDIS_BUDGET_SECONDS) and conf.REDIS_BUDGET_SECONDS > 0:
        yield from _tracking(alias)


def _tracking(alias: str) -> Iterator[CheckMessage]:
    # Imported late, as everywhere: redis-py takes a third of a second.
    from caching.listener import why_refused
    from caching.tiers.choosing import redis_tier

    refusal = why_refused(redis_tier(alias, runtime.breaker), patience=conf.REDIS_BUDGET_SECONDS)
    if refusal is not None:
        yield Warning(
            f"Redis does not tell of changes, so other hosts' are seen after up to {conf.LOCAL_TTL_WITHOUT_TRACKING} "
            f"seconds: {refusal}",
            hint="Let its user run these commands (ACL: +hello +client|tracking), or use Redis 6, Valkey 7 or newer.",
            id="caching.W006",
        )


def _stamps() -> Iterator[CheckMessage]:
    try:
        usable = runtime.stamps is not None
    except HostFileError as error:
        yield Error(str(error), id="caching.E006")
        return
    if not usable:
        yield Warning(
            "Local memory is off: no file can be shared with the other processes of this host.",
            hint="Set CACHING['STAMPS_DIR'] to a folder this user may write, or SINGLE_PROCESS if there is one only.",
            id="caching.W002",
        )


def _databases() -> Iterator[CheckMessage]:
    for alias, database in settings.DATABASES.items():
        if database.get("ATOMIC_REQUESTS"):
            yield Warning(
                f"DATABASES[{alias!r}] has ATOMIC_REQUESTS: reads inside a transaction never fill the cache.",
                hint="Decorate cached views with transaction.non_atomic_requests, as this project's are.",
                id="caching.W003",
            )
