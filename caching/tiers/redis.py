"""The Redis tier: one kept connection per thread or event loop, one round trip per step of the protocol."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from functools import partial
from typing import Any, NamedTuple

import redis
import redis.asyncio
from django_redis import get_redis_connection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from caching import budget
from caching.breaker import Breaker
from caching.conf import conf
from caching.errors import RedisUnavailable
from caching.scripts import Command, command

__all__ = ["WHO", "RedisTier", "Replies", "run_id_of"]

_SHARED_OPTIONS = ("host", "port", "path", "db", "username", "password", "client_name")

# Answers that say: this server serves nobody now, or not us.
_NO_SERVICE = (ReadOnlyError, ClusterDownError, NoPermissionError)
_NO_SERVICE_WORDS = ("MISCONF", "BUSY", "NOREPLICAS", "NOAUTH", "LOADING", "MASTERDOWN")

Batch = list[tuple[Any, ...]]


class Replies(NamedTuple):
    """The answers, in order, and the `run_id` of the server process in the role it then had."""

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
            outage = isinstance(answer, _NO_SERVICE) or str(answer).startswith(_NO_SERVICE_WORDS)
            raise RedisUnavailable(f"Redis refused a command: {type(answer).__name__}", outage=outage) from answer
    return answers


def _lost(error: Exception) -> RedisUnavailable:
    return RedisUnavailable(f"Redis did not answer: {type(error).__name__}", outage=True)


def run_id_of(infos: Sequence[Any]) -> bytes:
    """Return what tells this server process, in its present reign, from every other: from INFO server and replication.

    Raises `RedisUnavailable` when the answers do not hold it.
    """
    found: dict[bytes, bytes] = {}
    for info in infos:
        for line in (info if isinstance(info, bytes) else b"").splitlines():
            name, _, value = line.partition(b":")
            found[name] = value.strip()
    try:
        # A primary that is demoted and promoted again keeps its run id, and not its replication id: what it holds then
        # are values that another primary may have failed to delete. While demoted it keeps both for a while.
        return b"/".join(found[name] for name in (b"run_id", b"role", b"master_replid"))
    except KeyError:
        message = "Redis does not tell its run id (INFO server, INFO replication); is the user allowed to run INFO?"
        raise RedisUnavailable(message, outage=True) from None


#: What every connection asks first.
WHO = (command("INFO", "server").wire(), command("INFO", "replication").wire())


class _Link:
    """One blocking connection, of one thread."""

    def __init__(self, connection: Any, reign: int) -> None:
        self._connection = connection
        self._pid = os.getpid()
        self.reign = reign
        self.run_id = b""
        # With the thread: redis-py's connections stand in circles of references, and are else closed some time later.
        weakref.finalize(self, connection.disconnect).atexit = False  # type: ignore[misc]

    @property
    def is_ours(self) -> bool:
        return self._pid == os.getpid()

    def execute(self, commands: Sequence[Command], patience: float) -> Replies:
        kept = bool(self.run_id)
        try:
            try:
                return self._execute(commands, patience)
            except redis.TimeoutError:
                raise
            except (RedisError, OSError):
                if not kept:
                    raise
            # The server closed a connection kept since an earlier request. Every command may be sent twice.
            self.close()
            return self._execute(commands, patience)
        except RedisUnavailable:
            # All answers were read.
            raise
        except (RedisError, OSError) as error:
            self.close()
            raise _lost(error) from error
        except BaseException:
            # An interrupt leaves an answer unread that the next caller would take for its own.
            self.close()
            raise

    def close(self) -> None:
        self.run_id = b""
        self._connection.disconnect()

    def _execute(self, commands: Sequence[Command], patience: float) -> Replies:
        if not self.run_id:
            self._connection.connect()
            self.run_id = run_id_of(self._send(list(WHO)))
        talk = _exchange(commands)
        batch = next(talk)
        while True:
            try:
                batch = talk.send(self._send(batch, patience))
            except StopIteration as done:
                return Replies(done.value, self.run_id)

    def _send(self, batch: Batch, patience: float = 0) -> list[Any]:
        connection = self._connection
        connection.send_packed_command(connection.pack_commands(batch), check_health=False)
        if patience:
            connection.can_read(patience)
        answers: list[Any] = []
        for _ in batch:
            try:
                answers.append(connection.read_response())
            except ResponseError as error:
                answers.append(error)
        return answers


class _AsyncLink:
    """One connection of one event loop; the loop's tasks take turns."""

    def __init__(self, connection: Any, reign: int) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self._reign = reign
        self.run_id = b""

    async def until_the_loop_ends(self, forget: Callable[[], object]) -> AsyncGenerator[None]:
        """Close the connection with its loop: a loop that ends closes its async generators, and has no other hook."""
        try:
            yield
        finally:
            forget()
            await self._connection.disconnect()

    async def execute(self, commands: Sequence[Command], reign: int, gate: Callable[[], None]) -> Replies:
        async with self._turn:
            # The task before this one may have waited in vain, and this one with it.
            gate()
            if reign != self._reign:
                await self._close()
                self._reign = reign
            kept = bool(self.run_id)
            try:
                try:
                    return await self._execute(commands)
                except (TimeoutError, redis.TimeoutError):
                    raise
                except (RedisError, OSError):
                    if not kept:
                        raise
                await self._close()
                return await self._execute(commands)
            except RedisUnavailable as error:
                if error.outage:
                    await self._close()
                raise
            except (RedisError, OSError) as error:
                await self._close()
                raise _lost(error) from error
            except BaseException:
                # A cancelled task leaves an answer unread that the next one would take for its own.
                await self._close()
                raise

    async def _close(self) -> None:
        self.run_id = b""
        await self._connection.disconnect(nowait=True)

    async def _execute(self, commands: Sequence[Command]) -> Replies:
        if not self.run_id:
            await self._connection.connect()
            self.run_id = run_id_of(await self._send(list(WHO)))
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

    Every method raises `RedisUnavailable` when there is no answer: after one time-out at most, and at once while the
    breaker is open or the request has had its time-out already. A failure that is an outage opens the breaker.
    """

    def __init__(self, alias: str, breaker: Breaker) -> None:
        self._alias = alias
        self._breaker = breaker
        self._threads = threading.local()
        self._loops: dict[asyncio.AbstractEventLoop, tuple[_AsyncLink, AsyncGenerator[None]]] = {}
        self._reign = 0

    def execute(self, commands: Sequence[Command], *, probe: bool = False, patience: float = 0) -> Replies:
        """Send the commands in one round trip and return their answers.

        They must not depend on each other's order: a script the server does not know yet is run after the others.
        With `probe` the server is asked even though the breaker is open. `patience` are seconds that it may take before
        the ordinary time begins.
        """
        if not probe:
            self._gate()
        link: _Link | None = getattr(self._threads, "link", None)
        if link is None or not link.is_ours:
            link = self._threads.link = _Link(self.connection(), self._reign)
        elif link.reign != self._reign:
            link.close()
            link.reign = self._reign
        try:
            return link.execute(commands, patience)
        except RedisUnavailable as error:
            if error.outage:
                link.close()
            self._failed(error)
            raise

    async def aexecute(self, commands: Sequence[Command]) -> Replies:
        """The same from a coroutine."""
        self._gate()
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            link = _AsyncLink(self._async_connection(), self._reign)
            lifetime = link.until_the_loop_ends(partial(self._loops.pop, loop, None))
            self._loops[loop] = link, lifetime
            await anext(lifetime)
        try:
            return await self._loops[loop][0].execute(commands, self._reign, self._gate_again)
        except RedisUnavailable as error:
            self._failed(error)
            raise

    def renew(self) -> None:
        """Have every connection made anew at its next use: the server may have another role, and so another run id."""
        self._reign += 1

    def close(self) -> None:
        """Close this thread's connection; those of other threads and loops end with them."""
        link: _Link | None = self._threads.__dict__.pop("link", None)
        if link is not None and link.is_ours:
            link.close()

    def _gate(self) -> None:
        if not self._breaker.closed:
            raise RedisUnavailable("Redis did not answer lately and is left alone until it does")
        if budget.is_spent():
            raise RedisUnavailable("Redis did not answer this request before")

    def _gate_again(self) -> None:
        if not self._breaker.closed:
            budget.spend()
        self._gate()

    def _failed(self, error: RedisUnavailable) -> None:
        if error.outage:
            budget.spend()
            self._breaker.trip(str(error))

    def connection(self, **options: Any) -> Any:
        """Return a new, unconnected redis-py connection with the framework's time-outs and no retries."""
        pool = get_redis_connection(self._alias).connection_pool
        patience = conf.REDIS_BUDGET_SECONDS
        return pool.connection_class(
            **{
                **pool.connection_kwargs,
                "retry": Retry(NoBackoff(), 0),
                "decode_responses": False,
                "socket_timeout": patience,
                "socket_connect_timeout": patience,
                # Two round trips less for a connection that nobody looks at by name.
                "driver_info": None,
                "protocol": 2,
                **options,
            }
        )

    def _async_connection(self) -> Any:
        pool = get_redis_connection(self._alias).connection_pool
        kind = getattr(redis.asyncio, pool.connection_class.__name__)
        options = {
            name: value
            for name, value in pool.connection_kwargs.items()
            if name in _SHARED_OPTIONS or name.startswith("ssl")
        }
        patience = conf.REDIS_BUDGET_SECONDS
        return kind(
            **options,
            retry=AsyncRetry(NoBackoff(), 0),
            socket_timeout=patience,
            socket_connect_timeout=patience,
            driver_info=None,
            protocol=2,
        )
