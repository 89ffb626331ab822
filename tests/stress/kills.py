"""Writers killed one after another, each at a random moment of one write, while others read."""

from __future__ import annotations

import os
import queue
import random
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

import msgspec

import caching
from caching.invalidation import Invalidation
from caching.runtime import runtime
from restaurant.errors import DomainError
from tests.prove.checker import Stale, lags, stale_reads
from tests.prove.commitlog import commits_all, seq_known, seq_last
from tests.prove.crew import Answer, Crew, Job, Said
from tests.prove.history import Ack, Attempt, Journal, ListRead, Read, events_read, now
from tests.prove.targets import Target
from tests.prove.writes import WAYS, mark_fresh, write
from tests.stress.figures import Figures
from tests.stress.players import Player, Surroundings, forked, settled

__all__ = ["Kills"]

_MARK_SECONDS: Final = 0.2
# What was marked for that long is cached again before this has passed, however busy the machine.
_CACHED_SECONDS: Final = 10.0
# A part of those who are to be killed comes through: the last moments are drawn, too.
_BEYOND: Final = 1.1
# The others are killed by the clock. Of those killed by lines, that share is killed around the commit.
_BY_LINE_SHARE: Final = 0.6
_READERS_SECONDS: Final = 600.0

_FRAMEWORK: Final = str(Path(caching.__file__).parent)


class _Moment(NamedTuple):
    """When to kill: before the `line`th line that the framework runs, or `seconds` after the commit began."""

    line: int = 0
    seconds: float = 0.0


class _Usual(NamedTuple):
    """What an undisturbed write takes: lines before its commit and in all, seconds from there to the end."""

    lines_before: int
    lines: int
    seconds: float


class Kills:
    """`play` kills; afterwards `found` holds the stale reads, `uncached` the values that were never cached again."""

    def __init__(
        self,
        surroundings: Surroundings,
        targets: list[Target],
        *,
        far: Path | None,
        far_seconds: float,
        chance: random.Random,
        figures: Figures,
    ) -> None:
        self._surroundings = surroundings
        self._targets = targets
        self._far = far
        self._far_seconds = far_seconds
        self._chance = chance
        self._figures = figures
        self._born = 0
        self.found: list[Stale] = []
        self.uncached: list[Target] = []

    def play(self, count: int) -> None:
        began = now()
        writable = [target for target in self._targets if target.kind not in ("active", "page")]
        ways = {(target.kind, way): target for target in writable for way in range(len(WAYS[target.kind]))}
        usual = {
            (kind, way): _Writer(self._surroundings, "living", target, way).measured()
            for (kind, way), target in ways.items()
        }
        observer = _Observer(self._surroundings)
        readers = self._readers()
        try:
            # The next one gets ready while one is being killed.
            victims = [self._victim(writable[0], usual)]
            for number in range(count):
                victims.append(self._victim(writable[(number + 1) % len(writable)], usual))
                victim = victims.pop(0)
                if number >= len(writable):
                    self._see(observer, [victim.target])
                self._figures.acts["killed" if victim.dies() else "came through"] += 1
            victims[0].dies()
            self._see(observer, self._targets)
        finally:
            for reader in readers:
                reader.put_down()
            observer.end()
        self._judge(now() - began)

    def _see(self, observer: _Observer, targets: list[Target]) -> None:
        # A stale item keeps its lists out of the cache: of a protocol that is known to be broken nobody asks for more.
        if not self._surroundings.sabotage:
            self.uncached += [target for target in targets if not observer.is_cached(target)]

    def _victim(self, target: Target, usual: dict[tuple[str, int], _Usual]) -> _Writer:
        self._born += 1
        way = self._chance.randrange(len(WAYS[target.kind]))
        beyond = self._chance.uniform(0, _BEYOND)
        before, lines, seconds = usual[target.kind, way]
        if self._chance.random() < _BY_LINE_SHARE:
            first = before if self._chance.random() < _BY_LINE_SHARE else 0
            moment = _Moment(line=1 + first + int((lines - first) * beyond))
        else:
            moment = _Moment(seconds=seconds * beyond)
        return _Writer(self._surroundings, f"victim{self._born}", target, way, moment)

    def _readers(self) -> list[Player]:
        names = ["near", "other", *(["far"] if self._far else [])]
        readers = [Player(name, "readers", self._targets, pause=0.005, looks=0.5) for name in names]
        for reader in readers:
            own = {"STAMPS_DIR": str(self._far)} if reader.name == "far" else {}
            reader.start(self._surroundings, _READERS_SECONDS, **own)
        return readers

    def _judge(self, seconds: float) -> None:
        events = list(events_read(self._surroundings.history))
        commits = commits_all()
        allowed = {"far": self._far_seconds}
        self.found = stale_reads(commits, events, allowed)
        figures = self._figures
        figures.seconds = seconds
        figures.lags = lags(commits, events, "far")
        committed = {commit.mark for commit in commits}
        for event in events:
            if isinstance(event, Read | ListRead):
                figures.reads[event.reader.partition(".")[0]] += 1
            elif isinstance(event, Ack):
                figures.writes[event.way] += 1
            elif isinstance(event, Attempt) and event.writer != "living":
                figures.acts["committed" if event.mark in committed else "not committed"] += 1


