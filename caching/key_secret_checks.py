"""System checks of the secrets in names of keys: processes that do not share them would not hear of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from caching.conf import conf
from caching.fleet import strangers, told_by
from caching.runtime import runtime

__all__ = ["check_key_secrets"]

_LEAST_LENGTH: Final = 32
_THREE_STEPS: Final = "Deploy a new one three times: last in the list, then first, then alone."


@register(Tags.caches)
def check_key_secrets(**_: Any) -> list[CheckMessage]:
    """Check `CACHING["KEY_SECRETS"]`, and that the hosts now at work make names with secrets that go with ours."""
    wrong = list(_secrets())
    return wrong or [*_rotation(), *_others()]


def _secrets() -> Iterator[CheckMessage]:
    given = conf.KEY_SECRETS
    if given is None:
        return
    if not isinstance(given, Sequence) or isinstance(given, str | bytes) or not given:
        yield Error(
            "CACHING['KEY_SECRETS'] must be a list of texts, or None.",
            hint="None: names are made with SECRET_KEY and SECRET_KEY_FALLBACKS.",
            id="caching.E054",
        )
        return
    for place, each in enumerate(given, 1):
        if not isinstance(each, str) or len(each) < _LEAST_LENGTH:
            yield Error(
                f"CACHING['KEY_SECRETS']: secret {place} is no text of {_LEAST_LENGTH} characters or more.",
                hint="`manage.py cache_key` makes one; the present SECRET_KEY leaves all names as they are.",
                id="caching.E054",
            )


def _rotation() -> Iterator[CheckMessage]:
    if conf.KEY_SECRETS is None and settings.SECRET_KEY_FALLBACKS and (conf.REDIS_ALIAS or conf.REST_URL):
        yield Warning(
            "Names of keys are made with SECRET_KEY, which is being changed (SECRET_KEY_FALLBACKS): processes that do "
            "not know the new one make nothing stale that is named with it.",
            hint=f"{_THREE_STEPS} Or set CACHING['KEY_SECRETS'] to a list of the old SECRET_KEY, and names stay.",
            id="caching.W050",
        )


def _others() -> Iterator[CheckMessage]:
    alias = conf.REDIS_ALIAS
    cache = settings.CACHES.get(alias) if isinstance(alias, str) else None
    # What else may be wrong with it is said by `caching.checks`.
    if not conf.BACKGROUND or cache is None or not str(cache.get("BACKEND", "")).startswith("django_redis."):
        return
    # Imported late, as everywhere: redis-py takes a third of a second.
    from caching.tiers.redis import RedisTier

    found = strangers(told_by(RedisTier(alias, runtime.breaker)), runtime.clock.wall())
    if found:
        yield Error(
            f"Names of keys are made with other secrets on {', '.join(found)}: neither this process nor those would "
            "make stale what the other caches.",
            hint=f"Give all processes the same CACHING['KEY_SECRETS'], or SECRET_KEY. {_THREE_STEPS}",
            id="caching.E054",
        )
