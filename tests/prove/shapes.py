"""The shapes that Redis comes in, as their operator sees them: each is lost and comes back in ways of its own."""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from caching.conf import DEFAULTS
from tests.faults.waiting import eventually
from tests.prove.history import now
from tests.servers.cluster import Cluster
from tests.servers.processes import Process, free_port
from tests.servers.rest_front import TOKEN
from tests.servers.sentinels import Trio

__all__ = ["SHAPES", "Loss", "Shape", "redis_option"]

_ROOT: Final = Path(__file__).resolve().parents[2]
# A failover that was asked for and came to nothing is given up by then.
_AGAIN_SECONDS: Final = 6.0


class Loss(NamedTuple):
    """A way to lose a server: what it is called, and whether what nobody else has heard of may be lost with it."""

    name: str
    lose: Callable[[], None]
    forgets: bool


class Shape(ABC):
    """A Redis that runs from the beginning until `end`. After a loss `regained` is asked until it says so.

    `environment` tells a site where it is. `far_seconds` is how far a reader on another host may be behind, as
    `CAVEATS.md` has it. So that it is of use in between, something is done to it `seldom` times seldomer than to one
    server; so that readers meet what others have read, they keep to `orgs` organisations. `can_alarm` is whether an
    auditor, who wants nobody to write what it suspects until readers elsewhere must know, is left that time.
    """

    title: str
    far_seconds: float = DEFAULTS["TRUST_SECONDS"]
    seldom: int = 1
    orgs: int = 2
    can_alarm: bool = True
    environment: dict[str, str]
    losses: Sequence[Loss]

    @property
    @abstractmethod
    def servers(self) -> list[Process]:
        """All that hold values."""

    @property
    def primaries(self) -> list[Process]:
        """Those that are written to."""
        return self.servers

    @abstractmethod
    def regained(self) -> bool:
        """Do what an operator does next, if it is time; return whether everything is as before."""

    @abstractmethod
    def end(self) -> None:
        """End all of its processes."""

    def regain(self) -> None:
        """Wait until everything is as before."""
        eventually(self.regained, f"{self.title}: what was lost does not come back")

    def flush(self) -> None:
        """Empty it."""
        for each in self.primaries:
            each.client.flushall()

    def disconnect(self) -> None:
        """Close every client's connection but our own."""
        for each in self.servers:
            each.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def tag(self, primary: Process) -> str:
        """Return how the name of a key begins that this primary has."""
        return ""


class _Alone(Shape):
    """One server; one that was killed returns empty."""

    title = "with Redis"

    def __init__(self) -> None:
        self._server = Process()
        self.environment = {"REDIS_URL": f"redis://127.0.0.1:{self._server.port}/0"}
        self.losses = (Loss("Redis killed", self._server.kill, forgets=True),)

    @property
    def servers(self) -> list[Process]:
        return [self._server]

    def regained(self) -> bool:
        if not self._server.runs:
            self._server.start()
        return True

    def end(self) -> None:
        self._server.end()


class _Replicated(Shape):
    """Primaries with a replica each, which takes over."""

    def __init__(self) -> None:
        # What the replica has not heard of is lost; so is everything when the primary is back before it is missed.
        self.losses: list[Loss] = [
            Loss("primary killed", self._kill, forgets=True),
            Loss("primary restarted", self._restart, forgets=True),
        ]
        # Who is down, and who is to be a primary before that one returns.
        self._lost: Process | None = None
        self._heir: Process | None = None

    @abstractmethod
    def _choose(self) -> tuple[Process, Process]:
        """Return a primary and its replica."""

    @abstractmethod
    def _is_promoted(self, heir: Process) -> bool:
        """Whether it is a primary and everybody knows."""

    @abstractmethod
    def _is_well(self) -> bool:
        """Whether every primary has its replica, and everybody knows."""

    def _kill(self) -> None:
        self._lost, self._heir = self._choose()
        self._lost.kill()

    def _restart(self) -> None:
        primary, _ = self._choose()
        primary.kill()
        primary.start()

    def regained(self) -> bool:
        if self._heir is not None and not self._is_promoted(self._heir):
            return False
        self._heir = None
        if self._lost is not None:
            self._lost.start()
            self._lost = None
        return self._is_well()


