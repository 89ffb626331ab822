"""System checks of the auditor's settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register

from caching.conf import conf

__all__ = ["check_audit"]


@register(Tags.caches)
def check_audit(**_: Any) -> list[CheckMessage]:
    """Check the shares of hits that are audited, how often the database is asked for that, and how long is waited."""
    return [*_shares(), *_bounds()]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _shares() -> Iterator[CheckMessage]:
    hint = "It is the share of hits that is compared with the database: 0 (off) to 1 (all)."
    if not _is_share(conf.AUDIT_RATE):
        yield Error(f"CACHING['AUDIT_RATE'] cannot be {conf.AUDIT_RATE!r}.", hint=hint, id="caching.E028")
    # What else may be wrong with REGIONS is said by `caching.checks`.
    regions = conf.REGIONS if isinstance(conf.REGIONS, Mapping) else {}
    for name, options in regions.items():
        rate = options.get("audit_rate", 0) if isinstance(options, Mapping) else 0
        if not _is_share(rate):
            yield Error(f"CACHING['REGIONS'][{name!r}]['audit_rate'] cannot be {rate!r}.", hint=hint, id="caching.E030")


def _bounds() -> Iterator[CheckMessage]:
    for name in ("AUDIT_PER_MINUTE", "AUDIT_WINDOW_SECONDS"):
        value = getattr(conf, name)
        if not _is_number(value) or value < 0:
            yield Error(f"CACHING[{name!r}] must be a number, at least 0, not {value!r}.", id="caching.E029")
            return
    times = (conf.TRUST_SECONDS, conf.RELAY_SECONDS)
    if conf.WITH_REDIS and all(map(_is_number, times)) and sum(times) > conf.AUDIT_WINDOW_SECONDS:
        yield Warning(
            f"CACHING['AUDIT_WINDOW_SECONDS'] is {conf.AUDIT_WINDOW_SECONDS}: a change may be on its way between hosts "
            f"for longer, so the auditor waits {sum(times):g} s.",
            hint="TRUST_SECONDS and RELAY_SECONDS together are the least that makes sense with Redis.",
            id="caching.W024",
        )
