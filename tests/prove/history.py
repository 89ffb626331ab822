"""What a run leaves behind: each process appends what it saw to a file of its own, a line per event."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec

__all__ = ["Ack", "Attempt", "Commit", "Done", "Event", "Journal", "ListRead", "Read", "events_read", "now"]


def now() -> float:
    """Seconds on a clock that all processes of a host share and that is never set."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


class Commit(msgspec.Struct, frozen=True):
    """One committed change of the value `key`; `seq` rises in the order of the commits.

    `token` is what a reader of the value sees of it. An order stands in lists, too: `lists` names those it was in from
    then on. `mark` is the text by which its writer is known.
    """

    seq: int
    key: str
    token: str
    lists: tuple[str, ...] = ()
    mark: str = ""


class Attempt(msgspec.Struct, frozen=True, tag=True):
    """At `at` a writer began to write what bears `mark`; whether it was committed, the database knows."""

    writer: str
    at: float
    mark: str


class Ack(msgspec.Struct, frozen=True, tag=True):
    """By the time `at` the writer knew that commit `seq` was done; `way` says how it wrote."""

    writer: str
    at: float
    seq: int
    way: str = ""


class Read(msgspec.Struct, frozen=True, tag=True):
    """A read of `key` begun at `began`, by a reader that had seen commit `seen` in the database itself before.

    `token` is what it got, None for "no such row"; `ended` is when (None: nobody looked at the clock).
    """

    reader: str
    key: str
    began: float
    seen: int
    token: str | None
    ended: float | None = None


class ListRead(msgspec.Struct, frozen=True, tag=True):
    """A read of the list `key`: `tokens` holds what stood in it, by the items' own keys."""

    reader: str
    key: str
    began: float
    seen: int
    tokens: dict[str, str]
    ended: float | None = None


class Done(msgspec.Struct, frozen=True, tag=True):
    """A process came to its end, having counted this."""

    name: str
    counts: dict[str, int]


Event: TypeAlias = Attempt | Ack | Read | ListRead | Done

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Journal:
    """The append-only file of one process; a line is written in one call, so a kill leaves at most one torn."""

    def __init__(self, directory: Path, name: str) -> None:
        path = directory / f"{name}-{os.getpid()}.events"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def add(self, event: Event) -> None:
        os.write(self._descriptor, msgspec.json.encode(event) + b"\n")


def events_read(directory: Path) -> Iterator[Event]:
    """Yield what all processes wrote; the torn last line of a killed one is passed over."""
    for path in sorted(directory.glob("*.events")):
        for line in path.read_bytes().split(b"\n")[:-1]:
            yield _decoder.decode(line)
