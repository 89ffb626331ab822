"""What is read after something else: a declaration that lets prediction load the one when the other is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from caching.keys import Part

__all__ = ["Follows"]


class Follows(NamedTuple):
    """Declares that a region's keys are asked for after keys of another one, `region` (its name).

    `parts` returns, of the other's snapshot, the parts of the key that follows, or None when none does; left out, the
    key has the same parts. The organisation is the same. `context` returns, of the snapshot, a word that the odds may
    depend on, such as a status: whether the one is asked for after the other is learnt for each of these words.
    """

    region: str
    parts: Callable[[Any], tuple[Part, ...] | None] | None = None
    context: Callable[[Any], str] | None = None
