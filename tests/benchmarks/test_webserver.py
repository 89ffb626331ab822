"""A server that does not start, and connections that are kept; `sections/test_load.py` has a real one at work."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

from benchmarks import webserver
from benchmarks.place import Place
from benchmarks.webserver import Client, WebServer
from tests.benchmarks.processes import real_place

__all__ = ["real_place"]


class Handler(BaseHTTPRequestHandler):
    """Each connection belongs to the next of the workers 1, 2, 3, 1, ...; it tells what it was asked."""

    protocol_version = "HTTP/1.1"
    numbers = count()

    def setup(self):
        super().setup()
        self.worker = next(self.numbers) % 3 + 1

    def do_GET(self):
        length = int(self.headers.get("Content-Length", 0))
        said = {"process": self.worker, "headers": dict(self.headers), "body": self.rfile.read(length).decode()}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 -- the names are of the standard library

    def log_message(self, *_):
        """Keep silent."""


def test_there_can_be_one_after_the_other_in_a_place(real_place, monkeypatch):
    monkeypatch.setattr(real_place, "python", lambda *_: None)
    WebServer(real_place)

    assert WebServer(real_place).base.startswith("http://127.0.0.1:")


@pytest.fixture
def port(monkeypatch):
    monkeypatch.setattr(Handler, "numbers", count())
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def asked(client, *arguments, **headers):
    return json.loads(client.ask(*arguments, **headers).body)


class TestClient:
    @pytest.mark.parametrize("worker", [1, 2, 3])
    def test_a_client_keeps_to_its_worker(self, port, worker):
        client = Client(port, worker=worker)

        found = [asked(client, "GET", "/")["process"] for _ in range(4)]
        client.close()

        assert found == [worker] * 4

    def test_a_worker_that_never_answers_is_an_error(self, port, monkeypatch):
        monkeypatch.setattr(webserver, "_ATTEMPTS", 5)

        with pytest.raises(ConnectionError, match="None of 5 connections reached worker 9"):
            Client(port, worker=9).ask("GET", "/")

    def test_a_connection_that_was_left_alone_is_made_anew(self, port, monkeypatch):
        client = Client(port)
        first = asked(client, "GET", "/")["process"]
        monkeypatch.setattr(webserver, "_KEPT_SECONDS", -1.0)

        assert asked(client, "GET", "/")["process"] != first
        client.close()

    def test_it_sends_its_token_json_and_more_headers(self, port):
        client = Client(port, token="secret")

        said = asked(client, "POST", "/", {"name": "new"}, Idempotency_Key="key")
        client.close()

        assert said["body"] == '{"name": "new"}'
        headers = {name: said["headers"].get(name) for name in ("Authorization", "Content-Type", "Idempotency-Key")}
        assert headers == {
            "Authorization": "Token secret", "Content-Type": "application/json", "Idempotency-Key": "key",
        }  # fmt: skip

    def test_a_server_that_is_gone_is_an_error(self):
        with pytest.raises(OSError, match="refused"):
            Client(1).ask("GET", "/")


def test_a_server_that_ends_at_once_is_an_error(real_place, monkeypatch):
    started = []
    python = Place.python

    def failing(self, arguments, environment=None):
        started.append(python(self, ["-c", "raise SystemExit(3)"], environment))
        return started[-1]

    monkeypatch.setattr(Place, "python", failing)

    with pytest.raises(RuntimeError, match="ended with 3 before it served"), WebServer(real_place):
        pass

    assert started[0].returncode == 3


def test_a_server_that_does_not_answer_in_time_is_ended(real_place, monkeypatch):
    started = []
    python = Place.python

    def silent(self, arguments, environment=None):
        started.append(python(self, ["-c", "import sys; sys.stdin.read()"], environment))
        return started[-1]

    monkeypatch.setattr(Place, "python", silent)
    monkeypatch.setattr(webserver, "_START_SECONDS", 0.05)

    with pytest.raises(TimeoutError, match="did not all answer"), WebServer(real_place):
        pass

    assert started[0].returncode is not None
