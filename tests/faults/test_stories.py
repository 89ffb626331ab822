"""One story for every trouble: it begins, reads and writes go on, it ends, and nobody ever sees anything old."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from caching.runtime import runtime
from tests.faults.hosts import Host
from tests.faults.proxy import Proxy
from tests.faults.servers import Server
from tests.faults.stage import Stage
from tests.faults.troubles import TROUBLES, Trouble

pytestmark = pytest.mark.django_db(transaction=True)

# How long a request waits where a time-out is part of the story. A busy machine may need longer to answer than this:
# the story allows for an outage that was none before the trouble and after it.
_BUDGET = 0.2


@pytest.fixture
def stage(trouble: Trouble, server: Server, proxy: Proxy, set_stage: Callable[..., Stage]) -> Stage:
    return set_stage(server, proxy, server.port, budget=_BUDGET if trouble.waits else 30.0)


class Changes(logging.Handler):
    """What the breaker of this host says: "opened" and "closed"."""

    def __init__(self, other: Host) -> None:
        super().__init__()
        self._other = other
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = {"Redis is left alone": "opened", "Redis answers again": "closed"}
        if not self._other.is_here:
            self.heard += [word for start, word in said.items() if record.getMessage().startswith(start)]


@pytest.fixture
def changes(stage: Stage) -> Iterator[Changes]:
    changes = Changes(stage.other)
    logging.getLogger("caching").addHandler(changes)
    yield changes
    logging.getLogger("caching").removeHandler(changes)


@pytest.mark.parametrize(
    ("trouble", "first"),
    [
        pytest.param(trouble, first, id=f"{name}, {first} first")
        for name, trouble in TROUBLES.items()
        for first in ("read", "write")[: 1 + trouble.opens]
    ],
)
def test_the_story_of_a_trouble(stage: Stage, trouble: Trouble, first: str, changes: Changes) -> None:
    stage.settle()
    stage.check_elsewhere()
    trouble.begin(stage.server, stage.proxy)

    steps = [stage.check_all, stage.write]
    assert sum(step() for step in (steps if first == "read" else steps[::-1])) == trouble.waits
    assert runtime.breaker.closed != trouble.opens
    # Whoever comes now waits for nobody, and the others are told what this host cannot tell Redis.
    for _ in range(2):
        assert stage.check_all() == 0
        stage.check_elsewhere()
        assert stage.write() == 0
    assert runtime.breaker.closed != trouble.opens

    trouble.end(stage.server, stage.proxy)
    stage.settle()
    stage.check_elsewhere()
    with stage.other.here():
        stage.settle()
        stage.write()
    stage.settle()
    # One line per change, not one per call.
    assert changes.heard == ["opened", "closed"] * runtime.breaker.describe()["trips"]