class _Clustered(_Replicated):
    """Three primaries, each with a replica."""

    title = "with a Redis Cluster"
    seldom = 2

    def __init__(self) -> None:
        super().__init__()
        # A replica that is asked to take over does so when it has heard everything.
        self.losses.append(Loss("handed over", self._hand_over, forgets=False))
        self._asked_at = 0.0
        self._cluster = Cluster(cluster_node_timeout="1500")
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self._cluster.nodes)
        self.environment = {"REDIS_URL": f"redis+cluster://{hosts}"}

    @property
    def servers(self) -> list[Process]:
        return [node for node in self._cluster.nodes if node.runs]

    @property
    def primaries(self) -> list[Process]:
        return list(self._cluster.primaries)

    def _choose(self) -> tuple[Process, Process]:
        primary = random.choice(self._cluster.primaries)
        return primary, self._cluster.replica_of(primary)

    def _hand_over(self) -> None:
        _, self._heir = self._choose()
        self._asked_at = 0.0

    def _is_promoted(self, heir: Process) -> bool:
        if heir in self.primaries:
            return True
        if self._lost is None and now() > self._asked_at + _AGAIN_SECONDS:
            heir.client.execute_command("CLUSTER", "FAILOVER")
            self._asked_at = now()
        return False

    def _is_well(self) -> bool:
        return 2 * len(self.primaries) == len(self._cluster.nodes) and self._cluster.is_well()

    def tag(self, primary: Process) -> str:
        return next(tag for tag in (f"{{{number}}}" for number in count()) if self._cluster.owner(tag) is primary)

    def end(self) -> None:
        self._cluster.end()


class _Watched(_Replicated):
    """A primary, a replica and three Sentinels, configured as docs/stores.md says, but quicker."""

    title = "with Redis under Sentinels"
    seldom = 4
    orgs = 1

    def __init__(self) -> None:
        super().__init__()
        self._trio = Trio("min-replicas-to-write 1", "min-replicas-max-lag 2", down_after=1000)
        self.environment = {"REDIS_URL": self._trio.url()}

    @property
    def servers(self) -> list[Process]:
        return [each for each in self._trio.servers if each.runs]

    @property
    def primaries(self) -> list[Process]:
        return [each for each in self.servers if each.client.info("replication")["role"] == "master"]

    def _choose(self) -> tuple[Process, Process]:
        (primary,) = self.primaries
        (replica,) = (each for each in self.servers if each is not primary)
        return primary, replica

    def _is_promoted(self, heir: Process) -> bool:
        return self._trio.is_promoted(heir)

    def _is_well(self) -> bool:
        return self._trio.is_well()

    def end(self) -> None:
        self._trio.end()


class _OverRest(Shape):
    """A service's front before a server: either is lost, and only what the server held is gone then."""

    title = "with Redis over REST"
    #: Nobody tells of other hosts' changes.
    far_seconds = DEFAULTS["LOCAL_TTL_WITHOUT_TRACKING"]
    seldom = 3
    orgs = 1
    can_alarm = False

    def __init__(self) -> None:
        self._server = Process()
        self._port = free_port()
        try:
            self._start_front()
        except BaseException:
            self._server.end()
            raise
        self.environment = {
            "UPSTASH_REDIS_REST_URL": f"http://127.0.0.1:{self._port}",
            "UPSTASH_REDIS_REST_TOKEN": TOKEN,
        }
        self.losses = (
            Loss("front killed", self._kill_front, forgets=False),
            Loss("Redis killed", self._server.kill, forgets=True),
        )

    @property
    def servers(self) -> list[Process]:
        return [self._server]

    def _start_front(self) -> None:
        # A process of its own: whoever forks has no threads.
        command = [sys.executable, "-m", "tests.servers.rest_front", str(self._server.port), str(self._port)]
        self._front: subprocess.Popen[bytes] | None = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE)
        assert self._front.stdout is not None
        assert self._front.stdout.readline(), "the front did not start"

    def _kill_front(self) -> None:
        if self._front is not None:
            self._front.kill()
            self._front.wait()
            assert self._front.stdout is not None
            self._front.stdout.close()
            self._front = None

    def regained(self) -> bool:
        if not self._server.runs:
            self._server.start()
        if self._front is None:
            self._start_front()
        return True

    def disconnect(self) -> None:
        """Close every connection, before the front and behind it."""
        assert self._front is not None
        os.kill(self._front.pid, signal.SIGUSR1)
        super().disconnect()

    def end(self) -> None:
        self._kill_front()
        self._server.end()


#: By the name that options know.
SHAPES: Final[dict[str, Callable[[], Shape]]] = {
    "server": _Alone,
    "cluster": _Clustered,
    "sentinel": _Watched,
    "rest": _OverRest,
}


def redis_option(options: argparse._ActionsContainer) -> None:
    """Let `--redis[=SHAPE]` be among the options; without it the shape is None."""
    options.add_argument(
        "--redis", nargs="?", choices=tuple(SHAPES), const="server", help="only with Redis; its shape (default: server)"
    )
