"""Floors: what no cache can be faster than; a dictionary in memory, and the bare answer of Redis."""

from __future__ import annotations

import socket
from functools import partial
from urllib.parse import urlsplit

import redis

from benchmarks.peers import Peer, Reading, proved
from benchmarks.peers.values import Value
from caching.epochs import guard_names

__all__ = ["BareSocket", "Dictionary", "RedisPy", "redis_name"]

_LINE_END = b"\r\n"
_RECEIVE = 1 << 16
_PORT = 6379


def redis_name(value: Value) -> str:
    """Return the name under which we keep the value in Redis: whoever gets it gets the bytes that we get."""
    return guard_names(value.key)[0]


class Dictionary(Peer):
    """A plain dictionary with the very objects that our methods return."""

    name = "dictionary"

    def __init__(self) -> None:
        self._kept: dict[str, object] = {}

    def reading(self, value: Value) -> Reading:
        self._kept[value.name] = value.read()
        return partial(self._kept.__getitem__, value.name)

    def close(self) -> None:
        self._kept.clear()


class RedisPy(Peer):
    """redis-py's GET of our bytes on one connection that is kept."""

    name = "redis-py GET"

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, single_connection_client=True)

    def reading(self, value: Value) -> Reading:
        name = redis_name(value)
        return proved(partial(self._client.get, name), self._client.getrange(name, 0, -1))

    def close(self) -> None:
        self._client.close()


class BareSocket(Peer):
    """A GET of our bytes written by hand: one send, and receiving until the answer is complete."""

    name = "bare socket GET"

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port or _PORT))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def reading(self, value: Value) -> Reading:
        call = partial(self.get, _request(b"GET", redis_name(value).encode()))
        whole = _request(b"GETRANGE", redis_name(value).encode(), b"0", b"-1")
        return proved(call, self.get(whole))

    def get(self, request: bytes) -> bytes | None:
        """Send a request that is answered by one string; returns it, None when there is none."""
        self._socket.sendall(request)
        answer = self._socket.recv(_RECEIVE)
        while (line := answer.find(_LINE_END)) < 0:
            answer += self._more()
        length = int(answer[1:line])
        if length < 0:
            return None
        begins = line + len(_LINE_END)
        ends = begins + length
        while len(answer) < ends + len(_LINE_END):
            answer += self._more()
        return answer[begins:ends]

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> bytes:
        more = self._socket.recv(_RECEIVE)
        if not more:
            raise ConnectionError("Redis closed the connection.")
        return more


def _request(*words: bytes) -> bytes:
    return b"".join((b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)))
