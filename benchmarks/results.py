"""What was measured: samples, the rows they make, and whether a row reaches its targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final, Literal, TypeAlias

import msgspec

__all__ = ["OURS", "Outcome", "Row", "Sample", "Target", "Unable", "Verdict"]

#: The name of what is measured here among the samples of a row.
OURS: Final = "fast-access"

_P99: Final = 0.99

Verdict: TypeAlias = Literal["ok", "short", "unable"]


class Sample(msgspec.Struct, frozen=True, tag="sample"):
    """One figure of each round, in the row's unit; rounds of the same index were measured side by side."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.rounds)

    @property
    def p99(self) -> float:
        """The figure that 99 in 100 rounds do not exceed (of few rounds: the largest)."""
        return sorted(self.rounds)[min(len(self.rounds) - 1, int(len(self.rounds) * _P99))]


class Unable(msgspec.Struct, frozen=True, tag="unable"):
    """A peer that cannot do a row, in a sentence that says why."""

    why: str


class Target(msgspec.Struct, frozen=True):
    """What a row must reach.

    `at most` and `at least` bound ours / peer's; `faster` bounds peer's / ours from below; `limit` bounds ours in the
    row's unit from above. Ratios are medians of the ratios of rounds that were measured side by side.
    """

    kind: Literal["at most", "at least", "faster", "limit"]
    bound: float
    peer: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """How one target was met: the `reached` ratio (or figure), None when it could not be measured."""

    target: Target
    reached: float | None
    verdict: Verdict


class Row(msgspec.Struct, frozen=True):
    """One line of the table: the same work done by us and by peers; `unit` is "s", "bytes", "requests/s" or another."""

    id: str
    what: str
    samples: Mapping[str, Sample | Unable]
    targets: Sequence[Target] = ()
    unit: str = "s"
    note: str = ""

    def outcomes(self) -> list[Outcome]:
        """Return how each target was met."""
        return [self._outcome(target) for target in self.targets]

    def ratio(self, peer: str) -> float | None:
        """Return ours / peer's, None when one of them could not be measured."""
        ours, theirs = self.samples.get(OURS), self.samples.get(peer)
        if not isinstance(ours, Sample) or not isinstance(theirs, Sample) or not all(theirs.rounds):
            # Who did nothing at all in a round is no measure.
            return None
        if len(ours.rounds) == len(theirs.rounds):
            return median(one / other for one, other in zip(ours.rounds, theirs.rounds, strict=True))
        return ours.median / theirs.median

    def _outcome(self, target: Target) -> Outcome:
        reached = self._reached(target)
        if reached is None:
            return Outcome(target, None, "unable")
        enough = reached <= target.bound if target.kind in ("at most", "limit") else reached >= target.bound
        return Outcome(target, reached, "ok" if enough else "short")

    def _reached(self, target: Target) -> float | None:
        if target.kind == "limit":
            ours = self.samples.get(OURS)
            return ours.median if isinstance(ours, Sample) else None
        ratio = self.ratio(target.peer)
        return 1 / ratio if ratio and target.kind == "faster" else ratio
