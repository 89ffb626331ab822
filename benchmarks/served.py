"""Our side of a row: reads are timed, and counted only if the tier that is measured has answered them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Literal

from benchmarks.results import Unable
from benchmarks.timing import Call, Timer, seconds_per_call
from caching import Region
from caching.keys import Key
from caching.runtime import runtime

__all__ = ["Served", "forget_locally", "without_local"]

Tier = Literal["local_hits", "redis_hits"]

_TIERS: Final = ("local_hits", "redis_hits", "misses")
# On a busy machine the thread that listens may come late, and local copies are not trusted for a moment.
_ENOUGH: Final = 0.99


class Served:
    """A timed read of ours; its figures are doubted unless `tier` answered 99 in 100 requests to `region` since."""

    def __init__(self, read: Call | Timer, region: Region[Any], tier: Tier) -> None:
        self._time = read.seconds_per_call if isinstance(read, Timer) else partial(seconds_per_call, read)
        self._region = region
        self._tier = tier
        self._before = self._answered()

    def seconds_per_call(self, calls: int) -> float:
        return self._time(calls)

    def doubt(self) -> Unable | None:
        answered = {tier: count - self._before[tier] for tier, count in self._answered().items()}
        requests = sum(answered.values())
        if requests and answered[self._tier] >= _ENOUGH * requests:
            return None
        counts = ", ".join(f"{tier.replace('_', ' ')} {count}" for tier, count in answered.items())
        return Unable(f"These were not {self._tier.replace('_', ' ')} alone: {counts}.")

    def _answered(self) -> dict[str, int]:
        return {tier: getattr(self._region.counters, tier) for tier in _TIERS}


def forget_locally(keys: Iterable[Key]) -> None:
    """Drop these values from local memory; what the tier knows of epochs stays, as between any two reads."""
    local = runtime.local
    if local is not None:
        for key in keys:
            entry = local.entries.get(key.local)
            if entry is not None:
                local.discard(entry)


def without_local(read: Callable[[], object], key: Key) -> Call:
    """Return the read with local memory made to forget the value before: what that takes counts as ours."""
    keys = (key,)

    def call() -> object:
        forget_locally(keys)
        return read()

    return call
