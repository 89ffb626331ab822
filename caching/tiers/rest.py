"""Redis over REST: a serverless one, asked through its maker's client, one HTTPS request per step of the protocol."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from copy import copy
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import httpx
from hiredis import ReplyError
from upstash_redis import Redis
from upstash_redis.asyncio import Redis as AsyncRedis
from upstash_redis.errors import UpstashError

from caching.breaker import Breaker
from caching.conf import conf
from caching.errors import RedisUnavailable
from caching.scripts import Command
from caching.tiers.conversation import Replies, lost
from caching.tiers.redis import RedisTier
from caching.tiers.rest_words import Lines, conversation, no_answer, tells_error, unpacked

__all__ = ["RestTier"]

# A connection that nobody uses is closed after this long: opening one takes three round trips, not one.
_IDLE_SECONDS: Final = 60.0
# So many requests of one event loop are under way at once; each has a connection of its own.
_MOST_AT_ONCE: Final = 32

# What a service that is away, in trouble or another one may make httpx, or the maker's client that reads its answer,
# raise: no connection, a time-out; no JSON, or JSON of another shape.
_CLOSED: Final = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
_SILENT: Final = (httpx.HTTPError, OSError)
_NO_ANSWER: Final = (ValueError, LookupError, TypeError, AttributeError, RuntimeError)


class _Bounded(httpx.SyncByteStream):
    """An answer that must have come until a moment of `time.perf_counter`, however often a little of it comes."""

    def __init__(self, stream: Any, until: float) -> None:
        self._stream = stream
        self._until = until

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            if time.perf_counter() >= self._until:
                raise httpx.ReadTimeout("It goes on for too long.")
            yield chunk

    def close(self) -> None:
        self._stream.close()


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    # One for all clients: to read the authorities' certificates takes longer than a request.
    return httpx.create_ssl_context()


def _options(seconds: float, most: int | None) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=_MOST_AT_ONCE, keepalive_expiry=_IDLE_SECONDS)
    return {"timeout": seconds, "limits": limits, "verify": _tls()}


# The maker's client waits for ever, and three seconds before it tries again; what it learns of replicas, it writes into
# headers that all threads share; and nobody is told which Python we are. Answers are text, as what was sent.
_CLIENT: Final[dict[str, Any]] = {
    "rest_encoding": None,
    "rest_retries": 0,
    "allow_telemetry": False,
    "read_your_writes": False,
}


@lru_cache(maxsize=2)
def _original(kind: Any, url: str, token: str) -> Any:
    # It reads the certificates, too, and is never asked.
    return kind(url, token, **_CLIENT)


def _copies(kind: Any, url: str, token: str) -> tuple[Any, Any]:
    """Return the maker's client, and in it what has its connections: it offers no other way to its time-outs."""
    client = copy(_original(kind, url, token))
    client._http = copy(client._http)
    return client, client._http


class _Link:
    """The way of a process: its threads share a client, and its connections, which are kept between requests."""

    def __init__(self, url: str, token: str, seconds: float) -> None:
        self._client, http = _copies(Redis, url, token)
        self._seconds = seconds
        # Until when this thread waits.
        self._patience = threading.local()
        self.process = os.getpid()
        self.run_id = _run_id(url)
        http._client = httpx.Client(**_options(seconds, None), event_hooks={"response": [self._hear]})
        # When the last thread has its answer.
        weakref.finalize(self, _close, http._client, self.process).atexit = False  # type: ignore[misc]

    def execute(self, commands: Sequence[Command], patience: float = 0) -> Replies:  # noqa: ARG002 -- of WAIT alone
        """Send the commands in one request."""
        talk = conversation(commands)
        try:
            batch = next(talk)
            while True:
                try:
                    answers = self._ask(batch)
                except UpstashError as error:
                    batch = talk.throw(error)
                else:
                    batch = talk.send(answers)
        except StopIteration as done:
            return Replies(done.value, self.run_id)

    def ask(self, request: bytes) -> Any:
        """Send one packed command and return its answer, which may be a `ReplyError`."""
        try:
            return self.execute([unpacked(request)]).values[0]
        except RedisUnavailable as error:
            return _reply_error(error)

    def _ask(self, batch: Lines) -> list[Any]:
        until = self._patience.until = time.perf_counter() + self._seconds
        try:
            try:
                return self._post(batch)
            except _CLOSED:
                # The service closed a connection kept since an earlier request. Every command may be sent twice.
                if time.perf_counter() >= until:
                    raise
                return self._post(batch)
        except (RedisUnavailable, *_SILENT, *_NO_ANSWER) as error:
            raise _trouble(error) from None

    def _post(self, batch: Lines) -> list[Any]:
        if len(batch) == 1:
            return [self._client.execute(batch[0])]
        pipeline = self._client.pipeline()
        for line in batch:
            pipeline.execute(line)
        answers: list[Any] = pipeline.exec()
        return answers

    def _hear(self, response: httpx.Response) -> None:
        response.stream = _Bounded(response.stream, self._patience.until)
        if tells_error(response.status_code):
            response.read()
            raise UpstashError(response.json()["error"])


