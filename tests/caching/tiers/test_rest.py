"""Redis over REST against a real front and server: what is said and heard, kept connections, and what goes wrong."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from traceback import walk_tb
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from hiredis import ReplyError, pack_command
from pytest_django.fixtures import Settings

from caching.breaker import Breaker
from caching.budget import request_budget
from caching.clock import Clock
from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.scripts import MARK, Script, command
from caching.tiers.rest import RestTier
from tests.servers.rest_front import TOKEN, Fault, Front

PING = [command("PING")]
TWO = [command("PING"), command("ECHO", "hello")]
EVERY_BYTE = bytes(range(256)) * 3


@pytest.fixture
def front(redis: Any, settings: Settings) -> Iterator[Front]:
    """A front of the test's own before the emptied server."""
    front = Front(redis.connection_pool.connection_kwargs["port"])
    caching = {"REDIS_ALIAS": None, "REST_URL": front.url, "REST_TOKEN": TOKEN, "REST_BUDGET_SECONDS": 5.0}
    settings.CACHING = {**settings.CACHING, **caching}
    yield front
    runtime.reset()
    front.close()


@pytest.fixture
def tier(front: Front) -> RestTier:
    assert isinstance(runtime.redis, RestTier)
    return runtime.redis


def a_tier(front: Front) -> RestTier:
    return RestTier(front.url, TOKEN, Breaker(Clock()))


# --- what is said -----------------------------------------------------------------------------------------------------


def test_every_byte_comes_back_and_the_server_holds_plain_text(tier: RestTier, redis: Any) -> None:
    tier.execute([command("SET", "a", EVERY_BYTE), command("SET", "b", b""), command("SET", "c", "text")])
    assert tier.execute([command("MGET", "a", "b", "c", "none")]).values == [[EVERY_BYTE, b"", b"text", None]]
    assert redis.get("a").isascii()


def test_coroutines_get_the_same_answers(tier: RestTier) -> None:
    values = [command("SET", "a", EVERY_BYTE), command("MGET", "a", "none"), command("DEL", "a"), command("GET", "a")]
    assert async_to_sync(tier.aexecute)(values).values == [b"OK", [EVERY_BYTE, None], 1, None]


def test_somebody_elses_value_is_an_answer_like_any_other(tier: RestTier, redis: Any) -> None:
    redis.mset({"binary": b"\xff\xfe", "sign": b"=not base64", "damaged": b"=YWJ\xf7"})
    redis.rpush("list", "1")
    assert tier.execute([command("MGET", "binary", "sign", "damaged", "list")]).values == [
        ["\ufffd\ufffd".encode(), b"=not base64", "=YWJ\ufffd".encode(), None]
    ]


def test_a_batch_is_one_request(tier: RestTier, front: Front) -> None:
    assert tier.execute(TWO).values == [b"PONG", b"hello"]
    assert tier.execute(PING).values == [b"PONG"]
    assert tier.execute([]).values == []
    assert [len(lines) for lines in front.asked] == [2, 1]


def test_a_script_the_server_does_not_know_is_sent_as_text(tier: RestTier, redis: Any) -> None:
    script = Script("return {KEYS[1], ARGV[1]}")
    for execute in (tier.execute, async_to_sync(tier.aexecute)):
        redis.script_flush()
        assert execute([script(["key"], b"\xff"), *PING]).values == [[b"key", b"\xff"], b"PONG"]
        assert redis.script_exists(script.digest) == [True]


def test_what_a_replica_may_not_know_yet_is_read_from_the_primary(tier: RestTier, front: Front) -> None:
    front.replica_lags = True
    tier.execute([command("SET", "a", b"new")])
    assert tier.execute([command("GET", "a")]).values == [None], "the replica has not heard of it"
    assert tier.execute([command("MGET", "a")]).values == [[b"new"]]


def test_more_keys_can_be_read_than_lua_takes_arguments(tier: RestTier, redis: Any) -> None:
    redis.mset({"0": "first", "11999": "last"})
    [values] = tier.execute([command("MGET", *map(str, range(12_000)))]).values
    assert len(values) == 12_000
    assert (values[0], values[1], values[11_999]) == (b"first", None, b"last")


def test_packed_commands_are_answered_too(tier: RestTier, redis: Any) -> None:
    redis.set("a", "1")
    ask, refused = pack_command(("MGET", "a", "b")), pack_command(("WHAT",))
    for send in (tier.ask, async_to_sync(tier.aask)):
        assert send(ask) == ([b"1", None], tier.execute([]).run_id)
        assert isinstance(send(refused)[0], ReplyError)


def test_the_run_id_is_that_of_the_database(front: Front) -> None:
    first, same = a_tier(front).execute(PING).run_id, async_to_sync(a_tier(front).aexecute)(PING).run_id
    assert first == same
    assert RestTier("https://other.example", TOKEN, Breaker(Clock())).execute([]).run_id != first


