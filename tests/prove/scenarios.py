"""Interleavings that chance alone would seldom bring about, each played by threads that are stopped at gates."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.prove.cast import Actor, ActorFailedError, Troupe
from tests.prove.gates import COMMITTED, LOADED, MARKED
from tests.prove.history import now
from tests.prove.shapes import Shape
from tests.prove.targets import Target
from tests.prove.writes import WAYS

__all__ = ["SCENARIOS", "Scenario", "Stage"]

# Marks that a scenario waits out last this long.
_SHORT_MARK = 0.25
_PATIENCE = 15.0

_ALL = ("profile", "order", "active", "balance", "bill", "summary")
# Values with keys of their own: a write of what a list holds changes the epoch of all lists instead.
_SINGLE = ("profile", "order", "balance", "bill", "summary")
# What clients of the API write, and what its admin pages do.
_BY_API = ("profile", "order", "active", "balance")
_BY_FORM = ("profile", "order")


class Stage(NamedTuple):
    """Who plays, on what.

    `readers` are in all processes, `fillers` those whose loads can be stopped, `writers` in two processes; `clients`
    write through the API and the admin pages;
    `victim` starts a process that may be killed; `redis` is None without Redis.
    """

    chance: random.Random
    targets: Sequence[Target]
    readers: Sequence[Actor]
    fillers: Sequence[Actor]
    writers: Sequence[Actor]
    clients: Sequence[Actor]
    victim: Callable[[], tuple[Troupe, subprocess.Popen[bytes]]]
    redis: Shape | None

    def target(self, kinds: Sequence[str]) -> Target:
        return self.chance.choice([target for target in self.targets if target.kind in kinds])

    @property
    def servers(self) -> Shape:
        """Redis, where a scenario needs it."""
        assert self.redis is not None
        return self.redis

    def two_writers(self) -> list[Actor]:
        return self.chance.sample(list(self.writers), 2)

    def all_read(self, target: Target, times: int = 1) -> None:
        """Let every reader read, in any order."""
        for reader in self.chance.sample(list(self.readers), len(self.readers)):
            reader.do("read", *[target] * times)

    def all_hit(self, target: Target) -> None:
        """Let the readers that can tell read until each was answered by the cache."""
        for reader in self.fillers:
            end = now() + _PATIENCE
            while not reader.do("read", target)["hits"]:
                if now() > end:
                    raise ActorFailedError(f"{reader.name} is never answered by the cache.")


class Scenario(NamedTuple):
    """A play for some kinds of targets, and the sabotages that it is sure to expose."""

    play: Callable[[Stage, Target], None]
    kinds: Sequence[str]
    exposes: frozenset[str] = frozenset()
    needs_redis: bool = False


def written(stage: Stage, target: Target) -> None:
    """Everybody has a copy; a write is acknowledged; everybody reads."""
    stage.all_read(target, 2)
    stage.two_writers()[0].do("write", target, way=0)
    stage.all_read(target)


def every_way(stage: Stage, target: Target) -> None:
    """Each way of writing a value of this kind in turn; everybody has a copy before, and reads afterwards."""
    writer = stage.two_writers()[0]
    for way in range(len(WAYS[target.kind])):
        stage.all_read(target)
        writer.do("write", target, way=way)
        stage.all_read(target)
    for client in stage.clients:
        if target.kind in (_BY_API if client.via == "api" else _BY_FORM):
            client.do("write", target)
            stage.all_read(target)


def stopped_after_commit(stage: Stage, target: Target) -> None:
    """Everybody has a copy; a writer has committed and done nothing since; everybody reads, who has seen the commit."""
    stage.all_read(target, 2)
    writer = stage.two_writers()[0]
    writer.start("write", target, way=0, gates=[COMMITTED])
    writer.arrives(COMMITTED)
    stage.all_read(target, 2)
    writer.go()
    writer.done()
    stage.all_read(target)


def stopped_before_fill(stage: Stage, target: Target) -> None:
    """A reader has loaded; a writer comes and goes; the reader fills; everybody reads."""
    writer = stage.two_writers()[0]
    writer.do("write", target, way=0)
    filler = stage.chance.choice(stage.fillers)
    filler.start("read", target, gates=[LOADED])
    filler.arrives(LOADED)
    writer.do("write", target, way=0)
    filler.go()
    filler.done()
    stage.all_read(target, 2)


def slow_commit(stage: Stage, target: Target) -> None:
    """A commit takes longer than its marks last; what was filled meanwhile must be gone once it is acknowledged."""
    writer = stage.two_writers()[0]
    writer.start("write", target, way=0, gates=[MARKED], mark_seconds=_SHORT_MARK)
    writer.arrives(MARKED)
    stage.all_hit(target)
    writer.go()
    writer.done()
    stage.all_read(target)


def lost_mark(stage: Stage, target: Target) -> None:
    """Redis loses everything between a writer's mark and its COMMIT; what was filled then must be gone afterwards."""
    writer = stage.two_writers()[0]
    writer.start("write", target, way=0, gates=[MARKED])
    writer.arrives(MARKED)
    stage.servers.flush()
    stage.all_read(target, 2)
    writer.go()
    writer.done()
    stage.all_read(target)


