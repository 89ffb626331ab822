"""System checks of warming: settings that cannot work, or that nothing will come of, are said at start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from caching.conf import conf
from caching.registry import registry

__all__ = ["check_warming"]

_DAY: Final = 86_400
# So many keys take minutes to load, in each process that starts.
_MANY_KEYS: Final = 10_000


@register(Tags.caches)
def check_warming(**_: Any) -> list[CheckMessage]:
    """Check what `settings.CACHING` says of warming at start, before openings, and of hot keys."""
    return [*_start(), *_openings(), *_hot_keys()]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _start() -> Iterator[CheckMessage]:
    if not isinstance(conf.WARM_AT_START, bool):
        # A text from the environment, "false" for instance, would count as true.
        yield Error(f"CACHING['WARM_AT_START'] must be True or False, not {conf.WARM_AT_START!r}.", id="caching.E024")
    bound = conf.WARM_BOUND_SECONDS
    if not _is_number(bound) or bound < 0:
        yield Error(
            f"CACHING['WARM_BOUND_SECONDS'] must be a number, at least 0, not {bound!r}.",
            hint="So many seconds after a start a process is ready, however far it is with warming; 0: at once.",
            id="caching.E025",
        )


def _openings() -> Iterator[CheckMessage]:
    seconds = conf.WARM_BEFORE_OPENING
    if not _is_number(seconds) or not 0 <= seconds <= _DAY:
        yield Error(
            f"CACHING['WARM_BEFORE_OPENING'] must be a number of seconds from 0 (off) to {_DAY}, not {seconds!r}.",
            id="caching.E026",
        )
        return
    given = getattr(settings, "CACHING", None)
    if not seconds or not isinstance(given, Mapping) or "WARM_BEFORE_OPENING" not in given:
        return
    obstacles = {
        "no app tells when an organisation opens (registry.openings)": registry.openings is None,
        "BACKGROUND is off": not conf.BACKGROUND,
        "OBSERVE_SECONDS is 0": not conf.OBSERVE_SECONDS,
    }
    for why, is_one in obstacles.items():
        if is_one:
            yield Warning(
                f"CACHING['WARM_BEFORE_OPENING'] is set, and nothing is warmed before an opening: {why}.",
                hint="Change that, or leave WARM_BEFORE_OPENING out.",
                id="caching.W023",
            )


def _hot_keys() -> Iterator[CheckMessage]:
    most = conf.HOT_KEYS
    if not isinstance(most, int) or isinstance(most, bool) or most < 0:
        yield Error(f"CACHING['HOT_KEYS'] must be a whole number, at least 0 (off), not {most!r}.", id="caching.E027")
    elif most > _MANY_KEYS:
        yield Warning(
            f"CACHING['HOT_KEYS'] is {most}: each process that starts loads so many keys.",
            hint=f"The first hundreds bring most of the hits; set it to {_MANY_KEYS} at most.",
            id="caching.W022",
        )
