"""How consistent the audits show the cache to be: "N nines within M ms", as far as so many of them can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from caching.conf import conf
from caching.runtime import runtime

__all__ = ["Consistency", "consistency", "upper_bound", "wait_seconds", "within_seconds"]

# One-sided: how sure the bound is.
_CONFIDENCE: Final = 0.95
_BISECTIONS: Final = 60
# What the looking itself may take where no observer goes round, and a command does it.
_BY_HAND_SECONDS: Final = 0.5
# A share of the sum that no longer matters.
_NEGLIGIBLE: Final = 1e-12


class Consistency(msgspec.Struct, frozen=True, kw_only=True):
    """How many hits were compared with the database, and how many of these were old still after `within_ms`.

    `nines` is what that shows with 95 % confidence: 3 means that at least 999 of 1,000 hits are consistent within that
    time. None: not audited yet. 0 is also what too few audits show. `sentence` says it in words.
    """

    nines: int | None
    within_ms: int
    audited: int
    violations: int
    sentence: str


def consistency(numbers: Mapping[str, int]) -> Consistency:
    """Return what a region's counters tell of its consistency."""
    audited, violations = numbers["audited"], min(numbers["violations"], numbers["audited"])
    within = round(1000 * within_seconds())
    nines = math.floor(-math.log10(upper_bound(violations, audited))) if audited else None
    return Consistency(
        nines=nines,
        within_ms=within,
        audited=audited,
        violations=violations,
        sentence=_sentence(nines, within, audited, violations),
    )


def upper_bound(violations: int, audited: int) -> float:
    """Return the share of hits that may be old, at most, with 95 % confidence, when so many of those audited were.

    The bound of Clopper and Pearson (Biometrika 26, 1934), which is never too low. For no violation it is the "rule of
    three", 3 / audited (Hanley and Lippman-Hand, JAMA 249, 1983).
    """
    if audited < 1 or violations >= audited:
        return 1.0
    if violations == 0:
        return -math.expm1(math.log1p(-_CONFIDENCE) / audited)
    low, high = violations / audited, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _at_most(violations, audited, middle) > 1 - _CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _at_most(most: int, trials: int, chance: float) -> float:
    """Return the probability of at most so many successes, for a `chance` above `most / trials`."""
    if chance >= 1:
        return 0.0
    term = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(most + 1)
        - math.lgamma(trials - most + 1)
        + most * math.log(chance)
        + (trials - most) * math.log1p(-chance)
    )
    # From the largest term down, each one smaller than the last.
    total = 0.0
    for successes in range(most, -1, -1):
        total += term
        if term <= total * _NEGLIGIBLE:
            break
        term *= successes * (1 - chance) / ((trials - successes + 1) * chance)
    return total


def _sentence(nines: int | None, within_ms: int, audited: int, violations: int) -> str:
    if nines is None:
        return "not audited yet"
    if nines:
        said = f"{nines} nine{'' if nines == 1 else 's'} consistent within {within_ms:,} ms"
    elif violations:
        said = f"less than 1 nine consistent within {within_ms:,} ms"
    else:
        return f"none of {audited:,} audited {'was' if audited == 1 else 'were'} old: too few to tell"
    return f"{said} ({violations:,} of {audited:,} audited {'was' if violations == 1 else 'were'} old)"


def wait_seconds() -> float:
    """Return how long the auditor waits before it looks again at a hit that was not what the database has.

    Not less than a change may take that is on its way, as `CAVEATS.md` has it: through Redis, out of the outbox, or to
    a process that nobody tells.
    """
    least = 0.0
    if conf.WITH_REDIS:
        least = conf.TRUST_SECONDS + conf.RELAY_SECONDS
        if not runtime.hears_changes:
            least = max(least, conf.LOCAL_TTL_WITHOUT_TRACKING)
    return float(max(conf.AUDIT_WINDOW_SECONDS, least))


def within_seconds() -> float:
    """Return after how long, at the most, a hit is looked at again: the auditor does so when the observer comes round.

    What is seen later proves nothing of that time, and is not counted.
    """
    return wait_seconds() + float(conf.OBSERVE_SECONDS or _BY_HAND_SECONDS)
