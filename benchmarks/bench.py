"""What every section is given: how much time it may take, the scratch place with its servers, and a voice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.place import Place

__all__ = ["Bench"]


@dataclass
class Bench:
    """One run. `quick` is `make bench-quick`; `say` shows what is being measured, and moves the progress bar on."""

    place: Place
    quick: bool
    say: Callable[[str], None] = print

    def often(self, full: int, quick: int) -> int:
        """Return how many rounds (or entries, or seconds) this run affords."""
        return quick if self.quick else full
