"""The plots of the documents, drawn the same way each time."""

from __future__ import annotations

from pathlib import Path

from benchmarks.record import Record

__all__ = ["plots_write"]


def plots_write(folder: Path, record: Record) -> None:
    """Draw."""
