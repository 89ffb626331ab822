"""The lines of a row, as the table on screen and the one in the documents both show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.figures import bound_text, cell_text, figure_text, ratio_text
from benchmarks.results import OURS, Outcome, Row, Sample, Unable, Verdict

__all__ = ["Line", "Reasons", "heading", "row_lines"]


class Line(NamedTuple):
    """One who did the row's work, or could not: `why` is the number of the reason. Targets stand beside their peer."""

    name: str
    median: str
    p99: str
    ratio: str
    why: int | None
    targets: list[tuple[Verdict, str]]


class Reasons:
    """Numbers the reasons why somebody cannot do a row: each is told once, below the table."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, why: str) -> int:
        """Return the number of the reason."""
        return self._numbers.setdefault(why, len(self._numbers) + 1)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return ((number, why) for why, number in self._numbers.items())


def heading(row: Row) -> str:
    """Return what was done, with the unit where the figures do not say it themselves."""
    return row.what if row.unit in ("s", "x") else f"{row.what}, in {row.unit}"


def row_lines(row: Row, reasons: Reasons) -> list[Line]:
    """Return a line for each sample, and for each peer that a target names and nobody measured."""
    outcomes = row.outcomes()
    # A limit bounds ours, and stands beside it.
    named = dict.fromkeys([*row.samples, *(each.target.peer or OURS for each in outcomes)])
    return [
        _line(row, name, [each for each in outcomes if (each.target.peer or OURS) == name], reasons) for name in named
    ]


def _line(row: Row, name: str, outcomes: list[Outcome], reasons: Reasons) -> Line:
    sample = row.samples.get(name)
    targets = [(outcome.verdict, _target(row, outcome)) for outcome in outcomes]
    if not isinstance(sample, Sample):
        why = reasons.number(sample.why) if isinstance(sample, Unable) else None
        return Line(name, "", "", "", why, targets)
    ratio = None if name == OURS else row.ratio(name)
    return Line(
        name=name,
        median=cell_text(sample.median, row.unit),
        p99=cell_text(sample.p99, row.unit) if len(sample.rounds) > 1 else "",
        ratio="" if ratio is None else ratio_text(ratio),
        why=None,
        targets=targets,
    )


def _target(row: Row, outcome: Outcome) -> str:
    bound = bound_text(outcome.target, row.unit)
    if outcome.reached is None:
        return f"({bound})"
    return f"{figure_text(outcome.reached, row.unit if outcome.target.kind == 'limit' else 'x')} ({bound})"
