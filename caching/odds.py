"""How often a guess came true, so that only guesses that do are followed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

__all__ = ["Odds", "Subject"]

#: What a guess is about: its kind, a region, an organisation.
Subject = tuple[str, str, str]

# Of so many guesses the older ones count half, so that what changes is noticed.
_MEMORY: Final = 16
_MOST_SUBJECTS: Final = 10_000


class Odds:
    """The chance that a guess about a subject comes true: the mean of a Beta distribution.

    It begins at one half, as if one guess had come true and one had not (Laplace's rule of succession), and follows the
    last few outcomes. Subjects that were not judged for longest are forgotten.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[Subject, tuple[float, float]] = OrderedDict()

    def chance(self, subject: Subject) -> float:
        """Return the chance, 0 to 1."""
        true, false = self._counts.get(subject, (1.0, 1.0))
        return true / (true + false)

    def judge(self, subject: Subject, *, came_true: bool) -> None:
        """Learn how one guess ended."""
        true, false = self._counts.pop(subject, (1.0, 1.0))
        if true + false >= _MEMORY:
            true, false = true / 2, false / 2
        self._counts[subject] = (true + 1, false) if came_true else (true, false + 1)
        if len(self._counts) > _MOST_SUBJECTS:
            self._counts.popitem(last=False)
