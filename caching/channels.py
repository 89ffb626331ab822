"""Connections on which Redis tells of changes: one to a server, or one to each primary of a Redis Cluster."""

from __future__ import annotations

import random
import select
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import redis
from redis.exceptions import ClusterDownError, RedisError, ResponseError

from caching.conf import conf
from caching.errors import RedisUnavailable
from caching.tiers.cluster import ClusterTier
from caching.tiers.conversation import WHO, run_id_of
from caching.tiers.redis import RedisTier
from caching.tiers.slots import Address, Map, reign_of

__all__ = ["Channel", "Channels", "ClusterChannels", "TrackingRefused", "channels"]

# Answers that say "not now" and not "never".
_NOT_NOW = ("BUSY", "LOADING", "MASTERDOWN")

#: Gets the names of the keys that were changed; None when that may be any.
Told = Callable[[list[bytes] | None], None]


class TrackingRefused(RedisUnavailable):
    """The server answers but does not tell of changes: it is too old, or its rules do not let this user ask."""


class Channel:
    """A connection on which Redis, between its answers, tells of every mark and every clearing.

    `place` is its `host` and `port`, where the tier has several servers.
    """

    def __init__(self, tier: RedisTier, patience: float, told: Told, **place: Any) -> None:
        self._patience = patience
        self._told = told
        self._connection = tier.connection(
            protocol=3,
            socket_timeout=patience,
            socket_connect_timeout=patience,
            **place,
        )
        # Given back by `read_response`: what a handler raises would be swallowed, and a change missed.
        self._connection._parser.set_invalidation_push_handler(lambda message: message)

    def open(self) -> None:
        """Connect and ask to be told. Raises `TrackingRefused`, or what redis-py raises for a server that is away."""
        prefix = conf.PREFIX
        try:
            self._connection.connect()
            self.ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", f"{prefix}p:", "PREFIX", f"{prefix}e:")
        except ResponseError as error:
            if isinstance(error, ClusterDownError) or str(error).startswith(_NOT_NOW):
                raise
            # Old servers repeat the words of a command they do not know, and the password is among them.
            raise TrackingRefused(str(error).partition(", with args")[0]) from None

    def ask(self, *words: Any) -> Any:
        """Return the answer to a command, after all that was told before it."""
        self.send(*words)
        return self.answer()

    def send(self, *words: Any) -> None:
        """Ask; `answer` waits for what the server says to it."""
        self._connection.send_command(*words, check_health=False)

    def answer(self) -> Any:
        """Return the answer to the first question that has none, after all that was told before it."""
        while True:
            message = self._read(self._patience)
            if not isinstance(message, list):
                return message
            self._pass_on(message)

    def listen(self, until: float) -> None:
        """Pass on what is told until that moment of `time.monotonic`."""
        while (seconds := until - time.monotonic()) > 0:
            try:
                message = self._read(seconds)
            except redis.TimeoutError:
                return
            self._pass_on(message)

    def hear(self) -> None:
        """Pass on what has arrived."""
        while self._connection.can_read(0):
            self._pass_on(self._read(self._patience))

    def fileno(self) -> int:
        """Return the number of the connection's file, to wait for it with others."""
        return int(self._connection._sock.fileno())

    def _read(self, seconds: float) -> Any:
        return self._connection.read_response(push_request=True, timeout=seconds, disconnect_on_error=False)

    def _pass_on(self, message: Any) -> None:
        if not isinstance(message, list):
            raise RedisError("an answer that nobody had asked for")
        if message[0] == b"invalidate":
            self._told(message[1])

    def wake(self) -> None:
        """Have a thread that waits for an answer get the end of the connection instead."""
        connected = self._connection._sock
        if connected is not None:
            # Not closed: its number could be another file's before that thread looks.
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.disconnect()

    def close_in_child(self) -> None:
        # Without a shutdown, which would end the parent's connection, too.
        connected = self._connection._sock
        if connected is not None:
            connected.close()


