"""The table on screen: each row with its peers, each target with what was reached, and what got worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from benchmarks.baseline import Comparison, KeptRun, Lost
from benchmarks.figures import bound_text, figure_text
from benchmarks.lines import Reasons, heading, row_lines
from benchmarks.record import Part, Record
from benchmarks.results import Row, Verdict

__all__ = ["BAD", "COLUMNS", "comparison_print", "exit_code", "record_print"]

_COLOURS: Final[Mapping[Verdict, str]] = {"ok": "green", "short": "bold red", "unable": "yellow"}
# With two columns before the first and one between them.
_WIDTHS: Final = (26, 11, 11, 10, 36)
#: How wide the table is; a console that is narrower would squeeze figures.
COLUMNS: Final = 2 + sum(_WIDTHS) + len(_WIDTHS) - 1

#: The exit code of a run in which something failed, or that cannot do what it was told to.
BAD: Final = 2
_WORSE: Final = 1


def record_print(record: Record, console: Console) -> None:
    """Print all that was measured; the reasons why a peer cannot do a row are numbered and follow the table."""
    machine = record.run.machine
    busy = " (other work was under way)" if machine.load > machine.cores else ""
    peers = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    console.print(Text(f"{machine.cpu}, {machine.cores} cores, load {machine.load}{busy}; {machine.system}"))
    console.print(Text(f"Python {machine.python}, {machine.redis_server}, {peers}"))
    console.print(Text("ratio: ours / theirs, the median of rounds that were measured side by side", "dim"))
    reasons = Reasons()
    for part in record.parts:
        _part_print(part, console, reasons)
    console.print()
    for number, why in reasons:
        console.print(Text(f"[{number}] {why}"))
    _sums_print(record, console)


def comparison_print(before: KeptRun, found: Comparison, console: Console) -> None:
    """Print which targets were met in the baseline and are not now."""
    machine = before.machine
    console.print(Text(f"Baseline of {before.date}: {machine.cpu}, {machine.cores} cores, load {machine.load}"))
    for unmeasured in found.unmeasured:
        line = Text("not measured here", _COLOURS["unable"])
        console.print(line.append(f", ok in the baseline: {unmeasured.key}: {unmeasured.why}", "default"))
    for recovered in found.recovered:
        console.print(Text("short, then ok", _COLOURS["unable"]).append(_lost_text(recovered), "default"))
    for lost in found.lost:
        verdict = "short" if lost.again is None else f"short, then {lost.again.verdict}"
        console.print(Text(verdict, _COLOURS["short"]).append(_lost_text(lost), "default"))
    if not found.lost:
        console.print(Text("Nothing that was ok in the baseline is lost now.", _COLOURS["ok"]))


def _lost_text(lost: Lost) -> str:
    unit = lost.row.unit if lost.outcome.target.kind == "limit" else "x"
    figures = [lost.outcome.reached, *([] if lost.again is None else [lost.again.reached]), lost.before.reached]
    *reached, was = ("nothing" if each is None else figure_text(each, unit) for each in figures)
    bound = bound_text(lost.outcome.target, lost.row.unit)
    return f" (ok in the baseline): {lost.key}: {', then '.join(reached)}, was {was} ({bound})"


def exit_code(record: Record, found: Comparison) -> int:
    """Return 2 if a section failed, 1 if a target has been lost since the baseline, else 0."""
    if any(part.error for part in (*record.parts, *record.again)):
        return BAD
    return _WORSE if found.lost else 0


def _part_print(part: Part, console: Console, reasons: Reasons) -> None:
    console.print()
    console.rule(Text(part.title, "bold"), align="left")
    heading = _grid()
    heading.add_row("", "median", "p99", "ratio", "target")
    console.print(_indented(heading), style="dim")
    said = ""
    for row in part.rows:
        _row_print(row, console, reasons, note="" if row.note == said else row.note)
        said = row.note
    _error_print(part, console)


def _row_print(row: Row, console: Console, reasons: Reasons, *, note: str) -> None:
    console.print(Text(heading(row), "bold").append(f"  {row.id}", "not bold dim"))
    if note:
        console.print(Padding(Text(note, "dim"), (0, 0, 0, 2)))
    lines = _grid()
    for line in row_lines(row, reasons):
        median = Text(line.median) if line.why is None else Text(f"unable [{line.why}]", _COLOURS["unable"])
        targets = [Text(verdict, _COLOURS[verdict]).append(f" {text}", "default") for verdict, text in line.targets]
        lines.add_row(Text(line.name), median, line.p99, line.ratio, Text("\n").join(targets))
    console.print(_indented(lines))


def _error_print(part: Part, console: Console) -> None:
    if part.error:
        console.print(Text(f"{part.name} ended early: {part.error}", _COLOURS["short"]))


def _grid() -> Table:
    lines = Table.grid(padding=(0, 1, 0, 0))
    for number, width in enumerate(_WIDTHS):
        figure = 0 < number < len(_WIDTHS) - 1
        lines.add_column(width=width, justify="right" if figure else "left", overflow="fold")
    return lines


def _indented(lines: Table) -> Padding:
    return Padding(lines, (0, 0, 0, 2))


def _sums_print(record: Record, console: Console) -> None:
    verdicts = [outcome.verdict for row in record.rows for outcome in row.outcomes()]
    line = Text(f"{len(record.rows)} rows, {len(verdicts)} targets:")
    for verdict, colour in _COLOURS.items():
        line.append(f" {verdicts.count(verdict)} ").append(verdict, colour)
    console.print(line.append(f"; {record.run.seconds:.0f} s ({_seconds_text(record.parts)})"))
    if record.again:
        console.print(Text(f"Measured a second time, below its targets at first: {_seconds_text(record.again)}"))
        for part in record.again:
            _error_print(part, console)


def _seconds_text(parts: Sequence[Part]) -> str:
    return ", ".join(f"{part.name} {part.seconds:.0f} s" for part in parts)
