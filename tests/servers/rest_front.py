"""A small REST front before a real Valkey, which speaks the protocol that serverless Redis services document.

As a program, `python -m tests.servers.rest_front VALKEY_PORT [PORT]`, it prints its own port and serves until it is
killed; SIGUSR1 ends all connections.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hiredis import Reader, ReplyError, pack_command

__all__ = ["TOKEN", "Fault", "Front"]

TOKEN = "a-token-that-nobody-may-see"

# What a service lets its replicas answer.
_READS = {"get", "mget", "hget", "hvals", "exists", "eval_ro", "evalsha_ro"}
_RST = struct.pack("ii", 1, 0)

#: Gets the handler and the bytes that would be the answer (empty: the request was not done), and answers or does not.
Fault = Callable[["_Handler", bytes], None]


class _Valkey:
    """A connection of one handler to the server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader: Any = Reader()

    def ask(self, lines: list[list[str]]) -> list[Any]:
        self._socket.sendall(b"".join(pack_command(tuple(line)) for line in lines))
        answers: list[Any] = []
        while len(answers) < len(lines):
            received = self._socket.recv(65_536)
            if not received:
                raise ConnectionError("the server is gone")
            self._reader.feed(received)
            while (answer := self._reader.gets()) is not False:
                answers.append(answer)
        return answers

    def close(self) -> None:
        self._socket.close()


class _Handler(BaseHTTPRequestHandler):
    """One kept connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._valkey: _Valkey | None = None
        with self.server.front.lock:
            self.server.front.connections += 1
            self.server.open.add(self.connection)

    def finish(self) -> None:
        with self.server.front.lock:
            self.server.open.discard(self.connection)
        self._let_go()
        with suppress(OSError):
            super().finish()

    def _let_go(self) -> None:
        if self._valkey is not None:
            self._valkey.close()
            self._valkey = None

    def do_POST(self) -> None:
        front = self.server.front
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = front.take_fault()
        if fault is not None and not front.done_first:
            fault(self, b"")
            return
        status, answer = self._answer(body)
        if fault is not None:
            fault(self, answer)
        else:
            self.say(status, answer)

    def _answer(self, body: bytes) -> tuple[int, bytes]:
        front = self.server.front
        if self.headers["Authorization"] != f"Bearer {front.token}":
            return 401, _json({"error": "WRONGPASS invalid or missing auth token"})
        many = self.path == "/pipeline"
        if not many and self.path != "/":
            return 404, _json({"error": "ERR no such path"})
        try:
            lines = json.loads(body)
            lines = [[_word(each) for each in line] for line in (lines if many else [lines])]
        except (ValueError, TypeError):
            return 400, _json({"error": "ERR failed to parse the request"})
        with front.lock:
            front.asked.append(lines)
        try:
            try:
                told = [self._told(line) for line in lines]
            except OSError:
                # As every pool does with a connection that the server closed.
                self._let_go()
                told = [self._told(line) for line in lines]
        except OSError:
            self._let_go()
            return 503, _json({"error": "ERR the database is not there"})
        if many:
            return 200, _json(told)
        return (400 if "error" in told[0] else 200), _json(told[0])

    def _told(self, line: list[str]) -> dict[str, Any]:
        if self._valkey is None:
            self._valkey = _Valkey(self.server.front.valkey_port)
        if self.server.front.replica_lags and line[0].lower() in _READS:
            # The replica is a database that no write has reached yet.
            answer = self._valkey.ask([["SELECT", "1"], line, ["SELECT", "0"]])[1]
        else:
            (answer,) = self._valkey.ask([line])
        if isinstance(answer, ReplyError):
            return {"error": str(answer)}
        return {"result": self._result(answer)}

    def _result(self, answer: Any) -> Any:
        if isinstance(answer, list):
            return [self._result(each) for each in answer]
        if isinstance(answer, bytes):
            if answer != b"OK" and self.headers["Upstash-Encoding"] == "base64":
                return b64encode(answer).decode()
            # As documented: what is no UTF-8 becomes a replacement character.
            return answer.decode(errors="replace")
        return answer

    def say(self, status: int, body: bytes, content_type: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """End the connection with RST."""
        _reset(self.connection)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, front: Front) -> None:
        self.front = front
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


class Front:
    """Serves from the beginning until `kill` or `close`; `start` begins again on the same port.

    `asked` are the commands of each request that was done, `connections` how many clients have connected. With
    `replica_lags` plain reads are answered by a replica that has heard of nothing. The next requests meet `faults`, one
    each, or all of them the last, if `faults_stay`; with `done_first` what they ask for is done all the same.
    """

    def __init__(self, valkey_port: int, token: str = TOKEN, port: int = 0) -> None:
        self.valkey_port = valkey_port
        self.token = token
        self.lock = threading.Lock()
        self.asked: list[list[list[str]]] = []
        self.connections = 0
        self.replica_lags = False
        self.faults: list[Fault] = []
        self.faults_stay = False
        self.done_first = False
        self.port = port
        self._server: _Server | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take_fault(self) -> Fault | None:
        with self.lock:
            if not self.faults:
                return None
            return self.faults[0] if self.faults_stay else self.faults.pop(0)

    def start(self) -> None:
        self._server = _Server(self.port, self)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """End at once: nobody listens any more, and what is connected is reset."""
        if self._server is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self.drop_clients()
            self._server = None

    def drop_clients(self) -> None:
        """End all connections, as a service does with those that are idle."""
        assert self._server is not None
        with self.lock:
            for each in self._server.open:
                _reset(each)

    def close(self) -> None:
        self.kill()


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        sock.shutdown(socket.SHUT_RDWR)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _word(value: object) -> str:
    if not isinstance(value, str | int | float):
        raise TypeError(value)
    return str(value)


if __name__ == "__main__":
    front = Front(int(sys.argv[1]), port=int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    signal.signal(signal.SIGUSR1, lambda *_: front.drop_clients())
    sys.stdout.write(f"{front.port}\n")
    sys.stdout.flush()
    threading.Event().wait()
