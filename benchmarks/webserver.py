"""The production server of `make run` with addresses of the benchmark's, on a database and a cache of its own."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, NamedTuple

from benchmarks.place import Place

__all__ = ["Answer", "Client", "WebServer"]

_HOST: Final = "127.0.0.1"
_WORKERS: Final = 2
_START_SECONDS: Final = 120.0
_END_SECONDS: Final = 20.0
_TIMEOUT: Final = 30.0
# The server closes connections of which it has not heard for five seconds.
_KEPT_SECONDS: Final = 2.0
# New connections find one worker or the other by chance.
_ATTEMPTS: Final = 200


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Client:
    """One kept connection, always to the same worker if its process id is given."""

    def __init__(self, port: int, *, token: str = "", worker: int | None = None) -> None:
        self._port = port
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Token {token}"} if token else {})
        self._worker = worker
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def ask(self, method: str, address: str, body: object = None, **headers: str) -> Answer:
        """Send a request and return the answer; raises `OSError` and `HTTPException` when there is none."""
        if self._connection is None or time.monotonic() > self._used + _KEPT_SECONDS:
            self.close()
            self._connection = self._connected()
        try:
            return self._exchange(self._connection, method, address, body, headers)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> http.client.HTTPConnection:
        for _ in range(_ATTEMPTS):
            connection = http.client.HTTPConnection(_HOST, self._port, timeout=_TIMEOUT)
            if self._worker is None or self._answering(connection) == self._worker:
                return connection
            connection.close()
        raise ConnectionError(f"None of {_ATTEMPTS} connections reached worker {self._worker}.")

    def _answering(self, connection: http.client.HTTPConnection) -> int:
        return int(json.loads(self._exchange(connection, "GET", "/api/v1/worker/", None, {}).body)["process"])

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, address: str, body: Any, headers: dict[str, str]
    ) -> Answer:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        connection.request(method, address, None if body is None else json.dumps(body), self._headers | named)
        response = connection.getresponse()
        answer = Answer(response.status, response.read())
        self._used = time.monotonic()
        return answer


class WebServer:
    """A running server; it ends with the `with` block. `workers` are the ids of its processes, `token` its owner's."""

    def __init__(self, place: Place) -> None:
        self._folder = place.folder / "load"
        self._folder.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind((_HOST, 0))
            self.port: int = probe.getsockname()[1]
        environment = place.environment(
            BENCH_URLS="benchmarks.urls",
            DATABASE_URL=place.database_copy("load"),
            DJANGO_VAR_DIR=str(self._folder),
            CACHING_STAMPS_DIR=str(self._folder),
            CACHING_PREFIX="load:",
        )
        self._process = place.python(
            ["manage.py", "serve", f"--port={self.port}", f"--workers={_WORKERS}"], environment
        )

    @property
    def base(self) -> str:
        return f"http://{_HOST}:{self.port}"

    def __enter__(self) -> WebServer:
        try:
            self.workers = self._started()
            self.token = self._signed_in()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._end()

    def client(self, worker: int | None = None) -> Client:
        """Return a client that signs in as the owner of all organisations."""
        return Client(self.port, token=self.token, worker=worker)

    def _started(self) -> list[int]:
        found: set[int] = set()
        end = time.monotonic() + _START_SECONDS
        while len(found) < _WORKERS:
            if self._process.poll() is not None:
                raise RuntimeError(f"The server ended with {self._process.returncode} before it served.")
            if time.monotonic() > end:
                raise TimeoutError("The server's workers did not all answer.")
            client = Client(self.port)
            with suppress(OSError, http.client.HTTPException):
                found.add(int(json.loads(client.ask("GET", "/api/v1/worker/").body)["process"]))
            client.close()
            time.sleep(0.01)
        return sorted(found)

    def _signed_in(self) -> str:
        client = Client(self.port)
        password = (self._folder / "admin-password").read_text()
        answer = client.ask("POST", "/api/v1/token/", {"username": "admin", "password": password})
        client.close()
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"The server gave no token: {answer.status} {answer.body[:500]!r}")
        return str(json.loads(answer.body)["token"])

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            # Its workers end when they find that it has.
            self._process.kill()
            self._process.wait()