def test_nobody_waits_for_replicas(tier: RestTier, front: Front) -> None:
    with pytest.raises(RedisUnavailable, match="wait_replicas"):
        tier.execute([command("WAIT", 1, 100)])
    assert not front.asked
    assert runtime.breaker.closed


# --- connections ------------------------------------------------------------------------------------------------------


def test_threads_share_connections_that_are_kept(tier: RestTier, front: Front) -> None:
    for _ in range(3):
        thread = threading.Thread(target=tier.execute, args=(PING,))
        thread.start()
        thread.join()
    assert front.connections == 1


async def test_tasks_of_a_loop_share_connections(tier: RestTier, front: Front) -> None:
    answers = await asyncio.gather(*(tier.aexecute([command("ECHO", str(number))]) for number in range(100)))
    assert [answer.values for answer in answers] == [[str(number).encode()] for number in range(100)]
    assert front.connections <= 32
    before = front.connections
    await tier.aexecute(PING)
    assert front.connections == before


async def test_a_cancelled_task_does_not_mix_up_the_answers_of_others(tier: RestTier) -> None:
    tasks = [asyncio.create_task(tier.aexecute([command("ECHO", str(number))])) for number in range(20)]
    for _ in range(5):
        await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each.values for each in done[1::2]] == [[str(number).encode()] for number in range(1, 20, 2)]
    assert (await tier.aexecute([command("ECHO", "after")])).values == [b"after"]


def test_a_connection_the_service_closed_is_made_again(tier: RestTier, front: Front) -> None:
    tier.execute(PING)
    front.drop_clients()
    assert tier.execute(PING).values == [b"PONG"]

    async def twice() -> None:
        await tier.aexecute(PING)
        front.drop_clients()
        await tier.aexecute(PING)

    async_to_sync(twice)()
    assert runtime.breaker.closed


def test_an_answer_lost_with_its_connection_is_asked_for_again_once(tier: RestTier, front: Front) -> None:
    for execute in (tier.execute, async_to_sync(tier.aexecute)):
        front.faults = [_closes]
        assert execute(PING).values == [b"PONG"]
    front.faults, front.done_first = [_closes, _closes], True
    with pytest.raises(RedisUnavailable):
        tier.execute([MARK(["v", "l", "p"], "me", 5000)])
    assert len(front.asked) == 4


def _in_child(pipe: Connection, tier: RestTier) -> None:
    pipe.send(tier.execute([command("ECHO", "child")]).values)
    pipe.recv()


def test_a_child_has_connections_of_its_own(tier: RestTier, front: Front, start: Callable[..., Any]) -> None:
    tier.execute(PING)
    child = start(_in_child, tier)
    assert child.receive() == [b"child"]
    assert front.connections == 2
    child.send("end")
    child.join()
    assert tier.execute([command("ECHO", str(os.getpid()))]).values == [str(os.getpid()).encode()]
    assert front.connections == 2


# --- what goes wrong --------------------------------------------------------------------------------------------------


def _closes(handler: Any, _: bytes) -> None:
    handler.close_connection = True


def _says(status: int, body: bytes, content_type: str = "application/json", **headers: str) -> Fault:
    def fault(handler: Any, _: bytes) -> None:
        handler.say(status, body, content_type, **headers)

    return fault


