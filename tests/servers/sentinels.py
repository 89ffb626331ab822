"""A primary, its replica and three Sentinels that watch them, all on the loopback and quick to act."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any

from redis.exceptions import ResponseError

from tests.faults.waiting import eventually
from tests.servers.certificates import Authority
from tests.servers.processes import Process, free_port

__all__ = ["Trio"]

_names = count(1)
# What takes seconds otherwise: hearing of each other, looking who is alive, agreeing. A busy machine is no reason to
# wait for half a minute (TILT).
_QUICK = (
    ("publish-period", "100"),
    ("info-period", "100"),
    ("ask-period", "100"),
    ("tilt-trigger", "60000"),
    ("tilt-period", "100"),
)


class Trio:
    """Two servers under three Sentinels; `down_after` are the milliseconds of silence after which they act.

    Every server gets the `lines` of configuration. The Sentinels have a password of their own if one is given. With an
    authority all of them speak TLS.
    """

    def __init__(
        self, *lines: str, password: str = "", down_after: int = 500, authority: Authority | None = None
    ) -> None:
        self.service = f"Tills-{next(_names)}"
        self.password = password
        self._authority = authority
        self.servers = [Process(*lines, authority=authority)]
        self.sentinels: list[Process] = []
        try:
            self.servers.append(Process(*lines, f"replicaof 127.0.0.1 {self.servers[0].port}", authority=authority))
            for _ in range(3):
                self._watch(down_after)
            eventually(self.is_well)
        except BaseException:
            self.end()
            raise

    def _watch(self, down_after: int) -> None:
        secret = [f"requirepass {self.password}"] if self.password else []
        each = Process(
            *secret,
            f"sentinel monitor {self.service} 127.0.0.1 {self.servers[0].port} 2",
            f"sentinel down-after-milliseconds {self.service} {down_after}",
            f"sentinel failover-timeout {self.service} 3000",
            port=free_port(),
            sentinel=True,
            authority=self._authority,
            password=self.password or None,
        )
        self.sentinels.append(each)
        # Redis 6.2 cannot be told to hurry.
        with suppress(ResponseError):
            for name, value in _QUICK:
                each.client.execute_command("SENTINEL", "DEBUG", name, value)

    def url(self, scheme: str = "redis+sentinel", user: str = "") -> str:
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        query = [f"sentinel_password={self.password}"] if self.password else []
        if self._authority is not None:
            scheme = f"rediss{scheme.removeprefix('redis')}"
            query.append(self._authority.query())
        return f"{scheme}://{user}{hosts}/{self.service}/0{'?' if query else ''}{'&'.join(query)}"

    def promoted(self, server: Process) -> None:
        """Return when all Sentinels that answer name this server as the primary, and it is."""
        eventually(lambda: self.is_promoted(server))

    def is_promoted(self, server: Process) -> bool:
        """Whether all Sentinels that answer name this server as the primary, and it is."""
        named = all(int(self._state(each)["port"]) == server.port for each in self.sentinels)
        return named and server.client.info("replication")["role"] == "master"

    def end(self) -> None:
        for process in (*self.sentinels, *self.servers):
            process.end()

    def is_well(self) -> bool:
        """Whether one is the primary, has a replica that hears it, and every Sentinel knows both and the others."""
        primaries = {
            each.port: replication
            for each in self.servers
            if each.runs and (replication := each.client.info("replication"))["role"] == "master"
        }
        states = [self._state(each) for each in self.sentinels]
        # A server is known when it was asked who it is: before that it is not promoted.
        return (
            {int(each["port"]) for each in states} == set(primaries)
            and all(replication.get("slave0", {}).get("state") == "online" for replication in primaries.values())
            and all((each["num-slaves"], each["num-other-sentinels"]) == ("1", "2") for each in states)
            and all(self._replica_is_seen(each) for each in self.sentinels)
        )

    def _state(self, sentinel: Process) -> dict[str, str]:
        return _pairs(sentinel.client.execute_command("SENTINEL", "MASTER", self.service))

    def _replica_is_seen(self, sentinel: Process) -> bool:
        found = [_pairs(each) for each in sentinel.client.execute_command("SENTINEL", "REPLICAS", self.service)]
        return all(each.get("master-link-status") == "ok" for each in found)


def _pairs(answer: Any) -> dict[str, str]:
    if isinstance(answer, dict):
        return {_text(name): _text(value) for name, value in answer.items()}
    words = [_text(each) for each in answer]
    return dict(zip(words[::2], words[1::2], strict=True))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
