"""All models and their cases."""

from __future__ import annotations

from collections.abc import Sequence

from tests.model import epochs_in_memory, flights, host_memory, listening, outbox, redis_protocol
from tests.model.explorer import Case, Outcome, explore

__all__ = ["CASES", "settled"]

#: The cases of each model, by what it is about.
CASES: dict[str, Sequence[Case]] = {
    "Redis": redis_protocol.CASES,
    "local memory of a host": host_memory.CASES,
    "listening": listening.CASES,
    "epochs in memory": epochs_in_memory.CASES,
    "single flight": flights.CASES,
    "outbox": outbox.CASES,
}


def settled(case: Case) -> tuple[Outcome, bool]:
    """Visit the case's states; return the outcome, and whether it is the expected one."""
    outcome = explore(case.model, until=case.shows if case.broken else frozenset())
    shown = outcome.counts.keys()
    return outcome, bool(case.shows) and case.shows <= shown if case.broken else shown == case.shows
