"""The listener's thread and connection: begun, ended, forked, patient; and which server it believes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching import listener as module
from caching.listener import Listener
from caching.runtime import runtime
from caching.scripts import command
from caching.stamps import slots_of
from tests.caching.hearing import is_trusted, lead_to, listen, write_elsewhere
from tests.caching.stepping import KEY
from tests.faults.servers import Server
from tests.faults.waiting import eventually


@pytest.fixture
def server(redis: Any, settings: Settings) -> Iterator[Server]:
    """A server of the test's own, as the Redis tier."""
    with Server() as server:
        lead_to(settings, server.port)
        yield server
        runtime.reset()


def run_id() -> bytes:
    assert runtime.redis is not None
    return runtime.redis.execute([command("PING")]).run_id


def stamp() -> int:
    assert runtime.stamps is not None
    return runtime.stamps.values[slots_of(KEY).key]


def hears(client: Any) -> bool:
    """Whether a write of another host arrives."""
    before = stamp()
    write_elsewhere(client, KEY)
    eventually(lambda: stamp() != before)
    return True


# --- which server -----------------------------------------------------------------------------------------------------


def test_a_demoted_server_is_not_trusted_and_all_connections_learn_of_it(server: Server) -> None:
    listener, before, memory = listen(), run_id(), runtime.local

    server.client.replicaof("127.0.0.1", "1")

    eventually(lambda: not listener.tracking)
    assert listener.heard_until == 0
    assert run_id() != before
    assert runtime.local is not memory
    memory = runtime.local

    server.client.replicaof("NO", "ONE")

    eventually(is_trusted)
    assert runtime.local is not memory
    assert run_id() != before
    assert hears(server.client)


def test_a_server_demoted_and_promoted_between_two_questions_is_noticed(server: Server) -> None:
    listener, before, memory = listen(), run_id(), runtime.local

    with server.client.pipeline(transaction=True) as at_once:
        at_once.execute_command("REPLICAOF", "127.0.0.1", "1").execute_command("REPLICAOF", "NO", "ONE").execute()

    eventually(lambda: listener.describe()["reconnects"] == 1)
    eventually(lambda: run_id() != before)
    assert runtime.local is not memory
    assert listener.run_id == run_id()


def test_another_server_at_the_same_address_is_noticed(server: Server) -> None:
    listener, before = listen(), run_id()
    server.kill()
    eventually(lambda: not listener.tracking)
    server.start()
    eventually(is_trusted)
    assert run_id() != before


def test_a_replica_is_never_trusted(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.client.replicaof("127.0.0.1", "1")
    runtime.listener = Listener()
    runtime.listener.start()
    eventually(lambda: "it is a replica" in caplog.text)
    assert runtime.listener.heard_until == 0
    assert runtime.breaker.closed, "requests open it, the listener does not"


def test_a_server_that_stops_answering_is_given_up_and_found_again(server: Server) -> None:
    listener, memory = listen(), runtime.local
    server.freeze()
    eventually(lambda: not listener.tracking)
    assert listener.heard_until == 0
    assert runtime.local is not memory
    memory = runtime.local
    server.thaw()
    eventually(is_trusted)
    assert runtime.local is not memory
    assert hears(server.client)


def test_nobody_asks_for_notices_of_maintenance(redis: Any) -> None:
    redis.config_resetstat()
    listen()
    assert redis.info("errorstats") == {}


# --- the thread -------------------------------------------------------------------------------------------------------


def test_it_begins_with_the_redis_tier_if_threads_are_allowed(redis: Any, settings: Settings) -> None:
    assert runtime.redis is not None
    assert runtime.listener is None
    assert not runtime.hears_changes

    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}
    # The other thread that begins with it needs a database.
    runtime.relay = None

    assert runtime.redis is not None
    eventually(is_trusted)
    assert runtime.hears_changes


