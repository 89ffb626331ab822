"""Processes forked from one that has loaded everything: born in milliseconds, and killed without regret."""

from __future__ import annotations

import logging
import os
import queue
import random
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from caching.runtime import runtime
from tests.prove import sabotage
from tests.prove.cast import ActorFailedError
from tests.prove.crew import Answer, Crew, Job, Said
from tests.prove.history import Done, Journal
from tests.prove.targets import Target

__all__ = ["Player", "Surroundings", "forked", "settled"]

_PATIENCE = 60.0


@dataclass(frozen=True)
class Surroundings:
    """What all players of a round share: the journals' directory, settings of the cache, what is switched off."""

    history: Path
    seed: str
    sabotage: str = ""
    caching: dict[str, Any] = field(default_factory=dict)


def forked(work: Callable[[], object]) -> int:
    """Call `work` in a child process; returns its id. The child ends with it: exit code 1 if it raised."""
    # A child must not touch, nor close, what its parent has open; and a parent that forks has no threads.
    connections.close_all()
    runtime.reset()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def settled(surroundings: Surroundings, name: str, **caching: Any) -> None:
    """Make this new process one of the round, with cache settings of its own."""
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True, **surroundings.caching, **caching}
    # What happens to Redis here is no news; nor is what happens where a part is missing.
    logging.disable(logging.ERROR if surroundings.sabotage else logging.WARNING)
    runtime.reset()
    random.seed(f"{surroundings.seed}-{name}")
    sabotage.install(surroundings.sabotage)


class Player:
    """One forked process that reads or writes at random: `what` is "readers" or "writers"; `options` as of `Job`."""

    def __init__(self, name: str, what: str, targets: list[Target], *, threads: int = 1, **options: Any) -> None:
        self.name = name
        self._jobs = [Job(f"{what}{number}", what, targets, **options) for number in range(threads)]
        self._pid = 0

    def start(self, surroundings: Surroundings, seconds: float, **caching: Any) -> None:
        def work() -> None:
            settled(surroundings, self.name, **caching)
            _play(self.name, surroundings, self._jobs, seconds)

        self._pid = forked(work)

    def stop(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill it; raises `ActorFailedError` when it had failed before."""
        os.kill(self._pid, signal.SIGKILL)
        self.end()

    def end(self) -> None:
        """Wait until it has ended; raises `ActorFailedError` when it failed by itself."""
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        if os.waitstatus_to_exitcode(status) > 0:
            raise ActorFailedError(f"{self.name} failed; what it said stands above.")

    def put_down(self) -> None:
        """Kill it if it lives, for the round is over."""
        if self._pid:
            with suppress(ActorFailedError):
                self.kill()


def _play(name: str, surroundings: Surroundings, jobs: list[Job], seconds: float) -> None:
    said: queue.SimpleQueue[Answer | Said] = queue.SimpleQueue()
    crew = Crew(name, surroundings.history, said.put)
    for job in jobs:
        job.seconds = seconds
        job.seed = f"{surroundings.seed}-{name}-{job.thread}"
        crew.take(job)
    for _ in jobs:
        _answer(said, seconds)
    crew.take(Job("counters", "counters"))
    Journal(surroundings.history, name).add(Done(name, _answer(said, 0).counts))


def _answer(said: queue.SimpleQueue[Answer | Said], seconds: float) -> Answer:
    answer = said.get(timeout=seconds + _PATIENCE)
    if not isinstance(answer, Answer) or answer.error:
        raise ActorFailedError(answer.error if isinstance(answer, Answer) else answer.point)
    return answer