def lost_server(stage: Stage, target: Target) -> None:
    """A server of Redis is lost in each way; a write is acknowledged before it is back; everybody reads, and after."""
    for loss in stage.servers.losses:
        stage.all_read(target, 2)
        loss.lose()
        stage.two_writers()[0].do("write", target, way=0)
        stage.all_read(target)
        stage.servers.regain()
        stage.all_read(target)
        stage.all_hit(target)
        stage.all_read(target)


def lost_server_with_a_mark(stage: Stage, target: Target) -> None:
    """A writer has marked when a server is lost; it is back, and all is cached again; then comes the COMMIT."""
    for loss in stage.servers.losses:
        writer = stage.two_writers()[0]
        writer.start("write", target, way=0, gates=[MARKED], mark_seconds=_SHORT_MARK)
        writer.arrives(MARKED)
        loss.lose()
        stage.servers.regain()
        stage.all_hit(target)
        writer.go()
        writer.done()
        stage.all_read(target)


def overlapping_writers(stage: Stage, target: Target) -> None:
    """The second writer has marked when the first takes its mark off; readers try to fill; the second commits."""
    first, second = stage.two_writers()
    first.start("write", target, way=0, gates=[COMMITTED])
    first.arrives(COMMITTED)
    second.start("write", target, way=0, gates=[MARKED, COMMITTED])
    second.arrives(MARKED)
    first.go()
    first.done()
    stage.all_read(target, 2)
    second.go()
    second.arrives(COMMITTED)
    stage.all_read(target)
    second.go()
    second.done()
    stage.all_read(target)


def killed(stage: Stage, target: Target) -> None:
    """A writer is killed just before or after its COMMIT; everybody reads, and again once its marks ran out."""
    stage.all_read(target, 2)
    troupe, process = stage.victim()
    writer = troupe.actor("writer")
    point = stage.chance.choice([MARKED, COMMITTED])
    writer.start("write", target, way=0, gates=[point], mark_seconds=_SHORT_MARK)
    writer.arrives(point)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stage.all_read(target, 2)
    stage.all_hit(target)
    stage.all_read(target)


def rolled_back(stage: Stage, target: Target) -> None:
    """A writer changes its mind; nobody sees what it wrote."""
    stage.all_read(target, 2)
    stage.two_writers()[0].do("write", target, way=-1)
    stage.all_read(target)


SCENARIOS = (
    Scenario(written, _ALL, frozenset({"stamps"})),
    *(Scenario(every_way, (kind,)) for kind in _ALL),
    Scenario(stopped_after_commit, _ALL, frozenset({"mark"})),
    Scenario(stopped_before_fill, _SINGLE, frozenset({"lease"})),
    Scenario(stopped_before_fill, ("active",)),
    Scenario(slow_commit, _ALL, frozenset({"unmark"})),
    Scenario(lost_mark, _ALL, needs_redis=True),
    Scenario(lost_server, _ALL, needs_redis=True),
    Scenario(lost_server_with_a_mark, _ALL, needs_redis=True),
    Scenario(overlapping_writers, _ALL, frozenset({"second-writer"})),
    Scenario(killed, _ALL),
    Scenario(rolled_back, _ALL),
)
