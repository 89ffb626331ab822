"""A stand-in for matplotlib, which `make test` does not install: it notes what is drawn, and writes words as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, BinaryIO

__all__ = ["Axes", "Figure", "modules"]


class _Axis:
    """One of the two axes of a panel: what its ticks say, and where they are."""

    def __init__(self) -> None:
        self.tick_text: Any = None
        self.major: Any = None
        self.minor: Any = None

    def set_major_formatter(self, text: Any) -> None:
        self.tick_text = text

    def set_major_locator(self, locator: Any) -> None:
        self.major = locator

    def set_minor_locator(self, locator: Any) -> None:
        self.minor = locator


class _Bar:
    color = ""

    def __init__(self, length: float) -> None:
        self.length = length

    def set_color(self, color: str) -> None:
        self.color = color


class Axes:
    """One panel, by what was asked of it."""

    def __init__(self) -> None:
        self.xaxis, self.yaxis = _Axis(), _Axis()
        self.bars: dict[str, _Bar] = {}
        self.labels: list[str] = []
        self.lines: dict[str, SimpleNamespace] = {}
        self.scales: dict[str, str] = {}
        self.xticks: dict[float, str] = {}
        self.title = ""
        self.xlim = self.ylim = (0.0, 0.0)
        self.has_legend = self.is_removed = False

    def barh(self, names: Sequence[str], lengths: Sequence[float], **_: Any) -> list[_Bar]:
        # From the bottom to the top.
        self.bars = dict(zip(names, map(_Bar, lengths), strict=True))
        return list(self.bars.values())

    def bar_label(self, bars: Sequence[_Bar], labels: Sequence[str], **_: Any) -> None:
        assert len(bars) == len(labels)
        self.labels = list(labels)

    def plot(self, x: Sequence[float], y: Sequence[float], *, label: str, **style: Any) -> None:
        self.lines[label] = SimpleNamespace(points=list(zip(x, y, strict=True)), **style)

    def set_title(self, title: str, **_: Any) -> None:
        self.title = title

    def set_xticks(self, places: Sequence[float], labels: Sequence[str]) -> None:
        self.xticks = dict(zip(places, labels, strict=True))

    def set_xlim(self, low: float, high: float) -> None:
        self.xlim = (low, high)

    def set_ylim(self, low: float, high: float) -> None:
        self.ylim = (low, high)

    def set_xscale(self, scale: str) -> None:
        self.scales["x"] = scale

    def set_yscale(self, scale: str) -> None:
        self.scales["y"] = scale

    def legend(self, **_: Any) -> None:
        self.has_legend = True

    def remove(self) -> None:
        self.is_removed = True

    def grid(self, **_: Any) -> None:
        """Nothing that a test asks for."""

    tick_params = grid


class _Grid:
    """Panels in rows and columns, as an array of numpy has them."""

    def __init__(self, rows: int, columns: int) -> None:
        self._rows = [[Axes() for _ in range(columns)] for _ in range(rows)]

    def __getitem__(self, where: tuple[Any, int]) -> Any:
        row, column = where
        chosen = self._rows[row]
        return [each[column] for each in chosen] if isinstance(row, slice) else chosen[column]

    def flatten(self) -> list[Axes]:
        return [axes for row in self._rows for axes in row]


class Figure:
    """A picture; `made` are all."""

    made: list[Figure]
    title = ""

    def __init__(self, **_: Any) -> None:
        self.made.append(self)

    def subplots(self, rows: int, columns: int, *, sharex: bool = False, **_: Any) -> _Grid:
        self.sharex = sharex
        grid = _Grid(rows, columns)
        self.panels = grid.flatten()
        return grid

    def suptitle(self, title: str, **_: Any) -> None:
        self.title = title

    def savefig(self, file: BinaryIO, *, format: str, metadata: Mapping[str, Any]) -> None:
        assert format == "svg"
        self.metadata = metadata
        words = [self.title, *(words for axes in self.panels for words in (axes.title, *axes.labels))]
        # With spaces at the ends of lines, as the real one writes them.
        file.write("".join(f"<!-- {each} --> \n" for each in words).encode())


def modules(styles: list[Mapping[str, Any]]) -> dict[str, ModuleType]:
    """Return `matplotlib` by its modules' names; the styles that pictures are drawn in go into `styles`."""
    whole, figure, ticker = (ModuleType(name) for name in ("matplotlib", "matplotlib.figure", "matplotlib.ticker"))

    @contextmanager
    def rc_context(style: Mapping[str, Any]) -> Iterator[None]:
        styles.append(style)
        yield

    whole.rc_context = rc_context
    Figure.made = []
    figure.Figure = Figure
    ticker.FuncFormatter = lambda text: lambda value: text(value, 0)
    ticker.LogLocator = SimpleNamespace
    ticker.NullLocator = lambda: "none"
    return {module.__name__: module for module in (whole, figure, ticker)}
