"""How a section and its workers talk: a question is a line of JSON, and so is its answer, which holds samples."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, TypeAlias

import msgspec

from benchmarks.place import Place
from benchmarks.results import Sample, Unable

__all__ = ["Answer", "Worker", "WorkerDied", "serve"]

Answer: TypeAlias = dict[str, Sample | Unable]
"""The samples by the names of those they are of, as a row has them."""

_decoder: Final = msgspec.json.Decoder(Answer)
_END_SECONDS: Final = 10.0


class WorkerDied(Exception):
    """A worker ended, or raised an error, which it has written to stderr, instead of answering."""


class Worker:
    """A process of `module`, which calls `serve`; it ends with the `with` block. `environment` is as `Place` has it."""

    def __init__(self, place: Place, module: str, **environment: str) -> None:
        self._module = module
        self._process = place.python(["-m", module], place.environment(**environment))

    def put(self, question: str, *arguments: object) -> None:
        """Ask without waiting, so that several workers do their work at once."""
        assert self._process.stdin is not None  # noqa: S101 -- for the type checker: it is a pipe
        try:
            self._process.stdin.write(msgspec.json.encode([question, *arguments]) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def take(self) -> Answer:
        """Return the answer to the oldest question that has none yet; raises WorkerDied."""
        assert self._process.stdout is not None  # noqa: S101 -- for the type checker: it is a pipe
        line = self._process.stdout.readline()
        if not line:
            raise self._died()
        return _decoder.decode(line)

    def ask(self, question: str, *arguments: object) -> Answer:
        """Return the answer to a question; raises WorkerDied."""
        self.put(question, *arguments)
        return self.take()

    def _died(self) -> WorkerDied:
        return WorkerDied(f"{self._module} ended with {self._process.wait(_END_SECONDS)} instead of answering.")

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        # By a signal: to free a million entries one by one would take seconds.
        self._process.terminate()
        self._process.wait(_END_SECONDS)


def serve(questions: Mapping[str, Callable[..., Answer]]) -> None:
    """Answer the questions that come on stdin until it ends; an error ends the process."""
    # What is imported by now is no garbage: to look through it between rounds takes longer than most rounds.
    gc.freeze()
    # Ctrl-C reaches every process of a terminal; what it ends is the run's business.
    with suppress(KeyboardInterrupt):
        for line in sys.stdin.buffer:
            question, *arguments = msgspec.json.decode(line)
            answer = questions[question](*arguments)
            sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
            sys.stdout.buffer.flush()