class _Writer:
    """A process that is ready to write once, and dies at its moment; without one it lives and is measured."""

    def __init__(
        self, surroundings: Surroundings, name: str, target: Target, way: int, moment: _Moment | None = None
    ) -> None:
        self.target = target
        self._moment = moment
        await_go, self._go = os.pipe()
        self._told, tell = os.pipe()

        def work() -> None:
            # Threads of its own would take longer to start than the write takes; the stress has them.
            settled(surroundings, name, MARK_SECONDS=_MARK_SECONDS, BACKGROUND=False)
            # What is under test is the write alone.
            seq_last()
            assert runtime.stamps is not None
            if runtime.redis is not None:
                runtime.redis.execute([])
            journal = Journal(surroundings.history, name)
            mark = mark_fresh(name)
            os.read(await_go, 1)
            journal.add(Attempt(name, now(), mark))
            lines = _Lines(moment.line if moment else 0)

            def begin(invalidation: Invalidation, begin: Callable[[Invalidation], None] = Invalidation.begin) -> None:
                lines.before, lines.began = lines.count, now()
                os.write(tell, b" ")
                begin(invalidation)

            Invalidation.begin = begin  # type: ignore[method-assign]
            if moment is None or moment.line:
                sys.settrace(lines.trace)
            done = "refused"
            # An order may have become one that no longer changes.
            with suppress(DomainError):
                done = write(target, mark, way=way)
            sys.settrace(None)
            ended = now()
            journal.add(Ack(name, *reversed(seq_known(mark, ended)), done))
            os.write(tell, msgspec.json.encode(_Usual(lines.before, lines.count, ended - (lines.began or ended))))

        self._pid = forked(work)
        os.close(await_go)
        os.close(tell)

    def dies(self) -> bool:
        """Let it write, and kill it; returns whether it was killed, or came through before."""
        os.write(self._go, b"1")
        os.close(self._go)
        if self._moment and not self._moment.line:
            os.read(self._told, 1)
            end = now() + self._moment.seconds
            while now() < end:
                pass
            os.kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        os.close(self._told)
        return os.WIFSIGNALED(status)

    def measured(self) -> _Usual:
        """Let it write and live; returns what it took."""
        os.write(self._go, b"1")
        os.close(self._go)
        with os.fdopen(self._told, "rb") as told:
            took = msgspec.json.decode(told.read(), type=_Usual)
        os.waitpid(self._pid, 0)
        return took


class _Lines:
    """Counts the lines that the framework runs, and kills this process before one of them."""

    def __init__(self, last: int) -> None:
        self.count = 0
        #: Where and when the last commit began; 0: there was none, for the write was refused or changed nothing.
        self.before = 0
        self.began = 0.0
        self._last = last

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(_FRAMEWORK) else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.count += 1
            if self.count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._line


class _Observer:
    """A process of the host that reads what it is asked to until the cache answers."""

    def __init__(self, surroundings: Surroundings) -> None:
        asked, self._ask = os.pipe()
        told, tell = os.pipe()
        self._told = os.fdopen(told, "rb")

        def work() -> None:
            settled(surroundings, "observer")
            said: queue.SimpleQueue[Answer | Said] = queue.SimpleQueue()
            crew = Crew("observer", surroundings.history, said.put)
            with os.fdopen(asked, "rb") as questions:
                for line in questions:
                    os.write(tell, b"%d\n" % _hits(crew, said, msgspec.json.decode(line, type=Target)))

        self._pid = forked(work)
        os.close(asked)
        os.close(tell)

    def is_cached(self, target: Target) -> bool:
        """Whether the cache answers a read of it, in the end."""
        os.write(self._ask, msgspec.json.encode(target) + b"\n")
        return self._told.readline() == b"1\n"

    def end(self) -> None:
        os.close(self._ask)
        self._told.close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _hits(crew: Crew, said: queue.SimpleQueue[Answer | Said], target: Target) -> bool:
    end = now() + _CACHED_SECONDS
    while now() < end:
        crew.take(Job("eye", "read", [target]))
        answer = said.get()
        assert isinstance(answer, Answer), answer
        assert not answer.error, answer.error
        if answer.counts["hits"]:
            return True
    return False
