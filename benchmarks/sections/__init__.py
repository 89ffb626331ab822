"""What is measured: each module yields the rows of one part of the table."""

from __future__ import annotations

from typing import Final

__all__ = ["SECTIONS"]

#: The modules, in the order of the table.
SECTIONS: Final = ("local", "redis", "coherence", "memory", "growth", "operations", "load")
