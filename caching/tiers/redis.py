"""The Redis tier: one kept connection per thread or event loop, one round trip per step of the protocol."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from functools import partial
from typing import Any, NamedTuple

import redis
import redis.asyncio
from django_redis import get_redis_connection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from caching.errors import RedisUnavailable
from caching.scripts import Command, command

__all__ = ["RedisTier", "Replies"]

_SHARED_OPTIONS = (
    "host", "port", "path", "db", "username", "password", "socket_timeout", "socket_connect_timeout", "client_name",
)  # fmt: skip

Batch = list[tuple[Any, ...]]


class Replies(NamedTuple):
    """The answers, in order, and the run id of the server process that gave them."""

    values: list[Any]
    run_id: bytes


def _exchange(commands: Sequence[Command]) -> Generator[Batch, list[Any], list[Any]]:
    # The conversation, for both kinds of connection: a batch out, its answers in (an error is an answer, too).
    answers = yield [each.wire() for each in commands]
    unknown = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if unknown:
        again = yield [commands[index].wire(by_text=True) for index in unknown]
        for index, answer in zip(unknown, again, strict=True):
            answers[index] = answer
    for answer in answers:
        if isinstance(answer, Exception):
            raise RedisUnavailable(f"Redis refused a command: {type(answer).__name__}") from answer
    return answers


def _run_id(info: Any) -> bytes:
    text = info if isinstance(info, bytes) else str(info).encode()
    for line in text.splitlines():
        if line.startswith(b"run_id:"):
            return bytes(line[len(b"run_id:") :].strip())
    raise RedisUnavailable("Redis does not tell its run id (INFO server); is the user allowed to run INFO?")


_HELLO = [command("INFO", "server").wire()]


class _Link:
    """One blocking connection, of one thread."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._pid = os.getpid()
        self.run_id = b""

    @property
    def is_ours(self) -> bool:
        return self._pid == os.getpid()

    def execute(self, commands: Sequence[Command]) -> Replies:
        kept = bool(self.run_id)
        try:
            return self._execute(commands)
        except redis.TimeoutError as error:
            raise self._lost(error) from error
        except (RedisError, OSError) as error:
            lost = self._lost(error)
            if not kept:
                raise lost from error
        # The server closed a connection kept since an earlier request. Every command may be sent twice.
        try:
            return self._execute(commands)
        except (RedisError, OSError) as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> RedisUnavailable:
        self.run_id = b""
        self._connection.disconnect()
        return RedisUnavailable(f"Redis did not answer: {type(error).__name__}")

    def _execute(self, commands: Sequence[Command]) -> Replies:
        if not self.run_id:
            self._connection.connect()
            self.run_id = _run_id(self._send(_HELLO)[0])
        talk = _exchange(commands)
        batch = next(talk)
        while True:
            try:
                batch = talk.send(self._send(batch))
            except StopIteration as done:
                return Replies(done.value, self.run_id)

    def _send(self, batch: Batch) -> list[Any]:
        connection = self._connection
        connection.send_packed_command(connection.pack_commands(batch), check_health=False)
        answers: list[Any] = []
        for _ in batch:
            try:
                answers.append(connection.read_response())
            except ResponseError as error:
                answers.append(error)
        return answers


class _AsyncLink:
    """One connection of one event loop; the loop's tasks take turns."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self.run_id = b""

    async def until_the_loop_ends(self, forget: Callable[[], object]) -> AsyncGenerator[None]:
        """Close the connection with its loop: a loop that ends closes its async generators, and has no other hook."""
        try:
            yield
        finally:
            forget()
            await self._connection.disconnect()

    async def execute(self, commands: Sequence[Command]) -> Replies:
        async with self._turn:
            kept = bool(self.run_id)
            try:
                return await self._execute(commands)
            except (TimeoutError, redis.TimeoutError) as error:
                raise await self._lost(error) from error
            except (RedisError, OSError) as error:
                lost = await self._lost(error)
                if not kept:
                    raise lost from error
            except BaseException as error:
                # A cancelled task leaves an answer unread that the next one would take for its own.
                await self._lost(error)
                raise
            try:
                return await self._execute(commands)
            except (RedisError, OSError) as error:
                raise await self._lost(error) from error

    async def _lost(self, error: BaseException) -> RedisUnavailable:
        self.run_id = b""
        await self._connection.disconnect(nowait=True)
        return RedisUnavailable(f"Redis did not answer: {type(error).__name__}")

    async def _execute(self, commands: Sequence[Command]) -> Replies:
        if not self.run_id:
            await self._connection.connect()
            self.run_id = _run_id((await self._send(_HELLO))[0])
        talk = _exchange(commands)
        batch = next(talk)
        while True:
            try:
                batch = talk.send(await self._send(batch))
            except StopIteration as done:
                return Replies(done.value, self.run_id)

    async def _send(self, batch: Batch) -> list[Any]:
        connection = self._connection
        await connection.send_packed_command(connection.pack_commands(batch), check_health=False)
        answers: list[Any] = []
        for _ in batch:
            try:
                answers.append(await connection.read_response())
            except ResponseError as error:
                answers.append(error)
        return answers


class RedisTier:
    """Sends batches of commands through connections made like those of the django-redis cache `alias`.

    Every method raises `RedisUnavailable` when there is no answer, after at most one time-out.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._threads = threading.local()
        self._loops: dict[asyncio.AbstractEventLoop, tuple[_AsyncLink, AsyncGenerator[None]]] = {}

    def execute(self, commands: Sequence[Command]) -> Replies:
        """Send the commands in one round trip and return their answers.

        They must not depend on each other's order: a script the server does not know yet is run after the others.
        """
        link: _Link | None = getattr(self._threads, "link", None)
        if link is None or not link.is_ours:
            link = self._threads.link = _Link(self._connection())
        return link.execute(commands)

    async def aexecute(self, commands: Sequence[Command]) -> Replies:
        """The same from a coroutine."""
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            link = _AsyncLink(self._async_connection())
            lifetime = link.until_the_loop_ends(partial(self._loops.pop, loop, None))
            self._loops[loop] = link, lifetime
            await anext(lifetime)
        return await self._loops[loop][0].execute(commands)

    def _connection(self) -> Any:
        pool = get_redis_connection(self._alias).connection_pool
        return pool.connection_class(
            **{**pool.connection_kwargs, "retry": Retry(NoBackoff(), 0), "decode_responses": False}
        )

    def _async_connection(self) -> Any:
        pool = get_redis_connection(self._alias).connection_pool
        kind = getattr(redis.asyncio, pool.connection_class.__name__)
        options = {
            name: value
            for name, value in pool.connection_kwargs.items()
            if name in _SHARED_OPTIONS or name.startswith("ssl")
        }
        return kind(**options, retry=AsyncRetry(NoBackoff(), 0))
