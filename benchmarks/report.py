"""The table on screen: each row with its peers, each target with what was reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.figures import bound_text, figure_text, ratio_text
from benchmarks.results import OURS, Outcome, Row, Sample, Unable

__all__ = ["Report"]

_COLOURS: Final = {"ok": "green", "short": "bold red", "unable": "yellow"}


class Report:
    """Prints a run. The reasons why a peer cannot do a row are numbered and follow at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._reasons: dict[str, int] = {}

    def section(self, title: str, rows: Sequence[Row]) -> None:
        """Print one part of the table."""
        self._console.rule(Text(title, "bold"), align="left")
        for row in rows:
            self._row(row)

    def reasons(self) -> None:
        """Print the footnotes."""
        for why, number in self._reasons.items():
            self._console.print(Text(f"[{number}] {why}"))

    def _row(self, row: Row) -> None:
        self._console.print(Text(row.what, "bold"), Text(row.id, "dim"))
        if row.note:
            self._console.print(Text(f"  {row.note}", "dim"))
        lines = Table.grid(padding=(0, 2), expand=False)
        lines.add_column(width=28)
        for width in (10, 10, 8):
            lines.add_column(width=width, justify="right")
        lines.add_column(width=34)
        outcomes = row.outcomes()
        for name, sample in row.samples.items():
            mine = [each for each in outcomes if each.target.peer == ("" if name == OURS else name)]
            lines.add_row(Text(f"  {name}"), *self._figures(row, name, sample), _verdicts(row, mine))
        named = {OURS and "", *row.samples}
        for outcome in outcomes:
            if outcome.target.peer not in named:
                lines.add_row(Text(f"  {outcome.target.peer}"), "", "", "", _verdicts(row, [outcome]))
        self._console.print(lines)

    def _figures(self, row: Row, name: str, sample: Sample | Unable) -> tuple[Text, Text, Text]:
        if isinstance(sample, Unable):
            number = self._reasons.setdefault(sample.why, len(self._reasons) + 1)
            return Text(f"unable [{number}]"), Text(), Text()
        ratio = None if name == OURS else row.ratio(name)
        return (
            Text(figure_text(sample.median, row.unit)),
            Text(figure_text(sample.p99, row.unit)),
            Text("" if ratio is None else ratio_text(ratio)),
        )


def _verdicts(row: Row, outcomes: Sequence[Outcome]) -> Text:
    lines = []
    for outcome in outcomes:
        text = Text(outcome.verdict, _COLOURS[outcome.verdict])
        if outcome.reached is not None:
            unit = row.unit if outcome.target.kind == "limit" else "x"
            text.append(f" {figure_text(outcome.reached, unit)}", "default")
        lines.append(text.append(f" ({bound_text(outcome.target, row.unit)})", "default"))
    return Text("\n").join(lines)
