"""When values end: spread, so that what was filled together does not expire together and is not loaded together."""

from __future__ import annotations

import random

from caching.conf import conf

__all__ = ["jittered", "lead"]


def jittered(ttl: float) -> float:
    """Return `ttl` seconds, shortened by a random share of up to `TTL_JITTER`."""
    jitter: float = conf.TTL_JITTER
    return max(0.001, ttl * (1 - jitter * random.random()))  # noqa: S311 -- spreads expiry, keeps no secret


def lead(cost: float) -> float:
    """Return how many seconds before its end this reader would load a value anew, whose load takes `cost` seconds.

    XFetch (Vattani, Chierichetti and Lowenstein, "Optimal probabilistic cache stampede prevention", VLDB 2015): an
    exponential draw each time, so the dearer the load and the nearer the end, the likelier somebody goes ahead.
    """
    return cost * random.expovariate(1.0)
