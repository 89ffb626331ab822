"""System checks of history: how long it is kept, and whether it speaks for another preset."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import Error as DatabaseError
from django.db import router

from caching.conf import conf
from caching.fitting import preset_fit
from caching.models import CacheUsage
from caching.periods import STEPS
from caching.presets import WITH_REDIS
from caching.registry import registry

__all__ = ["check_history", "check_preset"]

#: Hours are added up from minutes and days from hours, a while after their end.
_LEAST: Final[Mapping[str, float]] = {"minute": 3 * 3600, "hour": 3 * 86400, "day": 86400}
# What the API has at the addresses of regions.
_TAKEN: Final = frozenset({"clear", "history", "report", "warm"})


@register(Tags.caches)
def check_history(**_: Any) -> list[CheckMessage]:
    """Check `HISTORY`, `HISTORY_ORGS`, and that no region is called like a page of the API."""
    return [*_kept(), *_orgs(), *_names()]


def _kept() -> Iterator[CheckMessage]:
    kept = conf.HISTORY
    if kept is None:
        return
    if not isinstance(kept, Mapping):
        yield Error(
            f"CACHING['HISTORY'] must be a dictionary, not {kept!r}.",
            hint="For example {'minute': 172800, 'hour': 2592000, 'day': 34560000}, in seconds; None: no history.",
            id="caching.E037",
        )
        return
    for step, seconds in kept.items():
        if step not in STEPS:
            yield Error(
                f"CACHING['HISTORY'][{step!r}] is nothing that is kept.",
                hint=f"History is kept by {', '.join(STEPS)}.",
                id="caching.E037",
            )
        elif not _is_time(seconds) or seconds < _LEAST[step]:
            yield Error(
                f"CACHING['HISTORY'][{step!r}] must be at least {_LEAST[step]:,.0f} seconds, not {seconds!r}.",
                hint="Rows are added up to hours and days before they are forgotten.",
                id="caching.E037",
            )
    if kept and conf.OBSERVE_SECONDS == 0:
        yield Warning(
            "CACHING['HISTORY'] is on, and nobody writes it: OBSERVE_SECONDS is 0.",
            hint="Set OBSERVE_SECONDS to 1, or HISTORY to None.",
            id="caching.W028",
        )


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _orgs() -> Iterator[CheckMessage]:
    count = conf.HISTORY_ORGS
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= 200:
        yield Error(
            f"CACHING['HISTORY_ORGS'] must be a whole number from 0 to 200, not {count!r}.",
            hint="Each of them has a row for every region and minute.",
            id="caching.E038",
        )


def _names() -> Iterator[CheckMessage]:
    for name in sorted(_TAKEN & registry.regions.keys()):
        yield Error(
            f"A cache region cannot be called {name!r}: the API has something else at /caches/{name}/.",
            hint="Give it another name.",
            id="caching.E039",
        )


@register(Tags.database)
def check_preset(databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Compare the traffic of the last days with the preset: `manage.py check --database default`."""
    if not databases or router.db_for_read(CacheUsage) not in databases:
        return []
    try:
        fit = preset_fit()
    except DatabaseError:
        # There is no table yet, or no database: others say so.
        return []
    if fit.better is None:
        return []
    redis = " It is made for a Redis that all servers share: set REDIS_ALIAS, too."
    return [
        Warning(
            f"The traffic of the last days ({fit.why}) fits the preset {fit.better!r} better than {fit.preset!r}.",
            hint=f"Set CACHING['PRESET'] to {fit.better!r}, or silence this check."
            + (redis if fit.better in WITH_REDIS and not conf.WITH_REDIS else ""),
            id="caching.W027",
        )
    ]
