"""Which rows of a run become pictures of the documents; a row that is missing is left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from benchmarks.results import Row, Sample

__all__ = ["Bars", "Lines", "Panel", "pictures"]


class Bars(NamedTuple):
    """Horizontal bars, a panel for each row: title to name to figure; panels share a `logarithmic` axis."""

    name: str
    title: str
    unit: str
    panels: dict[str, dict[str, float]]
    logarithmic: bool


class Panel(NamedTuple):
    """What one kind of work costs as it grows: name to points (size, figure)."""

    unit: str
    lines: dict[str, list[tuple[int, float]]]


class Lines(NamedTuple):
    """Lines, logarithmic both ways, in a panel for each kind of work."""

    name: str
    title: str
    panels: dict[str, Panel]


_BARS: Final = (
    # Begin of the rows' ids, name of the file, title, unit, logarithmic
    ("local.", "local", "A hit in local memory", "s", True),
    ("redis.", "redis", "A hit in Redis", "s", True),
    ("memory.", "memory", "Memory, in bytes", "bytes", False),
    ("operations.sqlite.", "operations-sqlite", "The operations of the specification, on SQLite", "s", True),
    (
        "operations.postgresql.",
        "operations-postgresql",
        "The operations of the specification, on PostgreSQL",
        "s",
        True,
    ),
    (
        "operations.remote.",
        "operations-remote",
        "The operations of the specification, on PostgreSQL 50 ms away",
        "s",
        True,
    ),
)
_GROWN: Final = re.compile(r"growth\.(?P<work>[a-z-]+)-(?P<size>\d+)")
_WORK: Final = {
    "entries": "A local hit, by cached entries",
    "orders": "A list, by its active orders",
    "threads": "Hits a second, by threads",
    "threads-latency": "A local hit, by threads",
    "processes": "Hits a second, by processes",
    "processes-latency": "A local hit, by processes",
}


def pictures(rows: Sequence[Row]) -> list[Bars | Lines]:
    """Return what there is to draw, in the order of the page; nothing stands alone in a panel."""
    found: list[Bars | Lines] = []
    for begin, name, title, unit, logarithmic in _BARS:
        panels = {row.what: _medians(row) for row in rows if row.id.startswith(begin) and row.unit == unit}
        if panels := {what: medians for what, medians in panels.items() if len(medians) > 1}:
            found.append(Bars(name, title, unit, panels, logarithmic))
    if grown := _grown(rows):
        found.append(Lines("growth", "Cost as work grows", grown))
    return found


def _medians(row: Row) -> dict[str, float]:
    # What is nothing has no place on a logarithmic axis.
    medians = {name: sample.median for name, sample in row.samples.items() if isinstance(sample, Sample)}
    return {name: median for name, median in medians.items() if median > 0}


def _grown(rows: Sequence[Row]) -> dict[str, Panel]:
    panels: dict[str, Panel] = {}
    for row in rows:
        grown = _GROWN.fullmatch(row.id)
        if grown and (title := _WORK.get(grown["work"])):
            panel = panels.setdefault(title, Panel(row.unit, {}))
            for name, median in _medians(row).items():
                panel.lines.setdefault(name, []).append((int(grown["size"]), median))
    return panels
