"""What a run found, in words and in the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.markup import escape

from tests.prove.checker import Stale

__all__ = ["FRESH", "NOTHING_PROVED", "STALE", "Figures", "report", "sentence"]

FRESH: Final = 0
STALE: Final = 1
NOTHING_PROVED: Final = 2

_SHOWN = 5
_READS_PER_READER = 20
_WRITES = 20
_HITS_PER_TIER = 20
_WAYS = ("api_", "admin_", "queryset", "bulk_create", "service")
_PLACES = ("harness", "command")


@dataclass
class Figures:
    """What was done in a run: reads by reader, writes by way and by writer, hits by tier.

    `redis` says with what Redis; empty: without.
    """

    redis: str
    seconds: float
    commits: int
    scenarios: Counter[str]
    reads: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    writers: Counter[str] = field(default_factory=Counter)
    local_hits: int = 0
    redis_hits: int = 0
    misses: int = 0

    def lacking(self) -> list[str]:
        """Say what there was too little of for the run to prove anything."""
        lacks = [
            f"{reader} made only {count} reads" for reader, count in self.reads.items() if count < _READS_PER_READER
        ]
        if self.ways.total() < _WRITES:
            lacks.append(f"only {self.ways.total()} writes")
        lacks += [f"nobody wrote by {way}" for way in _WAYS if not any(way in done for done in self.ways)]
        lacks += [
            f"{place} wrote nothing" for place in _PLACES if not any(name.startswith(place) for name in self.writers)
        ]
        if self.local_hits < _HITS_PER_TIER:
            lacks.append(f"only {self.local_hits} hits in local memory")
        if self.redis and self.redis_hits < _HITS_PER_TIER:
            lacks.append(f"only {self.redis_hits} hits in Redis")
        return lacks


def report(console: Console, figures: Figures, found: Sequence[Stale], *, sabotage: str, seed: str) -> int:
    """Print figures and stale reads; return the exit code."""
    mode = figures.redis or "without Redis"
    reads = sum(figures.reads.values())
    console.print(
        f"[bold]{mode}[/] (seed {seed}): {reads} reads, {figures.ways.total()} writes, {figures.commits} commits "
        f"in {figures.seconds:.1f} s; {figures.local_hits} hits in local memory, {figures.redis_hits} in Redis, "
        f"{figures.misses} misses"
    )
    console.print(_listed("  readers", figures.reads))
    console.print(_listed("  writes", figures.ways))
    console.print(_listed("  scenarios", figures.scenarios))
    colour = "red" if found else "green"
    console.print(f"  [{colour}]{len(found)} stale reads[/]" + (f" under sabotage of {sabotage}" if sabotage else ""))
    for stale in found[:_SHOWN]:
        console.print(escape(f"    {sentence(stale)}"))
    if found:
        return STALE
    lacks = figures.lacking() if not sabotage else []
    for lack in lacks:
        console.print(f"  [red]proves nothing[/]: {lack}")
    return NOTHING_PROVED if lacks else FRESH


def _listed(title: str, counts: Counter[str]) -> str:
    return f"{title}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def sentence(stale: Stale) -> str:
    got = "nothing" if stale.token is None else repr(stale.token)
    number = f" (commit {stale.got})" if stale.got else ""
    due = f"; due was {stale.due.token!r} (commit {stale.due.seq})" if stale.due else ""
    return (
        f"{stale.read.reader} read {stale.read.key} at {stale.read.began:.4f} and got for {stale.key} "
        f"{got}{number}{due}, {stale.why}"
    )
