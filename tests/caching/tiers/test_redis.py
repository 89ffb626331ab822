"""The Redis tier against a real server: kept connections, lost ones, unknown scripts, time-outs."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from asgiref.sync import async_to_sync

from caching.breaker import Breaker
from caching.budget import request_budget
from caching.clock import Clock
from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.scripts import FILL, LEASE, MARK, UNMARK, WIDE_MARK, WIDE_UNMARK, Script, command
from caching.tiers.redis import RedisTier

PING = [command("PING")]


@pytest.fixture
def redis_user() -> str:
    """One who may do everything: keys here have short names, and connections are asked who they are."""
    return ""


@pytest.fixture
def tier(redis: Any) -> RedisTier:
    assert runtime.redis is not None
    return runtime.redis


@pytest.fixture
def silent_server(settings: Any) -> Iterator[None]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings.CACHES = {
            **settings.CACHES,
            "redis": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": f"redis://127.0.0.1:{listening.getsockname()[1]}/0",
            },
        }
        settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis", "REDIS_BUDGET_SECONDS": 0.01}
        yield


def test_commands_are_answered_in_order_in_one_round_trip(tier: RedisTier) -> None:
    answer = tier.execute([command("SET", "a", "1"), command("GET", "a"), command("GET", "b")])
    assert answer.values == [b"OK", b"1", None]


def test_the_answer_tells_the_run_id_of_the_server(tier: RedisTier, redis: Any) -> None:
    server, reign = redis.info("server")["run_id"], redis.info("replication")["master_replid"]
    assert tier.execute(PING).run_id.decode() == f"{server}/master/{reign}"


def test_a_script_the_server_does_not_know_is_sent_as_text(tier: RedisTier, redis: Any) -> None:
    script = Script("return {KEYS[1], ARGV[1]}")
    redis.script_flush()
    assert tier.execute([script(["key"], "argument"), *PING]).values == [[b"key", b"argument"], b"PONG"]
    assert redis.script_exists(script.digest) == [True]


def a_tier() -> RedisTier:
    return RedisTier("redis", Breaker(Clock()))


def test_each_thread_keeps_one_connection(tier: RedisTier) -> None:
    def client_id() -> int:
        return tier.execute([command("CLIENT", "ID")]).values[0]  # type: ignore[no-any-return]

    others: list[int] = []
    thread = threading.Thread(target=lambda: others.append(client_id()))
    thread.start()
    thread.join()
    assert client_id() == client_id()
    assert others != [client_id()]


def test_a_connection_the_server_closed_is_made_again(tier: RedisTier, redis: Any) -> None:
    killed = tier.execute([command("CLIENT", "ID")]).values[0]
    redis.client_kill_filter(_id=killed)
    assert tier.execute([command("CLIENT", "ID")]).values[0] != killed


def test_a_server_that_refuses_is_an_error_at_once(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings.CACHES = {
        **settings.CACHES,
        "redis": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"redis://127.0.0.1:{port}/0"},
    }
    with pytest.raises(RedisUnavailable, match="ConnectionError"):
        a_tier().execute(PING)
    with pytest.raises(RedisUnavailable, match="ConnectionError"):
        async_to_sync(a_tier().aexecute)(PING)


def test_a_server_that_never_answers_is_an_error_after_one_time_out(silent_server: None) -> None:
    with pytest.raises(RedisUnavailable, match="TimeoutError"):
        a_tier().execute(PING)
    with pytest.raises(RedisUnavailable, match="TimeoutError"):
        async_to_sync(a_tier().aexecute)(PING)


def test_a_probe_asks_though_the_breaker_is_open(tier: RedisTier) -> None:
    runtime.breaker.trip("a test")
    with pytest.raises(RedisUnavailable, match="left alone"):
        tier.execute(PING)
    assert tier.execute(PING, probe=True).values == [b"PONG"]


def test_a_request_that_has_waited_in_vain_asks_no_more(silent_server: None) -> None:
    with request_budget():
        with pytest.raises(RedisUnavailable, match="TimeoutError"):
            a_tier().execute(PING)
        with pytest.raises(RedisUnavailable, match="this request before"):
            a_tier().execute(PING)
    with pytest.raises(RedisUnavailable, match="TimeoutError"):
        a_tier().execute(PING)


def test_a_replica_that_refuses_writes_is_an_outage(tier: RedisTier, redis: Any) -> None:
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        with pytest.raises(RedisUnavailable, match="READONLY"):
            tier.execute([command("SET", "a", "1")])
    finally:
        redis.execute_command("REPLICAOF", "NO", "ONE")
    assert runtime.breaker.state == "open"


def test_a_server_in_another_reign_has_another_run_id(tier: RedisTier, redis: Any) -> None:
    before = tier.execute(PING).run_id
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    redis.execute_command("REPLICAOF", "NO", "ONE")
    tier.renew()
    assert tier.execute(PING).run_id != before


def test_a_server_has_another_run_id_as_soon_as_it_is_demoted(tier: RedisTier, redis: Any) -> None:
    before = tier.execute(PING).run_id
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        tier.renew()
        assert tier.execute(PING).run_id != before
    finally:
        redis.execute_command("REPLICAOF", "NO", "ONE")


def test_a_server_that_goes_away_for_good_is_an_error_and_one_that_returns_is_used(tier: RedisTier, redis: Any) -> None:
    tier.execute(PING)
    link = tier._threads.link
    host_and_port = link._connection.port
    redis.client_kill_filter(_id=tier.execute([command("CLIENT", "ID")]).values[0])
    link._connection.port = 1
    with pytest.raises(RedisUnavailable):
        tier.execute(PING)
    link._connection.port = host_and_port
    runtime.breaker.close()
    assert tier.execute(PING).values == [b"PONG"]


def test_a_refused_command_is_an_error_that_leaves_the_connection_usable(tier: RedisTier) -> None:
    with pytest.raises(RedisUnavailable, match="refused"):
        tier.execute([command("SET", "a", "text"), command("LPUSH", "a", "1"), command("GET", "a")])
    assert tier.execute([command("GET", "a")]).values == [b"text"]


def test_a_server_that_hides_its_run_id_is_said_so(tier: RedisTier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caching.tiers.links.WHO", [("PING",)])
    with pytest.raises(RedisUnavailable, match="run id"):
        tier.execute(PING)


def test_a_child_makes_a_connection_of_its_own(tier: RedisTier) -> None:
    parent = tier.execute([command("CLIENT", "ID")]).values[0]
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, str(tier.execute([command("CLIENT", "ID")]).values[0]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reader, 32)) != parent
    os.close(reader)
    os.close(writer)
    assert tier.execute([command("CLIENT", "ID")]).values[0] == parent


def test_a_loop_that_ends_leaves_no_connection_behind(tier: RedisTier, redis: Any) -> None:
    asyncio.run(tier.aexecute(PING))  # type: ignore[arg-type]
    assert tier._loops == {}


def run(tier: RedisTier, *commands: Any) -> list[Any]:
    return [tier.execute([each]).values[0] for each in commands]


def lease(token: str, epochs: bytes = b"") -> Any:
    return LEASE(["l", "p", "pw", "v"], token, 5000, epochs)


def test_one_reader_at_a_time_holds_the_lease(tier: RedisTier) -> None:
    assert run(tier, lease("a"), lease("b")) == [b"taken", b"held"]
    assert run(tier, FILL(["l", "v"], "b", b"theirs", 1000), FILL(["l", "v"], "a", b"ours", 1000)) == [0, 1]
    assert run(tier, command("GET", "v"), command("EXISTS", "l")) == [b"ours", 0]


def test_a_lease_can_be_given_back_without_a_value(tier: RedisTier) -> None:
    assert run(tier, lease("a"), FILL(["l", "v"], "a", b"", 0), lease("b")) == [b"taken", 1, b"taken"]


def test_no_lease_while_any_writer_is_pending(tier: RedisTier) -> None:
    mark, unmark = MARK(["v", "l", "p"], "one", 5000), UNMARK(["v", "l", "p"], "one")
    wide, unwide = WIDE_MARK(["e", "pw"], "two", 5000, "epoch"), WIDE_UNMARK(["e", "pw"], "two", "later")
    assert run(tier, mark, wide, lease("a"), unmark, lease("a"), unwide, lease("a"))[2::2] == [
        b"pending",
        b"pending",
        b"taken",
    ]


def test_a_mark_ends_the_lease_and_the_value(tier: RedisTier) -> None:
    run(tier, command("SET", "v", "old"), lease("a"), MARK(["v", "l", "p"], "one", 5000))
    assert run(tier, FILL(["l", "v"], "a", b"older", 1000), command("EXISTS", "v", "l")) == [0, 0]


def test_taking_a_mark_off_writes_even_when_it_had_run_out(tier: RedisTier, redis: Any) -> None:
    before = redis.info("persistence")["rdb_changes_since_last_save"]
    run(tier, UNMARK(["v", "l", "p"], "gone"))
    assert redis.info("persistence")["rdb_changes_since_last_save"] > before
    assert not redis.exists("p")


def test_marks_are_placed_when_redis_is_out_of_memory(tier: RedisTier, redis: Any) -> None:
    run(tier, command("SET", "v", "old"), *PING)
    redis.config_set("maxmemory", 1)
    try:
        marked = run(tier, MARK(["v", "l", "p"], "one", 5000), WIDE_MARK(["e", "pw"], "one", 5000, "epoch"))
        assert redis.zcard("p") == redis.zcard("pw") == 1
        assert marked == [None, None]
        assert not redis.exists("v")
    finally:
        redis.config_set("maxmemory", 0)


def test_a_fill_that_finds_no_room_ends_the_lease(tier: RedisTier, redis: Any) -> None:
    run(tier, lease("a"))
    redis.config_set("maxmemory", 1)
    try:
        assert run(tier, FILL(["l", "v"], "a", b"value", 1000)) == [0]
        assert not redis.exists("l", "v")
    finally:
        redis.config_set("maxmemory", 0)


@pytest.mark.parametrize("pending", ["p", "pw"])
def test_something_else_under_the_name_of_the_pending_writers_gives_way(
    tier: RedisTier, redis: Any, pending: str
) -> None:
    redis.set(pending, "text")
    assert run(tier, lease("a")) == [b"taken"]
    redis.set(pending, "text")
    run(tier, MARK(["v", "l", "p"], "one", 5000), WIDE_MARK(["e", "pw"], "one", 5000, "epoch"))
    assert (redis.zcard("p"), redis.zcard("pw")) == (1, 1)


def test_an_interrupt_between_two_answers_leaves_none_for_the_next_caller(
    tier: RedisTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    tier.execute(PING)
    link = tier._threads.link
    interrupted = Mock(wraps=link._socket)
    interrupted.recv_into.side_effect = KeyboardInterrupt
    with monkeypatch.context() as patched:
        patched.setattr(link, "_socket", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tier.execute([command("ECHO", "first"), command("ECHO", "second")])
    assert interrupted.sendall.called
    assert tier.execute([command("ECHO", "third")]).values == [b"third"]


def test_who_was_interrupted_learns_anew_which_server_it_is(tier: RedisTier, redis: Any) -> None:
    before = tier.execute(PING).run_id
    link = tier._threads.link

    interrupted = Mock(wraps=link._socket)
    interrupted.recv_into.side_effect = KeyboardInterrupt
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(link, "_socket", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tier.execute(PING)
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    redis.execute_command("REPLICAOF", "NO", "ONE")
    assert tier.execute(PING).run_id != before


@pytest.fixture(
    params=[b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff\xfe garbage", b"*1\r\n$x\r\n", b":1e999\r\n", b"*-2\r\n"]
)
def foreign_server(request: pytest.FixtureRequest, settings: Any) -> Iterator[None]:
    """A server that speaks another language."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(request.param)

        thread = threading.Thread(target=serve)
        thread.start()
        settings.CACHES = {
            **settings.CACHES,
            "redis": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": f"redis://127.0.0.1:{listening.getsockname()[1]}/0",
            },
        }
        settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis", "REDIS_BUDGET_SECONDS": 0.5}
        yield
        thread.join()


@pytest.mark.parametrize("parser", ["hiredis", "python"])
def test_a_server_that_speaks_another_language_is_an_error_like_any_other(
    foreign_server: None, parser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if parser == "python":
        from redis._parsers import _RESP2Parser
        from redis._parsers.resp2 import _AsyncRESP2Parser

        monkeypatch.setattr("redis.connection.DefaultParser", _RESP2Parser)
        monkeypatch.setattr("redis.asyncio.connection.DefaultParser", _AsyncRESP2Parser)
    with pytest.raises(RedisUnavailable):
        a_tier().execute(PING)
    with pytest.raises(RedisUnavailable):
        async_to_sync(a_tier().aexecute)(PING)
