"""Speaks TLS before a server that cannot: the Valkey that tests can install is built without."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final

from tests.servers.certificates import Authority

__all__ = ["OWN", "TlsFront"]

#: Whether the server that TEST_REDIS_SERVER names speaks TLS itself, and no front is to stand before it.
OWN: Final = os.environ.get("TEST_REDIS_TLS") == "own"

_CHUNK = 65_536
# How a client of TLS begins, and nobody who speaks to Redis.
_HANDSHAKE = b"\x16"


class TlsFront:
    """Listens on `port` of the loopback, asks clients for a certificate of the same authority, and passes all on.

    With `plain` those who speak no TLS are passed on as well: the servers of a group, who know each other by this port.
    """

    def __init__(self, target: int, authority: Authority, *, port: int = 0, plain: bool = False) -> None:
        self._target = target
        self._plain = plain
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.give("server"))
        self._context.load_verify_locations(authority.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._clients: dict[socket.socket, asyncio.Task[None]] = {}
        self._loop = asyncio.new_event_loop()
        # Those who were refused are nobody's concern here.
        self._loop.set_exception_handler(lambda *_: None)
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls", daemon=True)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._thread.start()
        self._loop.call_soon_threadsafe(self._loop.add_reader, self._listener, self._accept)

    def __enter__(self) -> TlsFront:
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            self._clients[client] = self._loop.create_task(self._serve(client))

    async def _close(self) -> None:
        self._loop.remove_reader(self._listener)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # A task that was cancelled before its first step has closed nothing.
        for client in list(self._clients):
            self._forget(client)

    def _forget(self, client: socket.socket) -> None:
        del self._clients[client]
        client.close()

    async def _serve(self, client: socket.socket) -> None:
        ends: list[asyncio.WriteTransport] = []
        try:
            context = self._context if not self._plain or await self._begins_with_tls(client) else None
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, client, ssl=context)
            writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
            ends.append(writer.transport)
            answers, questions = await asyncio.open_connection("127.0.0.1", self._target)
            ends.append(questions.transport)
            await asyncio.gather(self._pass_on(reader, questions), self._pass_on(answers, writer))
        except OSError:
            # Refused, or gone: as a server of its own would, it goes on with the next one.
            pass
        finally:
            for each in ends:
                each.abort()
            self._forget(client)

    async def _begins_with_tls(self, client: socket.socket) -> bool:
        readable = asyncio.Event()
        self._loop.add_reader(client, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(client)
        return client.recv(1, socket.MSG_PEEK) == _HANDSHAKE

    @staticmethod
    async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
