"""The threads of one process that read and write as they are told, and say where they stand."""

from __future__ import annotations

import queue
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from django.conf import settings
from django.db import connections

from caching.runtime import runtime
from restaurant.errors import DomainError
from tests.prove.commitlog import seq_known
from tests.prove.gates import renewing, stopping_at
from tests.prove.history import Ack, Attempt, Journal, now
from tests.prove.targets import Target, target_observed, target_read
from tests.prove.web import SiteClient, SiteConflictError
from tests.prove.writes import mark_fresh, write

__all__ = ["Answer", "Crew", "Go", "Job", "Message", "Said"]

# A crew whose director is gone must not wait for ever.
_PATIENCE = 60.0
_ROLLBACK_SHARE = 0.1
_MARK_SECONDS = 5.0


class Job(msgspec.Struct, tag=True):
    """What a thread is to do.

    `what` is "read" or "write" (`targets`, in order), "readers" or "writers" (random ones of `targets`, for `seconds`),
    or "counters". `pause` is how many seconds a random reader rests at most, and `looks` the share of its reads before
    which it looks into the database. A thread stops at each of `gates` until it is told to go. `mark_seconds` changes,
    for the whole process and from then on, how long marks last; nobody renews those that last less than usual, for they
    are the marks of a process that stands still. `way` chooses among the ways of writing. `via` "api" or
    "admin" does it as a client of the site.
    """

    thread: str
    what: str
    targets: list[Target] = []
    gates: list[str] = []
    seconds: float = 0.0
    pause: float = 0.002
    looks: float = 1.0
    seed: str = ""
    mark_seconds: float = _MARK_SECONDS
    way: int | None = None
    via: str = ""


class Go(msgspec.Struct, tag=True):
    """Let a thread that stands at a gate go on."""

    thread: str


Message: TypeAlias = Job | Go


class Answer(msgspec.Struct, tag=True):
    """A thread is done: how often it did what, or why it failed."""

    thread: str
    counts: dict[str, int] = {}
    error: str = ""


class Said(msgspec.Struct, tag=True):
    """A thread stands at a gate."""

    thread: str
    point: str


class Crew:
    """Does jobs, each named thread one after another; `tell` is called from these threads.

    `site` is the port of the site, for jobs that are done as its client.
    """

    def __init__(self, name: str, history: Path, tell: Callable[[Answer | Said], None], *, site: int = 0) -> None:
        self.name = name
        self._tell = tell
        self._site = site
        self._clients = threading.local()
        self._journal = Journal(history, name)
        self._jobs: dict[str, queue.SimpleQueue[Job]] = {}
        self._gates: dict[str, threading.Semaphore] = {}

    def take(self, message: Message) -> None:
        """Start a job, in a thread made for it if need be, or let one go on."""
        thread = message.thread
        if thread not in self._jobs:
            self._jobs[thread] = queue.SimpleQueue()
            self._gates[thread] = threading.Semaphore(0)
            threading.Thread(target=self._work, args=(thread,), name=thread, daemon=True).start()
        if isinstance(message, Go):
            self._gates[thread].release()
        else:
            self._jobs[thread].put(message)

    def _work(self, thread: str) -> None:
        while True:
            job = self._jobs[thread].get()
            try:
                with stopping_at(job.gates, partial(self._stop, thread)):
                    counts = dict(getattr(self, f"_{job.what}")(job))
            except Exception:  # whatever it was, the director must hear of it
                self._tell(Answer(thread, error=traceback.format_exc()))
                connections.close_all()
            else:
                self._tell(Answer(thread, counts))

    def _stop(self, thread: str, point: str) -> None:
        self._tell(Said(thread, point))
        self._gates[thread].acquire(timeout=_PATIENCE)

    def _name(self, job: Job) -> str:
        return f"{self.name}.{job.thread}"

    def _client(self) -> SiteClient:
        if not hasattr(self._clients, "mine"):
            self._clients.mine = SiteClient(self._site)
        client: SiteClient = self._clients.mine
        return client

    def _read(self, job: Job) -> dict[str, int]:
        before = self._hits()
        for target in job.targets:
            self._read_one(job, target)
        return {"hits": self._hits() - before}

    def _read_one(self, job: Job, target: Target, seen: int | None = None) -> int:
        fetch = self._client().fetch if job.via else target_read
        read = target_observed(self._name(job), target, fetch, seen=seen)
        self._journal.add(read)
        return read.seen

    def _hits(self) -> int:
        counters = runtime.statistics.process().values()
        return sum(each["local_hits"] + each["redis_hits"] for each in counters)

    def _write(self, job: Job) -> dict[str, int]:
        self._marks_last(job.mark_seconds)
        for target in job.targets:
            self._write_one(job, target, job.way)
        return {"writes": len(job.targets)}

    def _marks_last(self, seconds: float) -> None:
        (renewing.clear if seconds < _MARK_SECONDS else renewing.set)()
        settings.CACHING = {**settings.CACHING, "MARK_SECONDS": seconds}

    def _write_one(self, job: Job, target: Target, way: int | None) -> None:
        mark = mark_fresh(self._name(job))
        self._journal.add(Attempt(self._name(job), now(), mark))
        if job.via == "api":
            done = self._client().write(target, mark)
        elif job.via == "admin":
            done = self._client().write_by_form(target, mark)
        else:
            done = write(target, mark, way=way)
        seq, at = seq_known(mark, now())
        self._journal.add(Ack(self._name(job), at, seq, done))

    def _readers(self, job: Job) -> dict[str, int]:
        chance = random.Random(job.seed)
        reads = 0
        seen: int | None = None
        for target in self._chosen(job, chance):
            seen = self._read_one(job, target, None if chance.random() < job.looks else seen)
            reads += 1
            if job.pause:
                time.sleep(chance.uniform(0, job.pause))
        return {"reads": reads}

    def _writers(self, job: Job) -> dict[str, int]:
        chance = random.Random(job.seed)
        self._marks_last(job.mark_seconds)
        writes = 0
        for target in self._chosen(job, chance):
            # Others change the same orders, so that a move may have become illegal.
            with suppress(DomainError, SiteConflictError):
                self._write_one(job, target, -1 if chance.random() < _ROLLBACK_SHARE else job.way)
                writes += 1
            time.sleep(chance.uniform(0, 0.02))
        return {"writes": writes}

    def _chosen(self, job: Job, chance: random.Random) -> Iterator[Target]:
        end = now() + job.seconds
        while now() < end:
            yield chance.choice(job.targets)

    def _counters(self, job: Job) -> dict[str, int]:
        totals: dict[str, Any] = {}
        for numbers in runtime.statistics.process().values():
            for name, number in numbers.items():
                totals[name] = totals.get(name, 0) + number
        return totals
