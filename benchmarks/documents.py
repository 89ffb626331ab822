"""The figures of a run as pages of the documents: the table in Markdown and, beside it, the plots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.lines import Reasons, heading, row_lines
from benchmarks.plots import pictures
from benchmarks.record import Part, Record

__all__ = ["documents_write", "figures_page"]

_SIGNS: Final = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;", "*": "\\*", "_": "\\_", "`": "\\`"})


def documents_write(folder: Path, record: Record) -> None:
    """Write figures.md and the plots into `folder` (which is made), over those of an earlier run."""
    from benchmarks.drawing import svg  # matplotlib, which nothing else needs

    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures(record.rows):
        (folder / f"{picture.name}.svg").write_bytes(svg(picture))
    (folder / "figures.md").write_text(figures_page(record), encoding="utf-8")


def figures_page(record: Record) -> str:
    """Return the page, in Markdown."""
    return "\n".join(_page(record)) + "\n"


def _page(record: Record) -> Iterator[str]:
    run, machine = record.run, record.run.machine
    yield "# Figures"
    yield ""
    yield f"Written by `python -m benchmarks --write-docs` of the {run.kind} run of {run.date} ({run.seconds:.0f} s):"
    yield f"{machine.cpu}, {machine.cores} cores, load {machine.load} when it began, {machine.system}, Python"
    yield f"{machine.python}, {machine.redis_server}, {', '.join(' '.join(each) for each in machine.packages.items())}."
    yield "What the columns mean, and how it was measured, is said in [benchmarks.md](../benchmarks.md)."
    for picture in pictures(record.rows):
        yield from ("", f"![{_text(picture.title)}]({picture.name}.svg)")
    reasons = Reasons()
    for part in record.parts:
        yield from _part(part, reasons)
    if told := [f"{number}. {_text(why)}" for number, why in reasons]:
        yield from ("", "## Who cannot do what", "", *told)


def _part(part: Part, reasons: Reasons) -> Iterator[str]:
    yield from ("", f"## {_text(part.title)}", "")
    yield "| what | who | median | p99 | ratio | target |"
    yield "|---|---|--:|--:|--:|---|"
    for row in part.rows:
        what = f"**{_text(heading(row))}**"
        for line in row_lines(row, reasons):
            median = line.median if line.why is None else f"unable ({line.why})"
            targets = "; ".join(f"**{verdict}** {text}" for verdict, text in line.targets)
            yield f"| {what} | {_text(line.name)} | {median} | {line.p99} | {line.ratio} | {targets} |"
            what = ""
    notes: dict[str, list[str]] = {}
    for row in part.rows:
        if row.note:
            notes.setdefault(row.note, []).append(row.what)
    if notes:
        yield ""
        yield from (f"- *{_text('; '.join(rows))}*: {_text(note)}" for note, rows in notes.items())


def _text(text: str) -> str:
    return text.translate(_SIGNS)
