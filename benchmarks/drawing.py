"""Draws bars and lines with matplotlib: the same bytes for the same figures, readable without colours."""

from __future__ import annotations

import io
import math
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.figures import cell_text, tick_text
from benchmarks.plots import Bars, Lines
from benchmarks.results import OURS

__all__ = ["svg"]

# Nothing of the day or of the machine, so that a picture changes when its figures do. Text is drawn as shapes: it looks
# the same for everybody.
_STYLE: Final = {
    "svg.hashsalt": "fast-access",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": "white",
}
_METADATA: Final = {"Date": None, "Creator": None}
# Okabe and Ito's colours, which colour-blind people tell apart; markers and strokes for those who print in black.
_OURS: Final = "#0072B2"
_OURS_ELSEWHERE: Final = "#8CC5E3"
_PEER: Final = "#9a9a9a"
_COLOURS: Final = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS: Final = "sD^vPX"
_STROKES: Final = ("--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
_INCHES: Final = 8.4
# How much longer than the longest bar an axis is, for the figure beside it.
_ROOM: Final = 1.15
# From how many to one an axis has ticks at powers of ten alone.
_WIDE: Final = 1000


def svg(picture: Bars | Lines) -> bytes:
    """Return the picture."""
    with mpl.rc_context(_STYLE):
        figure = _bars(picture) if isinstance(picture, Bars) else _lines(picture)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata=_METADATA)
    # matplotlib ends lines with spaces, which editors and checks take away.
    return b"\n".join(line.rstrip() for line in file.getvalue().splitlines()) + b"\n"


def _bars(picture: Bars) -> Any:
    sizes = [len(panel) for panel in picture.panels.values()]
    figure = Figure(figsize=(_INCHES, 0.5 + sum(0.26 * size + 0.42 for size in sizes)), layout="constrained")
    panels = figure.subplots(
        len(sizes),
        1,
        sharex=picture.logarithmic,
        squeeze=False,
        gridspec_kw={"height_ratios": [size + 0.6 for size in sizes]},
    )
    figure.suptitle(picture.title, fontsize=12, x=0.01, ha="left")
    for axes, (label, panel) in zip(panels[:, 0], picture.panels.items(), strict=True):
        names = list(reversed(panel))
        bars = axes.barh(names, [panel[name] for name in names], height=0.72)
        for bar, name in zip(bars, names, strict=True):
            bar.set_color(_OURS if name == OURS else _OURS_ELSEWHERE if name.startswith(OURS) else _PEER)
        axes.bar_label(bars, [cell_text(panel[name], picture.unit) for name in names], padding=4, fontsize=9)
        axes.set_title(label, loc="left", fontsize=10, fontweight="bold", pad=3)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e4e4e4", linewidth=0.8)
        axes.set_ylim(-0.6, len(names) - 0.4)
        if not picture.logarithmic:
            axes.set_xlim(0, max(panel.values()) * _ROOM)
            axes.xaxis.set_major_formatter(_tick(picture.unit))
    if picture.logarithmic:
        everything = [value for panel in picture.panels.values() for value in panel.values()]
        axes = panels[-1, 0]
        axes.set_xscale("log")
        axes.set_xlim(min(everything) / 2, max(everything) * (max(everything) / min(everything)) ** (_ROOM - 1) * 1.5)
        axes.xaxis.set_major_formatter(_tick(picture.unit))
        axes.xaxis.set_minor_locator(NullLocator())
    return figure


def _lines(picture: Lines) -> Any:
    rows = (len(picture.panels) + 1) // 2
    figure = Figure(figsize=(_INCHES, 0.5 + 3.1 * rows), layout="constrained")
    panels = figure.subplots(rows, min(2, len(picture.panels)), squeeze=False).flatten()
    figure.suptitle(picture.title, fontsize=12, x=0.01, ha="left")
    for axes in panels[len(picture.panels) :]:
        axes.remove()
    others = [name for panel in picture.panels.values() for name in panel.lines if name != OURS]
    styles = {name: number for number, name in enumerate(dict.fromkeys(others))}
    for axes, (label, panel) in zip(panels, picture.panels.items(), strict=False):
        for name, points in panel.lines.items():
            number = styles.get(name)
            axes.plot(
                [size for size, _ in points],
                [value for _, value in points],
                label=name,
                color=_OURS if number is None else _COLOURS[number % len(_COLOURS)],
                marker="o" if number is None else _MARKERS[number % len(_MARKERS)],
                linestyle="-" if number is None else _STROKES[number % len(_STROKES)],
                linewidth=2 if number is None else 1.4,
                markersize=5,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(label, loc="left", fontsize=10, fontweight="bold")
        sizes = sorted({size for points in panel.lines.values() for size, _ in points})
        axes.set_xticks(sizes, [_short(size) for size in sizes])
        values = [value for points in panel.lines.values() for _, value in points]
        middle, factor = math.sqrt(min(values) * max(values)), max(10.0, max(values) / min(values))
        # Ten to one at least, or noise would look like a slope; above the lines there is room for their names.
        axes.set_ylim(middle / factor**0.6, middle * factor**0.8)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if factor < _WIDE else (1,), numticks=20))
        axes.yaxis.set_major_formatter(_tick(panel.unit))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
        axes.grid(color="#e4e4e4", linewidth=0.8)
        if len(panel.lines) > 1:
            axes.legend(fontsize=8.5, frameon=False)
    return figure


def _tick(unit: str) -> FuncFormatter:
    # Ticks are round figures but for the last bits of a power.
    return FuncFormatter(lambda value, _: tick_text(value, unit))


def _short(size: float) -> str:
    for thousand, letter in ((1_000_000, "M"), (1_000, "k")):
        if size >= thousand:
            return f"{size / thousand:g} {letter}"
    return f"{size:g}"
