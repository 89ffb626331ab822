"""What the auditors of the players have found, those of killed ones included: it stands in their hosts' statistics."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from caching.runtime import runtime

__all__ = ["AUDITING", "audits"]

#: Settings under which every hit that is noted is audited, and soon.
AUDITING: Final[dict[str, Any]] = {
    "AUDIT_RATE": 1.0,
    "AUDIT_PER_MINUTE": 6_000,
    "AUDIT_WINDOW_SECONDS": 0.5,
    "OBSERVE_SECONDS": 0.2,
}


def audits(far: Path) -> Counter[str]:
    """Return how many hits were `audited` on both hosts since the beginning, and how many `violations` there were.

    `far` is where the other host's processes keep what they share.
    """
    found: Counter[str] = Counter()
    here = settings.CACHING
    try:
        for own in ({}, {"STAMPS_DIR": str(far)}):
            settings.CACHING = {**here, **own}
            runtime.reset()
            for numbers in runtime.statistics.host().values():
                found.update({name: numbers[name] for name in ("audited", "violations")})
    finally:
        settings.CACHING = here
        runtime.reset()
    return found
