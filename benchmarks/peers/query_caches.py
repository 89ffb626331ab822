"""Caches of queries, which change Django itself: each is measured in a process of its own, round by round."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.conversation import Answer, Worker
from benchmarks.peers import Peer, Reading, absence
from benchmarks.peers.values import Value
from benchmarks.place import Place
from benchmarks.results import Sample, Unable

__all__ = ["QueryCache"]


class QueryCache(Peer):
    """`package`, whose Django application is `app`, in `benchmarks.workers.queries`: the rows as model instances."""

    def __init__(self, name: str, package: str, app: str, place: Place) -> None:
        self.name = name
        self._absence = absence(package, app)
        self._stack = ExitStack()
        if not self._absence:
            self._worker = self._stack.enter_context(Worker(place, "benchmarks.workers.queries", BENCH_APPS=app))

    def reading(self, value: Value) -> Reading:
        if self._absence:
            return self._absence
        unable = self._worker.ask("keep", value.name).get("kept")
        return unable if isinstance(unable, Unable) else _InWorker(self._worker, value.name)

    def close(self) -> None:
        """End the process."""
        self._stack.close()


class _InWorker:
    """Times the reads of one value in the worker, and doubts them when one of them was no hit."""

    def __init__(self, worker: Worker, name: str) -> None:
        self._worker = worker
        self._name = name
        self._queries = 0

    def seconds_per_call(self, calls: int) -> float:
        answer = self._worker.ask("time", self._name, calls)
        self._queries += int(_figure(answer, "queries"))
        return _figure(answer, "seconds")

    def doubt(self) -> Unable | None:
        return Unable(f"Its hits sent {self._queries} queries to the database.") if self._queries else None


def _figure(answer: Answer, name: str) -> float:
    sample = answer[name]
    if not isinstance(sample, Sample):
        raise RuntimeError(sample.why)
    return sample.median
