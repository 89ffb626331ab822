"""The director's side of the crews: in this process or in others, they are directed alike."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from tests.prove.crew import Answer, Crew, Go, Job, Message, Said

__all__ = ["Actor", "ActorFailedError", "Troupe"]

_PATIENCE = 60.0

_decoder: msgspec.json.Decoder[Answer | Said] = msgspec.json.Decoder(Answer | Said)

Post: TypeAlias = Callable[[Message], None]


class ActorFailedError(Exception):
    """A thread of a crew raised, said something unexpected or did not answer."""


class Actor:
    """One thread of a crew."""

    def __init__(self, troupe: Troupe, thread: str, via: str) -> None:
        self.name = f"{troupe.name}.{thread}"
        self._troupe = troupe
        self._thread = thread
        self.via = via

    def start(self, what: str, *targets: Any, **options: Any) -> None:
        """Give it a job (see `crew.Job`) and do not wait."""
        self._troupe.post(Job(self._thread, what, list(targets), via=self.via, **options))

    def arrives(self, point: str) -> None:
        """Wait until it stands at the gate."""
        event = self._next()
        if not isinstance(event, Said) or event.point != point:
            raise ActorFailedError(f"{self.name} should have come to {point}: {event}")

    def go(self) -> None:
        self._troupe.post(Go(self._thread))

    def done(self, patience: float = _PATIENCE) -> dict[str, int]:
        """Wait until the job is done and return its counts."""
        event = self._next(patience)
        if not isinstance(event, Answer) or event.error:
            raise ActorFailedError(f"{self.name} failed: {event.error if isinstance(event, Answer) else event}")
        return event.counts

    def do(self, what: str, *targets: Any, **options: Any) -> dict[str, int]:
        """Give it a job and wait for the end of it."""
        self.start(what, *targets, **options)
        return self.done()

    def _next(self, patience: float = _PATIENCE) -> Answer | Said:
        try:
            event = self._troupe.inbox(self._thread).get(timeout=patience)
        except queue.Empty:
            raise ActorFailedError(f"{self.name} says nothing.") from None
        if event is None:
            raise ActorFailedError(f"The process of {self.name} has ended.")
        return event


class Troupe:
    """The crew of one process, seen from outside."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.post: Post
        self._inboxes: dict[str, queue.SimpleQueue[Answer | Said | None]] = defaultdict(queue.SimpleQueue)

    def actor(self, thread: str, via: str = "") -> Actor:
        return Actor(self, thread, via)

    def inbox(self, thread: str) -> queue.SimpleQueue[Answer | Said | None]:
        return self._inboxes[thread]

    def hear(self, event: Answer | Said) -> None:
        self._inboxes[event.thread].put(event)

    @classmethod
    def here(cls, name: str, history: Path, site: int) -> Troupe:
        """Return a crew of threads of this process."""
        troupe = cls(name)
        troupe.post = Crew(name, history, troupe.hear, site=site).take
        return troupe

    @classmethod
    def there(cls, name: str, process: subprocess.Popen[bytes]) -> Troupe:
        """Return the crew of a process that runs `prove_crew`."""
        troupe = cls(name)
        assert process.stdin is not None
        stdin = process.stdin

        def post(message: Message) -> None:
            stdin.write(msgspec.json.encode(message) + b"\n")
            stdin.flush()

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                troupe.hear(_decoder.decode(line))
            for inbox in list(troupe._inboxes.values()):
                inbox.put(None)

        troupe.post = post
        threading.Thread(target=listen, name=f"hear-{name}", daemon=True).start()
        return troupe
