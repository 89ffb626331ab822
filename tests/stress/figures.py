"""What a stress found, in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.markup import escape

from tests.prove.checker import Stale
from tests.prove.report import sentence

__all__ = ["LOST", "Figures"]

#: How often a server of Redis was lost, in any way; each way is counted by its own name, too.
LOST: Final = "lost"

_SHOWN: Final = 5
_READS: Final = 200
_WRITES: Final = 20
_HITS: Final = 100
_FAR_HITS: Final = 20
_AUDITS: Final = 10
_ACTS: Final = 3


@dataclass
class Figures:
    """Reads by reader, writes by way, what was done to the players, and what the cache counted where it was not killed.

    `lags` are the seconds by which the reads of another host were behind, `far_hits` its hits in local memory.
    `audits` is what the players' own auditors compared with the database (`audited`) and found old (`violations`).
    """

    title: str
    redis: bool
    seconds: float = 0.0
    reads: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    far_hits: int = 0
    audits: Counter[str] = field(default_factory=Counter)
    lags: list[float] = field(default_factory=list)

    @property
    def hits(self) -> int:
        return self.counts["local_hits"] + self.counts["redis_hits"]

    def lacking(self) -> list[str]:
        """Say what there was too little of to prove anything."""
        wanted = {"reads": (self.reads.total(), _READS), "writes": (self.writes.total(), _WRITES)}
        wanted |= {"hits in local memory": (self.counts["local_hits"], _HITS)}
        wanted |= {"hits audited": (self.audits["audited"], _AUDITS)}
        acts = ["killed", "stopped", *(["evicted", "disconnected"] if self.redis else [])]
        wanted |= {act: (self.acts[act], _ACTS) for act in acts}
        if self.redis:
            wanted |= {"hits in Redis": (self.counts["redis_hits"], _HITS), "emptied": (self.acts["emptied"], 1)}
            wanted |= {"servers lost": (self.acts[LOST], 1)}
            wanted |= {"hits in another host's local memory": (self.far_hits, _FAR_HITS)}
        return [f"{what}: only {count}" for what, (count, enough) in wanted.items() if count < enough]

    def print(self, console: Console, found: Sequence[Stale]) -> None:
        """Print them with the stale reads found."""
        operations = self.reads.total() + self.writes.total()
        acts = ", ".join(f"{count} {act}" for act, count in sorted(self.acts.items()) if act != LOST)
        # Whoever was killed has not said what it counted.
        hits = f"{self.hits} hits ({self.counts['local_hits']} local), {self.counts['misses']} misses; "
        console.print(
            f"[bold]{escape(self.title)}[/]: {operations} operations ({self.reads.total()} reads, "
            f"{self.writes.total()} writes) in {self.seconds:.1f} s; {hits if self.counts else ''}{acts}"
        )
        if self.lags:
            ordered = sorted(self.lags)
            late = ordered[int(len(ordered) * 0.99)]
            console.print(
                f"  another host ({self.far_hits} hits in its local memory) was behind by at most "
                f"{1000 * ordered[-1]:.0f} ms, p99 {1000 * late:.0f} ms"
            )
        console.print(f"  the auditors: {self.audits['audited']} hits audited, {self.audits['violations']} old")
        colour = "red" if found else "green"
        console.print(f"  [{colour}]{len(found)} stale[/]")
        for stale in found[:_SHOWN]:
            console.print(escape(f"    {sentence(stale)}"))
