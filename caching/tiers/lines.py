"""A loop's kept connection, which all its tasks share: opened and signed in by redis-py, read by hiredis alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from hiredis import ProtocolError, Reader

from caching.errors import RedisUnavailable
from caching.scripts import Command
from caching.tiers.conversation import TIMEOUTS, TROUBLE, WHO, Batch, Replies, conversation, lost, packed, run_id_of

__all__ = ["AsyncLink"]

_NOT_YET: Final = object()

T = TypeVar("T")


class _Closed(ConnectionError):
    """The connection was closed by this process: whoever asks through it may ask again, if anybody may."""


class _Line(asyncio.Protocol):
    """An open connection of a loop on which any number of requests are under way; answers come in their order.

    Requests made in one turn of the loop leave in one packet.
    """

    def __init__(self, transport: asyncio.Transport, patience: float) -> None:
        self.run_id = b""
        self.is_open = True
        self._transport = transport
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._reader: Any = Reader(notEnoughData=_NOT_YET)
        self._unsent: list[bytes] = []
        # Who waits, and for how many answers.
        self._waiting: deque[tuple[asyncio.Future[list[Any]], int]] = deque()
        self._answers: list[Any] = []
        # How many were asked and answered so far, and, for each packet, how many were asked by then, and when.
        self._asked = 0
        self._answered = 0
        self._sent: deque[tuple[int, float]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        # It waits to hear of the end, too.
        self._before = transport.get_protocol()
        transport.set_protocol(self)

    def send(self, request: bytes, count: int) -> asyncio.Future[list[Any]]:
        """Return the future of the `count` answers to the packed commands in `request`."""
        loop = self._loop
        future: asyncio.Future[list[Any]] = loop.create_future()
        if not self.is_open:
            future.set_exception(ConnectionError("The connection is closed."))
            return future
        if not count:
            future.set_result([])
            return future
        self._waiting.append((future, count))
        self._asked += 1
        if not self._unsent:
            loop.call_soon(self._flush)
        self._unsent.append(request)
        return future

    def data_received(self, data: bytes) -> None:
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while (answer := reader.gets()) is not _NOT_YET:
                if not waiting:
                    raise ConnectionError("The server said what nobody had asked.")
                answers = self._answers
                answers.append(answer)
                future, count = waiting[0]
                if len(answers) == count:
                    waiting.popleft()
                    self._answered += 1
                    self._answers = []
                    # A cancelled task wants it no more.
                    if not future.done():
                        future.set_result(answers)
        except (ProtocolError, ConnectionError) as error:
            self.fail(error)

    def connection_lost(self, error: Exception | None) -> None:
        self.fail(error or ConnectionError("The server closed the connection."))
        self._before.connection_lost(error)

    def fail(self, error: Exception) -> None:
        """Close, and tell all who wait that they wait in vain."""
        self.is_open = False
        self._unsent.clear()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)
        # Not `close`: that waits for a server which takes no more, and keeps what it was to be told.
        self._transport.abort()

    def _flush(self) -> None:
        if self._unsent:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()
            # Patience begins now: the loop may have been busy since the first of them was asked.
            now = self._loop.time()
            self._sent.append((self._asked, now))
            if self._alarm is None:
                self._alarm = self._loop.call_at(now + self._patience, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._alarm = None
        sent = self._sent
        while sent and sent[0][0] <= self._answered:
            sent.popleft()
        if sent:
            until = sent[0][1] + self._patience
            if self._loop.time() >= until:
                self.fail(TimeoutError())
            else:
                self._alarm = self._loop.call_at(until, self._look_at_the_clock)


class AsyncLink:
    """The connection of one event loop, which all its tasks share."""

    def __init__(self, connection: Any, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self._turn = asyncio.Lock()
        self._reign = -1
        self._line: _Line | None = None

    async def until_the_loop_ends(self, forget: Callable[[], object]) -> AsyncGenerator[None]:
        """Close the connection with its loop: a loop that ends closes its async generators, and has no other hook."""
        try:
            yield
        finally:
            forget()
            await self._close(nowait=False)

    async def execute(self, commands: Sequence[Command], reign: int, gate: Callable[[], None]) -> Replies:
        """Send the commands in one round trip; `gate` is asked again after a wait for the connection."""
        return await self._kept(partial(_converse, commands), reign, gate)

    async def talk(self, batch: Batch, reign: int, gate: Callable[[], None]) -> tuple[list[Any], bytes]:
        """Send the batch; return its answers, errors among them, and the `run_id`."""
        return await self._kept(partial(_talk, batch), reign, gate)

    async def ask(self, request: bytes, reign: int, gate: Callable[[], None]) -> tuple[Any, bytes]:
        """Send one packed command; return its answer, which may be a `ReplyError`, and the `run_id`."""
        line = self._line
        if line is not None and line.is_open and reign == self._reign:
            # As below, with less on the way of every hit.
            try:
                return (await line.send(request, 1))[0], line.run_id
            except TIMEOUTS as error:
                raise lost(error) from error
            except TROUBLE:
                pass
        return await self._kept(partial(_ask, request), reign, gate)

    async def _kept(self, talk: Callable[[_Line], Awaitable[T]], reign: int, gate: Callable[[], None]) -> T:
        line = self._line if reign <= self._reign else None
        is_kept = line is not None
        while True:
            try:
                if line is None:
                    line = await self._open(reign, gate)
                return await talk(line)
            except RedisUnavailable as error:
                if error.outage and line is self._line:
                    await self._close()
                raise
            except TROUBLE as error:
                # The server closed a connection kept since an earlier request. Every command may be sent twice.
                if isinstance(error, TIMEOUTS) or not (is_kept or isinstance(error, _Closed)):
                    raise lost(error) from error
                line, is_kept = None, False

    async def _open(self, reign: int, gate: Callable[[], None]) -> _Line:
        async with self._turn:
            # Another task may have opened it meanwhile, or have waited in vain, and this one with it.
            gate()
            if self._line is not None and self._line.is_open and reign <= self._reign:
                return self._line
            await self._close()
            try:
                await self._connection.connect()
                line = _Line(self._connection._writer.transport, self._patience)
                line.run_id = run_id_of(await line.send(packed(list(WHO)), len(WHO)))
            except BaseException:
                await self._close()
                raise
            self._line, self._reign = line, reign
            return line

    async def _close(self, *, nowait: bool = True) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.fail(_Closed())
        await self._connection.disconnect(nowait=nowait)


async def _converse(commands: Sequence[Command], line: _Line) -> Replies:
    talk = conversation(commands)
    batch = next(talk)
    while True:
        try:
            batch = talk.send(await line.send(packed(batch), len(batch)))
        except StopIteration as done:
            return Replies(done.value, line.run_id)


async def _talk(batch: Batch, line: _Line) -> tuple[list[Any], bytes]:
    return await line.send(packed(batch), len(batch)), line.run_id


async def _ask(request: bytes, line: _Line) -> tuple[Any, bytes]:
    (answer,) = await line.send(request, 1)
    return answer, line.run_id
