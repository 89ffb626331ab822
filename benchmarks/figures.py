"""Figures as people read them: the same in the table on screen and in the documents."""

from __future__ import annotations

from typing import Final

from benchmarks.results import Target

__all__ = ["bound_text", "cell_text", "figure_text", "ratio_text"]

_SECONDS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
_HUNDRED: Final = 100
_TEN: Final = 10


def figure_text(value: float, unit: str) -> str:
    """Return `value` in its unit with three digits that count: "1.24 us", "381 bytes", "2,150 requests/s", "0.87x"."""
    if unit == "x":
        return ratio_text(value)
    if unit == "s":
        size, unit = next((each for each in _SECONDS if abs(value) >= each[0]), _SECONDS[-1])
        value /= size
    return f"{_digits(value)} {unit}"


def cell_text(value: float, unit: str) -> str:
    """Return the figure as `figure_text` does, without the name of a unit that the row's heading says."""
    return figure_text(value, unit) if unit in ("s", "x") else _digits(value)


def ratio_text(ratio: float) -> str:
    """Return "0.87x", "12.3x", "2,150x"; below a hundredth more digits, so that nothing becomes zero."""
    return f"{_digits(ratio)}x"


def bound_text(target: Target, unit: str) -> str:
    """Return what the target asks for: "at most 1.2x", "8x faster", "under 20 us"."""
    if target.kind == "limit":
        return f"at most {figure_text(target.bound, unit)}"
    ratio = f"{target.bound:,.10g}x"
    return f"at least {ratio} faster" if target.kind == "faster" else f"{target.kind} {ratio}"


def _digits(value: float) -> str:
    size = abs(value)
    if size >= _HUNDRED:
        return f"{value:,.0f}"
    if size >= _TEN:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 / _TEN else f"{value:.2g}"
