"""Processes of releases, on the test's database and Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from caching.runtime import runtime
from tests.caching.conftest import Child
from tests.releases.worker import serve

Start = Callable[..., "Process"]


class Process:
    """A process of a release; its methods are the commands of `tests/releases/worker.py`."""

    def __init__(self, *release: Any) -> None:
        self._child = Child(serve, *release)

    def __getattr__(self, command: str) -> Callable[..., Any]:
        def ask(*given: Any) -> Any:
            self._child.send((command, *given))
            return self._child.receive()

        return ask

    def end(self) -> None:
        self._child.close()


@pytest.fixture
def start(redis: Any, tmp_path: Path) -> Iterator[Start]:
    """Start a process of a release that changed something, on a host, with settings of its own."""
    started: list[Process] = []
    # A connection is nothing to share with a child.
    connections.close_all()
    runtime.reset()

    def _start(host: str = "one", change: str = "nothing", caching: Any = None, **others: Any) -> Process:
        stamps = tmp_path / host
        stamps.mkdir(exist_ok=True)
        started.append(Process(str(stamps), change, caching or {}, others))
        return started[-1]

    yield _start
    for each in started:
        each.end()