class Channels:
    """All channels of a tier: one. Raises what `Channel` does; `told` is called in the thread that asks or listens."""

    def __init__(self, tier: RedisTier, patience: float, told: Told) -> None:
        self._tier = tier
        self._patience = patience
        self._told = told
        self._all: list[Channel] = []
        # What each server says of itself for as long as it runs.
        self._servers: list[Any] = []

    def open(self) -> None:
        """Connect to all that may change anything, and ask to be told."""
        self._open({})

    def _open(self, place: dict[str, Any]) -> None:
        channel = Channel(self._tier, self._patience, self._told, **place)
        # Before it is opened: whoever wakes the thread wakes it there.
        self._all.append(channel)
        channel.open()
        self._servers.append(channel.ask(*WHO[0]))

    def who(self) -> tuple[bytes, str]:
        """Ask who is heard; return the `run_id`, and why it is not to be trusted ("" if it is).

        All that was told before was heard then.
        """
        for channel in self._all:
            channel.send(*WHO[1])
        return self._judged([channel.answer() for channel in self._all])

    def _judged(self, roles: list[Any]) -> tuple[bytes, str]:
        run_id = self._joined([run_id_of(each) for each in zip(self._servers, roles, strict=True)])
        if all(b"role:master" in role.splitlines() for role in roles):
            return run_id, ""
        return run_id, "it is a replica, which hears of changes late or not at all"

    def _joined(self, run_ids: list[bytes]) -> bytes:
        return run_ids[0]

    def listen(self, until: float) -> None:
        """Pass on what is told until that moment of `time.monotonic`."""
        self._all[0].listen(until)

    def wake(self) -> None:
        for channel in tuple(self._all):
            channel.wake()

    def close(self) -> None:
        for channel in self._all:
            channel.close()

    def close_in_child(self) -> None:
        for channel in self._all:
            channel.close_in_child()


class ClusterChannels(Channels):
    """One channel to each primary of a Redis Cluster, whether it has slots already or keys are only on their way there.

    They are not to be trusted while any of them names other primaries than those that are heard.
    """

    _tier: ClusterTier

    def __init__(self, tier: ClusterTier, patience: float, told: Told) -> None:
        super().__init__(tier, patience, told)
        self._nodes: frozenset[str] = frozenset()

    def open(self) -> None:
        primaries = self._primaries()
        self._nodes = frozenset(primaries)
        for host, port in primaries.values():
            self._open({"host": host, "port": port})
        self._tier.router.remember(primaries.values())

    def _primaries(self) -> Mapping[str, Address]:
        candidates = list(self._tier.router.candidates)
        failure: Exception = RedisUnavailable("The Redis Cluster has no servers")
        # At random: one that is cut off from the others must not be asked again and again.
        random.shuffle(candidates)
        for host, port in candidates:
            channel = Channel(self._tier, self._patience, self._told, host=host, port=port)
            self._all.append(channel)
            try:
                channel.open()
                return Map.parse(channel.ask("CLUSTER", "NODES"), (host, port)).primaries
            except (RedisError, OSError) as error:
                failure = error
            finally:
                self._all.remove(channel)
                channel.close()
        raise failure

    def who(self) -> tuple[bytes, str]:
        for channel in self._all:
            channel.send(*WHO[1])
            channel.send("CLUSTER", "NODES")
        answers = [(channel.answer(), channel.answer()) for channel in self._all]
        run_id, why = self._judged([role for role, _ in answers])
        if any(Map.parse(nodes, ("", 0)).primaries.keys() != self._nodes for _, nodes in answers):
            why = "the primaries of the cluster are changing"
        return run_id, why

    def _joined(self, run_ids: list[bytes]) -> bytes:
        return reign_of(run_ids)

    def listen(self, until: float) -> None:
        poll = select.poll()
        for channel in self._all:
            poll.register(channel.fileno(), select.POLLIN)
        while True:
            # First what came with an answer: nobody is woken for it.
            for channel in self._all:
                channel.hear()
            seconds = until - time.monotonic()
            if seconds <= 0 or not poll.poll(seconds * 1000):
                return


def channels(tier: RedisTier, patience: float, told: Told) -> Channels:
    """Return the channels, not yet open, to whatever the tier asks."""
    return ClusterChannels(tier, patience, told) if isinstance(tier, ClusterTier) else Channels(tier, patience, told)
