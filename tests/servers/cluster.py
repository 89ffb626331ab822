"""A Redis Cluster on this machine: primaries, each with a replica or none; slots move, servers are lost and join."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

from redis.crc import key_slot
from redis.exceptions import RedisError

from tests.faults.waiting import eventually
from tests.servers.acl import NAME, USER, make_user
from tests.servers.certificates import Authority
from tests.servers.processes import Process, free_port

__all__ = ["Cluster", "Node"]

_SLOTS = 16_384


class Node(Process):
    """One server of a cluster; `client` follows no redirection."""

    def __init__(self, *lines: str, authority: Authority | None = None) -> None:
        # The servers talk to each other 10,000 above.
        super().__init__("cluster-enabled yes", *lines, port=free_port(10_000), authority=authority)
        self.id: str = self.client.execute_command("CLUSTER", "MYID").decode()

    def says(self, *words: Any) -> Any:
        """Return the answer to a command."""
        return self.client.execute_command(*words)

    def says_asking(self, *words: Any) -> Any:
        """Return the answer to a command about a key that is on its way here."""
        self.says("ASKING")
        return self.says(*words)

    @property
    def is_primary(self) -> bool:
        return bool(self.client.info("replication")["role"] == "master")


class Cluster:
    """Runs from the beginning until `end`: `nodes` are the first primaries and then their replicas, in that order.

    With an authority all of them speak TLS.
    """

    def __init__(
        self, primaries: int = 3, *, replicas: bool = True, authority: Authority | None = None, **config: str
    ) -> None:
        self._authority = authority
        config = {"cluster_node_timeout": "1000", **config}
        self._lines = [f"{name.replace('_', '-')} {value}" for name, value in config.items()]
        self.nodes: list[Node] = []
        try:
            for _ in range(primaries * (1 + replicas)):
                self.add()
            first = self.nodes[:primaries]
            for number, node in enumerate(first):
                begin, end = (_SLOTS * each // primaries for each in (number, number + 1))
                node.says("CLUSTER", "ADDSLOTS", *range(begin, end))
            for node, replica in zip(first, self.nodes[primaries:], strict=False):
                eventually(partial(self._obeys, node, replica))
            self.settle()
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.end()

    @staticmethod
    def _obeys(node: Node, replica: Node) -> bool:
        with suppress(RedisError):
            # Not before it has heard of the other.
            return bool(replica.says("CLUSTER", "REPLICATE", node.id))
        return False

    def add(self) -> Node:
        """Start one more server, which has no slots yet."""
        node = Node(*self._lines, authority=self._authority)
        node.says("CLUSTER", "SET-CONFIG-EPOCH", len(self.nodes) + 1)
        if self.nodes:
            node.says("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        self.nodes.append(node)
        self._let_in(node)
        return node

    @staticmethod
    def _let_in(node: Node) -> None:
        make_user(node.client)
        node.says("ACL", "SETUSER", NAME, "+cluster|nodes", "+asking")

    def knows(self, node: Node) -> bool:
        """Whether all others have heard of it."""
        return all(node.id.encode() in each.says("CLUSTER", "NODES") for each in self.nodes if each.runs)

    def remove(self, node: Node) -> None:
        """End a server without slots, and have the others forget it."""
        node.end()
        self.nodes.remove(node)
        for each in self.nodes:
            if each.runs:
                each.says("CLUSTER", "FORGET", node.id)

    def settle(self) -> None:
        """Wait until all that run agree, every slot is served and every replica has what its primary has."""
        eventually(self.is_well, "the cluster does not get well")

    def is_well(self) -> bool:
        """Whether all that run agree, every slot is served and every replica has what its primary has."""
        running = [node for node in self.nodes if node.runs]
        said = set()
        with suppress(RedisError):
            for node in running:
                if b"cluster_state:ok" not in node.says("CLUSTER", "INFO"):
                    return False
                replication = node.client.info("replication")
                if replication["role"] == "slave" and replication["master_link_status"] != "up":
                    return False
                said.add(self._owners(node))
            return len(said) == 1
        return False

    @staticmethod
    def _owners(node: Node) -> tuple[Any, ...]:
        # From which slot to which, whose, and who stands in for it.
        return tuple(
            sorted((begin, end, *(each[2] for each in nodes)) for begin, end, *nodes in node.says("CLUSTER", "SLOTS"))
        )

    def owner(self, key: str) -> Node:
        """Return the primary of that key's slot, as the cluster sees it."""
        slot, asker = key_slot(key.encode()), next(node for node in self.nodes if node.runs)
        for begin, end, (_, port, *_), *_ in asker.says("CLUSTER", "SLOTS"):
            if begin <= slot <= end:
                return next(node for node in self.nodes if node.port == port)
        raise LookupError(key)

    def replica_of(self, primary: Node) -> Node:
        return next(
            node
            for node in self.nodes
            if node.runs and not node.is_primary and node.client.info("replication")["master_port"] == primary.port
        )

    def flush(self) -> None:
        for node in self.primaries:
            node.client.flushall()

    # --- a slot moves, key by key, as redis-cli does it -------------------------------------------------------------

    def begin_move(self, slot: int, source: Node, target: Node) -> None:
        target.says("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.says("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)

    def move_key(self, name: bytes | str, source: Node, target: Node) -> None:
        source.says("MIGRATE", "127.0.0.1", target.port, name, 0, 5000)

    def keys_of(self, slot: int, source: Node) -> list[bytes]:
        return list(source.says("CLUSTER", "GETKEYSINSLOT", slot, 1000))

    def end_move(self, slot: int, source: Node, target: Node) -> None:
        """Move what is left, and have everybody know."""
        while keys := self.keys_of(slot, source):
            for name in keys:
                self.move_key(name, source, target)
        target.says("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        for node in self.primaries:
            # Who has heard of it already, and has no slots left, is a replica now.
            with suppress(RedisError):
                node.says("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        self.settle()

    def mend(self) -> None:
        """Let no slot be on its way any more."""
        for node in self.primaries:
            for slot in re.findall(rb"\[(\d+)-[<>]-", node.says("CLUSTER", "NODES")):
                node.says("CLUSTER", "SETSLOT", int(slot), "STABLE")

    def move(self, slot: int, source: Node, target: Node) -> None:
        self.begin_move(slot, source, target)
        self.end_move(slot, source, target)

    def begin_migration(self, slot: int, source: Node, target: Node) -> None:
        """Let the servers move a slot as a whole (Valkey 9): the target is its owner from one moment to the next."""
        source.says("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.id)

    def migrates(self, source: Node) -> bool:
        """Whether a slot that this one was to give away is still on its way; raises when it will not go."""
        said = source.says("CLUSTER", "GETSLOTMIGRATIONS")[0]
        state = said[b"state"]
        assert state not in (b"failed", b"cancelled"), said
        return bool(state != b"success")

    @property
    def primaries(self) -> list[Node]:
        return [node for node in self.nodes if node.runs and node.is_primary]

    def url(self) -> str:
        """What REDIS_URL is, for the user who may do no more than the documentation says."""
        for node in self.nodes:
            self._let_in(node)
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        if self._authority is None:
            return f"redis+cluster://{USER}{hosts}"
        return f"rediss+cluster://{USER}{hosts}?{self._authority.query()}"

    @property
    def location(self) -> list[str]:
        """What LOCATION of a cache is."""
        return [f"redis://127.0.0.1:{node.port}/0" for node in self.nodes]

    def location_of_user(self) -> list[str]:
        """The same, for the user who may do no more than the documentation says."""
        for node in self.nodes:
            self._let_in(node)
        return [f"redis://{USER}127.0.0.1:{node.port}/0" for node in self.nodes]

    def end(self) -> None:
        for node in self.nodes:
            node.end()
