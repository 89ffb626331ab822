"""A small TCP proxy between the cache and its server, which breaks the way between them as networks do."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

__all__ = [
    "Answerless",
    "BlackHole",
    "CutAnswer",
    "Delay",
    "Fault",
    "Garbage",
    "LostAnswer",
    "Proxy",
    "Refusal",
    "Reset",
]

_CHUNK = 65_536
_RST = struct.pack("ii", 1, 0)


class Link:
    """One connection through the proxy; `owed` while the client waits for an answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.upstream: asyncio.StreamWriter | None = None
        self.owed = False
        self.swallowed = False
        self.ended = False

    def ask(self, data: bytes) -> None:
        assert self.upstream is not None
        self.upstream.write(data)

    def answer(self, data: bytes) -> None:
        self.writer.write(data)

    def reset(self) -> None:
        """End with RST: what is on its way is lost, and the client's next call fails."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self.end(self.writer.transport.abort)

    def hang_up(self) -> None:
        """End with FIN, after what was sent."""
        self.end(self.writer.close)

    def end(self, how: Callable[[], None]) -> None:
        self.ended = True
        how()
        if self.upstream is not None:
            self.upstream.transport.abort()


class Fault:
    """What happens to questions and answers on their way; this one lets them pass."""

    refuses = False

    async def ask(self, link: Link, data: bytes) -> None:
        link.ask(data)

    async def answer(self, link: Link, data: bytes) -> None:
        link.owed = False
        link.answer(data)


class Refusal(Fault):
    """Nobody listens; what was connected is closed."""

    refuses = True


class BlackHole(Fault):
    """Connections are accepted, questions vanish."""

    async def ask(self, link: Link, data: bytes) -> None:
        link.swallowed = True


class Answerless(Fault):
    """The server does what it is asked, and its answers vanish."""

    async def answer(self, link: Link, data: bytes) -> None:
        link.swallowed = True


class Reset(Fault):
    """Whoever asks gets a reset; the server hears nothing."""

    async def ask(self, link: Link, data: bytes) -> None:
        link.reset()


class LostAnswer(Fault):
    """The server does what it is asked, and the connection is reset instead of an answer."""

    async def answer(self, link: Link, data: bytes) -> None:
        link.reset()


class CutAnswer(Fault):
    """The first `length` bytes of each answer pass; then silence, or with `closes` the end of the connection."""

    def __init__(self, length: int, *, closes: bool) -> None:
        self._length = length
        self._closes = closes

    async def answer(self, link: Link, data: bytes) -> None:
        if link.swallowed:
            return
        link.answer(data[: self._length])
        link.swallowed = True
        if self._closes:
            link.hang_up()


class Garbage(Fault):
    """The answers are in no protocol that the client speaks."""

    async def answer(self, link: Link, data: bytes) -> None:
        await super().answer(link, b"HTTP/1.1 200 OK\r\n")


class Delay(Fault):
    """Every answer comes that many seconds late."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def answer(self, link: Link, data: bytes) -> None:
        await asyncio.sleep(self._seconds)
        await super().answer(link, data)


class Later(Fault):
    """That many answers pass, then comes the fault."""

    def __init__(self, answers: int, fault: Fault) -> None:
        self._left = answers
        self._fault = fault

    async def ask(self, link: Link, data: bytes) -> None:
        await (self._fault.ask(link, data) if self._left == 0 else super().ask(link, data))

    async def answer(self, link: Link, data: bytes) -> None:
        if self._left == 0:
            await self._fault.answer(link, data)
        else:
            self._left -= 1
            await super().answer(link, data)


class Proxy:
    """Listens on `port` and passes everything to `target`, but for the fault that is on.

    `waits` counts the clients that gave up while they were owed an answer, which is what a time-out is.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.connections = 0
        self.flaps = 0
        self._waits = 0
        self._fault = Fault()
        self._links: dict[Link, asyncio.Task[Any]] = {}
        self._flapping: asyncio.Future[None] | None = None
        self._server: asyncio.Server | None = None
        self._socket = self._bind(0)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._call(self._listen())

    # --- for tests ----------------------------------------------------------------------------------------------------

    def suffer(self, fault: Fault) -> None:
        """Let this happen to everything from now on, on connections old and new."""
        self._call(self._stop_and_change(fault))

    def heal(self) -> None:
        """Let everything pass. Who waits for what was swallowed is cut off."""
        self._call(self._stop_and_change(Fault()))

    def flap(self, faults: Iterator[Fault], seconds: float) -> None:
        """Let each of these happen in turn for that long, until something else is told; `flaps` counts them."""
        self._call(self._flap(faults, seconds))

    def redirect(self, target: int) -> None:
        """Lead to another server, as a name or an address does that moves; open connections are closed."""
        self.target = target
        self._call(self._hang_up_all())

    @property
    def waits(self) -> int:
        self._call(self._settle())
        return self._waits

    def close(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._socket.close()

    # --- in the loop's thread -----------------------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    @staticmethod
    def _bind(port: int) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        return sock

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, sock=self._socket, backlog=512)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            # Bound and not listening: refused, and the port stays ours.
            self._socket = self._bind(self.port)
        await self._hang_up_all()

    async def _stop_and_change(self, fault: Fault) -> None:
        if self._flapping is not None:
            self._flapping.cancel()
            self._flapping = None
        await self._change(fault)

    async def _change(self, fault: Fault) -> None:
        await self._settle()
        self._fault = fault
        for link in list(self._links):
            if link.swallowed:
                link.reset()
        await (self._refuse() if fault.refuses else self._listen())

    async def _flap(self, faults: Iterator[Fault], seconds: float) -> None:
        async def keep_on() -> None:
            while True:
                await self._change(next(faults))
                await asyncio.sleep(seconds)
                self.flaps += 1

        self._flapping = asyncio.ensure_future(keep_on())

    async def _hang_up_all(self) -> None:
        for link in list(self._links):
            link.hang_up()
        await self._settle()

    async def _settle(self) -> None:
        # What has arrived is seen in the loop's next round, and acted on in the few after it.
        for _ in range(8):
            await asyncio.sleep(0)

    async def _close(self) -> None:
        await self._stop_and_change(Fault())
        if self._server is not None:
            self._server.close()
        tasks = list(self._links.values())
        for link in list(self._links):
            link.reset()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        link = Link(reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._links[link] = task
        try:
            answers, link.upstream = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            link.reset()
        else:
            backward = asyncio.ensure_future(self._answers(link, answers))
            await self._questions(link)
            # The server ends what it was asked, though nobody waits for the answer any more.
            link.upstream.close()
            backward.cancel()
            await asyncio.gather(backward, return_exceptions=True)
        finally:
            link.end(writer.transport.abort)
            del self._links[link]

    async def _questions(self, link: Link) -> None:
        try:
            while data := await link.reader.read(_CHUNK):
                link.owed = True
                await self._fault.ask(link, data)
        except OSError:
            pass
        if link.owed and not link.ended:
            self._waits += 1

    async def _answers(self, link: Link, answers: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await answers.read(_CHUNK):
                await self._fault.answer(link, data)
        if not link.ended:
            link.hang_up()