def _is_cut(handler: Any, _: bytes) -> None:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{"result": "PO')
    handler.close_connection = True


TROUBLES = {
    "wrong token": (_says(401, b'{"error": "WRONGPASS invalid token"}'), "refuses the token .HTTP 401"),
    "forbidden": (_says(403, b""), "refuses the token .HTTP 403"),
    "too many requests": (_says(429, b'{"error": "slow down"}'), "HTTP 429"),
    "limit": (_says(400, b'{"error": "ERR max daily request limit exceeded"}'), "limit of requests is reached"),
    "broken": (_says(500, b"oops", "text/plain"), "HTTP 500"),
    "page of a proxy": (_says(503, b"<html>a-token-that-nobody-may-see</html>", "text/html"), "HTTP 503"),
    "page with 200": (_says(200, b"<html>Welcome</html>", "text/html"), "is none: JSONDecodeError"),
    "empty": (_says(200, b""), "is none: JSONDecodeError"),
    "truncated": (_says(200, b'[{"result": "PO'), "is none: JSONDecodeError"),
    "no UTF-8": (_says(200, b'[{"result": "\xff"}]'), "is none: UnicodeDecodeError"),
    "cut": (_is_cut, "did not answer: RemoteProtocolError"),
    "too few": (_says(200, b'[{"result": "PONG"}]'), "is none: another number"),
    "no list": (_says(200, b'{"result": "PONG"}'), "is none"),
    "a number": (_says(200, b"7"), "is none: TypeError"),
    "no results": (_says(200, b"[{}, {}]"), "is none: KeyError"),
    "no error told": (_says(400, b"[]"), "is none"),
    "database gone": (_says(200, b'[{"error": "LOADING soon"}, {"result": 1}]'), "refused a command: LOADING"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("how", ["thread", "coroutine"])
def test_what_is_no_answer_is_an_outage_that_one_line_tells(
    tier: RestTier, front: Front, trouble: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault, why = TROUBLES[trouble]
    front.faults, front.faults_stay = [fault], True
    execute = tier.execute if how == "thread" else async_to_sync(tier.aexecute)
    with pytest.raises(RedisUnavailable, match=why) as caught:
        execute(TWO)
    assert caught.value.outage
    assert runtime.breaker.state == "open"
    with pytest.raises(RedisUnavailable, match="left alone"):
        execute(TWO)
    [record] = [each for each in caplog.records if each.name == "caching"]
    assert record.getMessage().startswith("Redis is left alone until it answers again: ")
    assert TOKEN not in caplog.text + str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    modules = {frame.f_globals["__name__"].partition(".")[0] for frame, _ in walk_tb(caught.value.__traceback__)}
    assert not modules & {"upstash_redis", "httpx"}, "their frames hold the token"


def test_a_wrong_token_is_told_without_it(front: Front) -> None:
    wrong = RestTier(front.url, "another-token", Breaker(Clock()))
    for execute in (wrong.execute, async_to_sync(RestTier(front.url, "another-token", Breaker(Clock())).aexecute)):
        with pytest.raises(RedisUnavailable, match="is it this database's") as caught:
            execute(PING)
        assert "another-token" not in str(caught.value)


def test_the_token_is_not_taken_to_another_host(tier: RestTier, front: Front) -> None:
    other = Front(front.valkey_port)
    front.faults, front.faults_stay = [_says(307, b"", Location=other.url)], True
    for execute in (tier.execute, async_to_sync(a_tier(front).aexecute)):
        with pytest.raises(RedisUnavailable, match="HTTP 307"):
            execute(PING)
    other.close()
    assert (other.connections, other.asked) == (0, [])


def test_a_command_that_is_refused_is_no_outage(tier: RestTier, redis: Any) -> None:
    redis.rpush("list", "1")
    for execute in (tier.execute, async_to_sync(tier.aexecute)):
        with pytest.raises(RedisUnavailable, match="refused a command: WRONGTYPE") as caught:
            execute([command("GET", "list"), *PING])
        with pytest.raises(RedisUnavailable, match="refused a command: ERR"):
            execute([command("WHAT", "a-phone-number")])
        assert not caught.value.outage
    assert runtime.breaker.closed


@pytest.fixture
def silent(front: Front, settings: Settings) -> Iterator[Callable[[bool], None]]:
    """Let requests wait until the test ends, or get a good answer, but a little of it now and then."""
    over = threading.Event()
    answer = b'{"result": "' + 100 * b"long" + b'"}'

    def begin(drips: bool) -> None:
        def fault(handler: Any, _: bytes) -> None:
            handler.close_connection = True
            if not drips:
                over.wait()
                return
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer))
            for each in answer:
                if not over.wait(0.005):
                    handler.wfile.write(bytes([each]))

        front.faults, front.faults_stay = [fault], True
        settings.CACHING = {**settings.CACHING, "REST_BUDGET_SECONDS": 0.1}

    yield begin
    over.set()


@pytest.mark.parametrize("drips", [False, True])
def test_a_service_that_never_ends_its_answer_is_an_error_after_one_time_out(
    front: Front, silent: Callable[[bool], None], drips: bool
) -> None:
    silent(drips)
    with pytest.raises(RedisUnavailable, match="ReadTimeout"):
        a_tier(front).execute(PING)
    with pytest.raises(RedisUnavailable, match="Timeout"):
        async_to_sync(a_tier(front).aexecute)(PING)
    with request_budget():
        tier = a_tier(front)
        with pytest.raises(RedisUnavailable, match="ReadTimeout"):
            tier.execute(PING)
        with pytest.raises(RedisUnavailable, match="this request before"):
            a_tier(front).execute(PING)


async def test_a_crowd_before_a_silent_service_waits_once(front: Front, silent: Callable[[bool], None]) -> None:
    silent(False)
    tier = a_tier(front)
    done = await asyncio.gather(*(tier.aexecute(PING) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(each, RedisUnavailable) for each in done)
    assert front.connections <= 32
    assert sum("left alone" in str(each) for each in done) >= 68


def test_a_front_that_is_killed_and_started_again_serves_the_probe(tier: RestTier, front: Front) -> None:
    tier.execute(PING)
    front.kill()
    with pytest.raises(RedisUnavailable, match="ConnectError"):
        tier.execute(PING)
    front.start()
    with pytest.raises(RedisUnavailable, match="left alone"):
        tier.execute(PING)
    assert tier.execute(PING, probe=True).values == [b"PONG"]
