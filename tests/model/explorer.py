"""Visits every state that a small model can reach, and keeps a shortest way to each kind of violation."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

__all__ = ["Breach", "Case", "Model", "Outcome", "Step", "explore", "put"]

#: What was violated, in one letter or word, and how.
Breach = tuple[str, str]

#: What happens, the state after it, and what it violates, if anything.
Step = tuple[str, Any, Breach | None]

# A model that grows past this is a mistake, not a scope.
_MOST_STATES = 3_000_000


class Model(Protocol):
    """A start, and what may happen in each state; any of the steps may be next."""

    @property
    def start(self) -> Any: ...

    def steps(self, state: Any) -> Iterable[Step]: ...

    def at_rest(self, state: Any) -> Breach | None:
        """Judge a state in which nothing more can happen."""

    def canonical(self, state: Any) -> Hashable:
        """Return what is the same for states that differ only in the names of equal actors."""


class Case(NamedTuple):
    """A model in a scope, and the kinds of violations it must show: all of them, and no others.

    For a `broken` variant the kinds are those that prove it caught; it may show others too.
    """

    name: str
    model: Model
    shows: frozenset[str] = frozenset()
    broken: bool = False
    #: Visited by `python -m tests.model --big` alone.
    big: bool = False


@dataclass
class Outcome:
    """How many states were visited, how often each kind was violated, and the shortest trace of each kind."""

    states: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)

    def told(self) -> str:
        return "\n".join(f"{kind}: {trace}" for kind, trace in self.traces.items()) or "no violation"


def put(actors: tuple[Any, ...], index: int, actor: Any) -> tuple[Any, ...]:
    """Return the actors with one of them replaced."""
    return (*actors[:index], actor, *actors[index + 1 :])


def explore(model: Model, *, until: frozenset[str] = frozenset()) -> Outcome:
    """Search breadth first, to the end or (with `until`) until each of these kinds was seen."""
    start = model.start
    came_from: dict[Hashable, tuple[Hashable, str] | None] = {model.canonical(start): None}
    queue = deque([start])
    outcome = Outcome()

    def note(breach: Breach, state: Any, action: str) -> None:
        kind, what = breach
        outcome.counts[kind] = outcome.counts.get(kind, 0) + 1
        if kind not in outcome.traces:
            path = [what, action]
            came = came_from[model.canonical(state)]
            while came is not None:
                before, action = came
                path.append(action)
                came = came_from[before]
            outcome.traces[kind] = " > ".join(reversed(path))

    while queue and not (until and until <= outcome.counts.keys()):
        state = queue.popleft()
        known = model.canonical(state)
        moved = False
        for action, after, breach in model.steps(state):
            if breach is not None:
                note(breach, state, action)
            same = model.canonical(after)
            moved = moved or same != known
            if same not in came_from:
                came_from[same] = (known, action)
                queue.append(after)
        if not moved:
            breach = model.at_rest(state)
            if breach is not None:
                note(breach, state, "all is quiet")
        assert len(came_from) < _MOST_STATES, "the scope is too big"
    outcome.states = len(came_from)
    return outcome
