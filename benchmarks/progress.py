"""Says what is being measured: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

__all__ = ["Progress"]


class Progress:
    """Shows the section, the row and how far the run is: `rows` says how many rows each section had last time.

    The bar is drawn when something happens and never by a thread, which would take time from what is measured.
    """

    def __init__(self, console: Console, rows: Mapping[str, int]) -> None:
        self._console = console
        self._rows = rows
        self._section = ""
        self._before = self._now = 0
        self._bar = Bar(
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            auto_refresh=False,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=sum(rows.values()) or None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def section(self, name: str) -> None:
        """Go to the next section; what the one before had less or more than last time is made up for."""
        self._before += self._rows.get(self._section, 0)
        self._section, self._now = name, 0
        self._show("")

    def say(self, what: str) -> None:
        """Show what is being measured."""
        if not self._console.is_terminal:
            self._console.print(Text(f"{self._section}: {what}"), soft_wrap=True)
        self._show(what)

    def row(self) -> None:
        """Count a row."""
        self._now = min(self._now + 1, self._rows.get(self._section, 0))

    def print(self, text: str) -> None:
        """Print lines that stay."""
        self._console.print(Text(text), soft_wrap=True)

    def _show(self, what: str) -> None:
        self._bar.update(
            self._task, description=f"{self._section}: {what}", completed=self._before + self._now, refresh=True
        )
