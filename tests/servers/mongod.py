"""A mongod of the tests' own: a replica set of one node on a free loopback port, ended by its process id."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.scratch import scratch_directory

__all__ = ["Mongod"]

_START_SECONDS = 60
_ALREADY_INITIALIZED = 23


class Mongod:
    """Runs from `start` until `end`; a standalone server, which has no transactions, with `replica_set=False`.

    Its files are in a directory of its own, or in the empty one that is given. `parameters` are the server's.
    """

    def __init__(self, *parameters: str, replica_set: bool = True, directory: Path | None = None) -> None:
        self._replica_set = replica_set
        self._directory = directory or scratch_directory("fast-access-mongod-")
        self._parameters = parameters
        self._process: subprocess.Popen[bytes] | None = None
        self.version = ""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port: int = taken.getsockname()[1]

    def __enter__(self) -> Mongod:
        self.start()
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.end()

    def url(self, name: str = "fast_access") -> str:
        """Return what DATABASE_URL says to use the database `name` of this server."""
        return f"mongodb://127.0.0.1:{self.port}/{name}{'?replicaSet=rs0' if self._replica_set else ''}"

    def start(self) -> None:
        """Start it on its port with what it stored last, and wait until it takes writes."""
        command = [
            str(_binary()), "--dbpath", str(self._directory), "--port", str(self.port), "--bind_ip", "127.0.0.1",
            "--logpath", str(self._directory / "mongod.log"), "--logappend", "--nounixsocket",
            # This build of the server breaks connections that agree on a compressor.
            "--networkMessageCompressors", "disabled", "--wiredTigerCacheSizeGB", "0.25",
            *(("--replSet", "rs0", "--oplogSize", "128") if self._replica_set else ()),
            *(word for parameter in self._parameters for word in ("--setParameter", parameter)),
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait_until_writable()

    def kill(self) -> None:
        """End it at once, as the kernel does when memory is short."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """End it and remove its files."""
        self._end(signal.SIGTERM)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def _wait_until_writable(self) -> None:
        # The driver watches the server: the first question waits until it answers, the second until it takes writes.
        patience = {"serverSelectionTimeoutMS": _START_SECONDS * 1000}
        with MongoClient("127.0.0.1", self.port, directConnection=True, **patience) as client:
            self.version = client.server_info()["version"]
            if self._replica_set:
                self._initiate(client)
        if self._replica_set:
            with MongoClient("127.0.0.1", self.port, replicaSet="rs0", **patience) as client:
                client.admin.command("ping")

    def _initiate(self, client: MongoClient) -> None:
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        settings = {"_id": "rs0", "members": [member], "settings": {"electionTimeoutMillis": 1000}}
        try:
            client.admin.command("replSetInitiate", settings)
        except OperationFailure as error:
            # A restarted node knows its set, and elects itself.
            if error.code != _ALREADY_INITIALIZED:
                raise


def _binary() -> Path:
    package = find_spec("fiftyone")
    folders = list(package.submodule_search_locations or ()) if package is not None else []
    for folder in folders:
        if (binary := Path(folder) / "db" / "bin" / "mongod").exists():
            return binary
    if found := shutil.which("mongod"):
        return Path(found)
    raise FileNotFoundError(f"There is no mongod: install requirements-dev.txt for {sys.executable}, or MongoDB.")
