"""Runs the sections one after the other; one that fails keeps the rows it has, and the others still run."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from benchmarks.bench import Bench
from benchmarks.place import Place
from benchmarks.progress import Progress
from benchmarks.record import Part
from benchmarks.results import Row

__all__ = ["Section", "sections_measure"]


class Section(Protocol):
    """A module of `benchmarks.sections`."""

    @property
    def TITLE(self) -> str:  # noqa: N802 -- a constant of a module
        ...

    @property
    def rows(self) -> Callable[[Bench], Iterator[Row]]: ...


def sections_measure(
    sections: Mapping[str, Callable[[], Section]], place: Place, *, quick: bool, progress: Progress
) -> list[Part]:
    """Measure the sections, each imported when its turn comes; Ctrl-C ends the run with what it has."""
    parts: list[Part] = []
    for name, section in sections.items():
        part, go_on = _measure(name, section, place, quick, progress)
        parts.append(part)
        if not go_on:
            break
    return parts


def _measure(
    name: str, load: Callable[[], Section], place: Place, quick: bool, progress: Progress
) -> tuple[Part, bool]:
    progress.section(name)
    bench = Bench(place, quick, progress.say)
    title, error, go_on = name, "", True
    rows: list[Row] = []
    began = time.monotonic()
    try:
        section = load()
        title = section.TITLE
        for row in section.rows(bench):
            _check(name, row, rows)
            rows.append(row)
            progress.row()
    except KeyboardInterrupt:
        error, go_on = "interrupted", False
    except Exception as failure:  # whatever it is, the rows that others measure are not lost for it
        progress.print(traceback.format_exc())
        error = f"{type(failure).__name__}: {failure}"
    return Part(name, title, round(time.monotonic() - began, 2), rows, error), go_on


def _check(section: str, row: Row, earlier: Sequence[Row]) -> None:
    if not row.id.startswith(f"{section}."):
        raise ValueError(f"the row {row.id} does not begin with the name of its section, {section}")
    if row.id in {each.id for each in earlier}:
        raise ValueError(f"there is a row {row.id} already")
    row.outcomes()  # fails here, if it does, and not when all is measured
