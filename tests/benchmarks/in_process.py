"""A worker that works in the test's own process, on its database and caches; everything else is as it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from benchmarks.conversation import Answer
from caching.registry import registry

__all__ = ["InProcess", "own_regions", "patient", "workers_in_process"]


class InProcess:
    """Calls what the worker's `main` serves; `started` are the modules and environments of all."""

    started: list[tuple[str, dict[str, str]]]

    def __init__(self, place: object, module: str, **environment: str) -> None:
        self.started.append((module, environment))
        self._questions: dict[str, Callable[..., Answer]] = {}
        self._answers: deque[Answer] = deque()
        worker: Any = import_module(module)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(worker, "serve", self._questions.update)
            worker.main()

    def put(self, question: str, *arguments: Any) -> None:
        self._answers.append(self._questions[question](*arguments))

    def take(self) -> Answer:
        return self._answers.popleft()

    def ask(self, question: str, *arguments: Any) -> Answer:
        self.put(question, *arguments)
        return self.take()

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        assert not self._answers, "somebody asked and did not wait for the answer"


@pytest.fixture
def workers_in_process(monkeypatch, patient, own_regions):
    """Return a function that has a section start such workers, whose list it returns."""

    def of(section):
        monkeypatch.setattr(InProcess, "started", [], raising=False)
        monkeypatch.setattr(section, "Worker", InProcess)
        return InProcess.started

    return of


@pytest.fixture
def patient(settings):
    """Local copies live on a busy machine as long as a test does: nobody listens to Redis there."""
    settings.CACHING = {**settings.CACHING, "LOCAL_TTL_WITHOUT_TRACKING": 60.0}


@pytest.fixture
def own_regions():
    """What the worker declares is gone after the test."""
    before = set(registry.regions)
    yield
    for name in set(registry.regions) - before:
        registry.remove(registry.get(name))
