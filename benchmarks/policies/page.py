"""The comparison of the policies: a table, what it says in words, and the page of the documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import msgspec

from benchmarks.policies.habits import HABITS
from benchmarks.policies.policies import FIXED
from benchmarks.policies.simulation import Outcome

__all__ = ["Comparison", "page"]

_GROUPS = ("profile", "orders", "billing", "balance")


class Comparison(msgspec.Struct, frozen=True):
    """The outcomes of one run, all of the same days, reads and writes."""

    first: date
    last: date
    learnt_days: int
    seed: int
    orders: int
    writes: int
    outcomes: Sequence[Outcome]

    @property
    def fixed(self) -> Outcome:
        return next(each for each in self.outcomes if each.policy == FIXED)

    def rows(self) -> list[list[str]]:
        """Return the table, its headings first."""
        headings = ["Policy", "Reads", "Hit rate", *(group.capitalize() for group in _GROUPS)]
        headings += ["Queries of reads", "Queries ahead", "Loaded ahead", "of these used", "Values held", "Stale reads"]
        return [headings, *(self._row(each) for each in self.outcomes)]

    def _row(self, outcome: Outcome) -> list[str]:
        return [
            outcome.policy,
            f"{outcome.reads.total():,}",
            f"{outcome.hit_rate():.2%}",
            *(f"{outcome.hit_rate(group):.2%}" for group in _GROUPS),
            f"{outcome.queries:,}",
            f"{outcome.background:,}",
            f"{outcome.prefetched:,}",
            f"{outcome.used:,}",
            f"{outcome.held:,.0f}",
            f"{outcome.stale:,}",
        ]

    def verdicts(self) -> list[str]:
        """Return a sentence on each policy but the fixed one, as the figures are."""
        return [self._verdict(each) for each in self.outcomes if each is not self.fixed]

    def _verdict(self, outcome: Outcome) -> str:
        misses = {each.policy: each.reads.total() - each.hits.total() for each in (self.fixed, outcome)}
        before, after = misses[FIXED], misses[outcome.policy]
        queries = self.fixed.queries + self.fixed.background - outcome.queries - outcome.background
        rate = f"{outcome.hit_rate():.2%} of reads are hits instead of {self.fixed.hit_rate():.2%}"
        if after > before:
            return f"{outcome.policy}: worse. {rate}."
        if after == before and queries <= 0:
            return f"{outcome.policy}: no gain. {rate}; queries: {-queries:+,}."
        share = (before - after) / before if before else 0.0
        return f"{outcome.policy}: {share:.1%} fewer misses ({before:,} to {after:,}); {rate}; queries: {-queries:+,}."

    def faults(self) -> list[str]:
        """Return what must not be: stale reads, and policies that are worse than fixed times."""
        stale = [f"{each.policy}: {each.stale:,} stale reads." for each in self.outcomes if each.stale]
        return stale + [each for each in self.verdicts() if ": worse." in each]


def page(comparison: Comparison, command: str, day: date) -> str:
    """Return the page of the documents; `day` is when it was measured."""
    return "\n".join(_lines(comparison, command, day)) + "\n"


def _lines(comparison: Comparison, command: str, day: date) -> Iterator[str]:
    run = comparison
    yield "# Fixed, adaptive and predictive"
    yield ""
    yield f"Written by `{command}` on {day}. A true week, {run.first} to {run.last} ({run.orders:,} orders,"
    yield f"{run.writes:,} writes), is played through the cache in simulated time, once for each policy: the same"
    yield f"writes and reads in the same order (seed {run.seed}), with local memory and SQLite, without Redis. The"
    yield f"{run.learnt_days} days before are played first and not counted, for whoever learns."
    yield ""
    headings, *rows = run.rows()
    yield f"| {' | '.join(headings)} |"
    yield f"|---|{'--:|' * (len(headings) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""
    yield from (f"- {verdict}" for verdict in run.verdicts())
    yield ""
    yield "A hit is a read without a query. Every read was compared with a read of the database around the cache; stale"
    yield 'reads are those that differed. "Values held" are the entries of local memory, on average over time.'
    yield ""
    yield "## Who reads"
    yield ""
    yield "| who | what, and how often |"
    yield "|---|---|"
    yield from (f"| {who} | {what} |" for who, what in HABITS)
    yield ""
    yield "Orders, their dishes and the moments they were placed at are those of the file; each is confirmed after"
    yield "1 minute, cooked after 3, ready after 18, served after 25 and paid after 26, and once a day the settings"
    yield "change. Customers are made up. Habits are drawn anew for each day, the same for each policy. Ids of"
    yield "orders are random, so that a few misses of ten thousand differ from run to run."
    yield ""
    yield "Without Redis, because its times are the server's and cannot be moved: there the same rule chooses times to"
    yield "live, but nobody has measured a week of it."