def test_what_it_says_of_itself(redis: Any) -> None:
    assert Listener().describe() == {"state": "connecting", "lag_ms": None, "heard": 0, "reconnects": 0}
    listener = listen()
    assert hears(redis)
    said = listener.describe()
    assert said["state"] == "listening"
    assert said["lag_ms"] > 0
    assert said["heard"] >= 1


def listening_connections(client: Any) -> int:
    return sum("t" in each["flags"] for each in client.client_list())


def test_it_ends_at_once_and_leaves_neither_thread_nor_connection(redis: Any, settings: Settings) -> None:
    # So rarely asked, that a thread which is not woken does not end by itself.
    settings.CACHING = {**settings.CACHING, "TRUST_SECONDS": 300.0}
    listener = listen()
    assert listening_connections(redis) == 1

    listener.stop()
    listener.stop()

    assert not listener._thread.is_alive()
    assert not listener._channels._all[0]._connection.is_connected
    assert listener.heard_until == 0
    assert not listener.tracking
    eventually(lambda: listening_connections(redis) == 0)


@pytest.mark.parametrize("setting", ["_FIRST_RETRY_SECONDS", "_LAST_RETRY_SECONDS"])
def test_it_ends_at_once_while_it_waits_to_connect(
    redis_down: None, monkeypatch: pytest.MonkeyPatch, setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, setting, 300.0)
    listener = Listener()
    listener.start()
    eventually(lambda: "out of use" in caplog.text)
    listener.stop()
    assert not listener._thread.is_alive()


class Impatient(threading.Event):
    """Notes for how long somebody wanted to wait, and ends it all after some times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        if len(self.waits) == self.times:
            self.set()
        return True


def test_a_server_that_is_away_is_asked_ever_more_rarely_and_that_is_said_once(
    redis_down: None, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener()
    listener._stop = stop = Impatient(12)
    listener._run()
    assert stop.waits[:8] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    assert stop.waits[-1] == 2.0
    [record] = [each for each in caplog.records if each.name == "caching"]
    assert "out of use: ConnectionError" in record.getMessage()
    assert runtime.breaker.closed


def test_after_it_was_heard_a_server_is_asked_soon_again(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = listen()
    listener._patience = 0.5
    for times in (1, 2):
        redis.client_kill_filter(_type="normal")
        eventually(lambda times=times: listener.describe()["reconnects"] == times)
        assert listener._patience == 0.1


def _listen_in_child(pipe: Connection, connection: int, inode: int) -> None:
    try:
        inherited = os.fstat(connection).st_ino == inode
    except OSError:
        inherited = False
    pipe.send((inherited, "listener" in vars(runtime)))
    listener = listen()
    before = stamp()
    pipe.send("listening")
    eventually(lambda: stamp() != before)
    pipe.send(listener.describe())
    pipe.recv()


def test_a_child_listens_for_itself_and_its_parent_goes_on(redis: Any, start: Callable[..., Any]) -> None:
    listener = listen()
    connected = listener._channels._all[0]._connection._sock

    child = start(_listen_in_child, connected.fileno(), os.fstat(connected.fileno()).st_ino)

    assert child.receive() == (False, False)
    assert child.receive() == "listening"
    assert listening_connections(redis) == 2
    write_elsewhere(redis, KEY)
    said = child.receive()
    assert (said["state"], said["reconnects"]) == ("listening", 0)
    child.send("end")
    child.join()
    eventually(lambda: listening_connections(redis) == 1)
    assert hears(redis)
    assert listener.describe()["reconnects"] == 0


def test_a_child_that_stops_what_it_inherited_does_not_stop_its_parent(redis: Any, start: Callable[..., Any]) -> None:
    listener = listen()

    def stop(pipe: Connection) -> None:
        listener.stop()
        pipe.send("stopped")

    assert start(stop).receive() == "stopped"
    assert hears(redis)
    assert listener.describe()["reconnects"] == 0
