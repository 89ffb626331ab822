"""The processes of a run: started with a scratch place of their own, ended by their own ids whatever happens."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.prove.guard import scratch
from tests.prove.shapes import SHAPES, Shape
from tests.servers.mongod import Mongod

__all__ = ["Place", "ServerFailedError"]

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0
_END_SECONDS = 5.0


class ServerFailedError(Exception):
    """A process did not start; what it said is in the message."""


class Place(ExitStack):
    """A scratch directory, the environment that leads there, and every process started in it."""

    def __init__(self, *, sabotage: str, seed: str) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=scratch()))
        # Servers keep their files where those of a killed run are removed.
        tempfile.tempdir = str(self.folder)
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.history = self.folder / "history"
        self.history.mkdir()
        stamps = self.folder / "stamps"
        stamps.mkdir()
        #: Where the processes of another host keep what they share.
        self.far = self.folder / "far"
        self.far.mkdir()
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.prove.settings",
            "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": self._database(os.environ.get("DATABASE_URL", "")),
            "REDIS_URL": "",
            "UPSTASH_REDIS_REST_URL": "",
            "UPSTASH_REDIS_REST_TOKEN": "",
            "PROVE_STAMPS_DIR": str(stamps),
            "PROVE_HISTORY": str(self.history),
            "PROVE_SABOTAGE": sabotage,
            "PROVE_SEED": seed,
        }

    def _database(self, url: str) -> str:
        """Return the URL of a database of our own, of the kind that is asked for."""
        if not url.startswith("mongodb"):
            return f"sqlite:///{self.folder / 'db.sqlite3'}"
        directory = self.folder / "mongod"
        directory.mkdir()
        # Nobody else ends the transaction of a writer that was killed: until then its rows are locked.
        return self.enter_context(Mongod("transactionLifetimeLimitSeconds=1", directory=directory)).url()

    def redis_start(self, shape: str) -> Shape:
        """Start Redis in that shape, for all processes started from now on."""
        try:
            redis = SHAPES[shape]()
        except (AssertionError, OSError) as error:
            raise ServerFailedError(f"Redis does not start: {error}") from error
        self.callback(redis.end)
        self.environment.update(redis.environment)
        return redis

    def crew_start(self, name: str, *, elsewhere: bool = False) -> subprocess.Popen[bytes]:
        """Start `manage.py prove_crew` with another hash seed; `elsewhere`, as if on another host, without stamps."""
        environment = {**self.environment, "PYTHONHASHSEED": str(1 + sum(name.encode()))}
        if elsewhere:
            environment["PROVE_STAMPS_DIR"] = str(self.folder / "nowhere")
        return self._start(
            name,
            [sys.executable, "manage.py", "prove_crew", name],
            environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def site_start(self) -> int:
        """Start the site's own server with two worker processes; returns its port. Wait with `site_wait`."""
        # The server inherits a socket that listens already: no other process can take the port in between.
        listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.callback(listening.close)
        port: int = listening.getsockname()[1]
        bind = ["--bind", f"fd://{listening.fileno()}", "--workers", "2"]
        command = [sys.executable, "-m", "gunicorn", "--config", "python:restaurant.serving.gunicorn", *bind]
        self._site = self._start(
            "site", [*command, "restaurant.wsgi"], self.environment, pass_fds=(listening.fileno(),)
        )
        return port

    def site_wait(self, port: int) -> None:
        """Wait until the site answers."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._site.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
            with suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/admin/login/")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return
            connection.close()
            time.sleep(0.05)
        raise ServerFailedError(f"The site did not start: {self.said('site')}")

    def said(self, name: str) -> str:
        """Return the end of what a process wrote to its standard error."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def _start(
        self, name: str, command: list[str], environment: dict[str, str], **options: object
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=_ROOT, env=environment, stderr=log, **options)
        self.callback(_end, process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    # To the site's server this means: without waiting for connections that clients keep.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