def _close(client: httpx.Client, process: int) -> None:
    # Not in a child, where a thread of the parent may hold the lock for ever: the system closes what is left there.
    if os.getpid() == process:
        client.close()


class _AsyncLink:
    """The way of one event loop, which all its tasks share: so many requests at once, the others wait for a place."""

    def __init__(self, url: str, token: str, seconds: float) -> None:
        self._client, http = _copies(AsyncRedis, url, token)
        self._seconds = seconds
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._run_id = _run_id(url)
        hooks: Any = {"response": [self._hear]}
        http._client = httpx.AsyncClient(**_options(seconds, _MOST_AT_ONCE), event_hooks=hooks)

    async def until_the_loop_ends(self, forget: Callable[[], object]) -> AsyncGenerator[None]:
        """Close the connections with their loop, which closes its async generators at its end."""
        try:
            yield
        finally:
            forget()
            await self._client.close()

    async def execute(self, commands: Sequence[Command], _reign: int, gate: Callable[[], None]) -> Replies:
        """Send the commands in one request; `gate` is asked again after a wait for a place."""
        talk = conversation(commands)
        try:
            batch = next(talk)
            while True:
                try:
                    answers = await self._ask(batch, gate)
                except UpstashError as error:
                    batch = talk.throw(error)
                else:
                    batch = talk.send(answers)
        except StopIteration as done:
            return Replies(done.value, self._run_id)

    async def ask(self, request: bytes, reign: int, gate: Callable[[], None]) -> tuple[Any, bytes]:
        """Send one packed command; return its answer, which may be a `ReplyError`, and the `run_id`."""
        try:
            return (await self.execute([unpacked(request)], reign, gate)).values[0], self._run_id
        except RedisUnavailable as error:
            return _reply_error(error), self._run_id

    async def _ask(self, batch: Lines, gate: Callable[[], None]) -> list[Any]:
        async with self._places:
            gate()
            try:
                async with asyncio.timeout(self._seconds):
                    try:
                        return await self._post(batch)
                    except _CLOSED:
                        return await self._post(batch)
            except (RedisUnavailable, *_SILENT, *_NO_ANSWER) as error:
                raise _trouble(error) from None

    async def _post(self, batch: Lines) -> list[Any]:
        if len(batch) == 1:
            return [await self._client.execute(batch[0])]
        pipeline = self._client.pipeline()
        for line in batch:
            pipeline.execute(line)
        answers: list[Any] = await pipeline.exec()
        return answers

    async def _hear(self, response: httpx.Response) -> None:
        if tells_error(response.status_code):
            await response.aread()
            raise UpstashError(response.json()["error"])


def _trouble(error: Exception) -> RedisUnavailable:
    # Without the client's frames, which hold the token, for whoever reports errors with their frames.
    if isinstance(error, RedisUnavailable):
        return error.with_traceback(None)
    return lost(error) if isinstance(error, _SILENT) else no_answer(type(error).__name__)


def _reply_error(error: RedisUnavailable) -> ReplyError:
    if error.outage:
        raise error
    return ReplyError(str(error))


def _run_id(url: str) -> bytes:
    # Of the database, not of a server: the service hides which of its servers answers, and when one takes over.
    return b"rest/" + blake2b(url.encode(), digest_size=16).hexdigest().encode()


class RestTier(RedisTier):
    """Sends batches of commands to the service at `url`: one client for all threads, and one for each event loop.

    It answers and fails as `RedisTier` does. What it lacks is a listener: other hosts' changes are seen when the copies
    in local memory expire. `run_id` stays the same for as long as the URL does.
    """

    def __init__(self, url: str, token: str, breaker: Breaker) -> None:
        super().__init__("", breaker)
        self._url = url.rstrip("/")
        self._token = token
        self._lock = threading.Lock()
        self._shared: _Link | None = None

    def _link(self) -> Any:
        link = self._shared
        if link is None or link.process != os.getpid():
            with self._lock:
                link = self._shared
                if link is None or link.process != os.getpid():
                    link = self._shared = _Link(self._url, self._token, conf.REST_BUDGET_SECONDS)
        return link

    def _new_async_link(self) -> Any:
        return _AsyncLink(self._url, self._token, conf.REST_BUDGET_SECONDS)

    def close(self) -> None:
        """Let go of the connections; those of loops end with them."""
        self._shared = None

    def _failed(self, error: RedisUnavailable, link: Any = None) -> None:  # noqa: ARG002
        # httpx has closed what failed, and its client may go on.
        super()._failed(error)
