"""Figures as people read them: the same in the table on screen and in the documents."""

from __future__ import annotations

import math
from typing import Final

from benchmarks.results import Target

__all__ = ["bound_text", "cell_text", "figure_text", "ratio_text", "tick_text"]

_SECONDS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
_SCALES: Final = frozenset(unit for _, unit in _SECONDS)
_TICK_DIGITS: Final = 1000
_HUNDRED: Final = 100


def figure_text(value: float, unit: str) -> str:
    """Return `value` in its unit with three digits that count: "1.24 us", "381 bytes", "2,150 requests/s", "0.87x"."""
    if unit == "x":
        return ratio_text(value)
    value, unit = _scaled(value, unit)
    return f"{_number(value, unit)} {unit}"


def cell_text(value: float, unit: str) -> str:
    """Return the figure as `figure_text` does, without the name of a unit that the row's heading says."""
    return figure_text(value, unit) if unit in ("s", "x") else _number(value, unit)


def tick_text(value: float, unit: str) -> str:
    """Return a round figure of an axis: "10 us", "1,200", "0.5x"."""
    value, unit = _scaled(value, unit)
    number = f"{value:,.4g}" if abs(value) < _TICK_DIGITS else f"{value:,.0f}"
    return f"{number}x" if unit == "x" else f"{number} {unit}" if unit in _SCALES else number


def ratio_text(ratio: float) -> str:
    """Return "0.874x", "12.3x", "2,150x", "0.0012x"."""
    return f"{_digits(ratio)}x"


def bound_text(target: Target, unit: str) -> str:
    """Return what the target asks for: "at most 1.2x", "8x faster", "under 20 us"."""
    if target.kind == "limit":
        return f"at most {figure_text(target.bound, unit)}"
    ratio = f"{target.bound:,.10g}x"
    return f"at least {ratio} faster" if target.kind == "faster" else f"{target.kind} {ratio}"


def _scaled(value: float, unit: str) -> tuple[float, str]:
    if unit != "s":
        return value, unit
    # A little less than a microsecond, as powers come out, is one.
    size, unit = next((each for each in _SECONDS if abs(value) >= each[0] * (1 - 1e-9)), _SECONDS[-1])
    return value / size, unit


def _number(value: float, unit: str) -> str:
    # What is counted has no decimals, but for the mean of two counts.
    counted = unit not in _SCALES and unit != "x" and value == int(value)
    return f"{value:,.0f}" if counted else _digits(value)


def _digits(value: float) -> str:
    size = abs(value)
    if size >= _HUNDRED:
        return f"{value:,.0f}"
    # Two digits of what is very small, so that a ratio is never much wider than others.
    wanted = 3 if size >= 1 / _HUNDRED else 2
    decimals = wanted - 1 - math.floor(math.log10(size)) if size else 0
    return f"{value:.{decimals}f}"
