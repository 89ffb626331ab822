"""The connection that the tasks of a loop share, against a real server: pipelining, lost answers, time-outs."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from unittest.mock import Mock

import pytest
from hiredis import pack_command

from caching.breaker import Breaker
from caching.clock import Clock
from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.scripts import Script, command
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


async def test_tasks_of_a_loop_share_one_connection(tier: RedisTier) -> None:
    answers = await asyncio.gather(*(tier.aexecute([command("CLIENT", "ID"), command("ECHO", n)]) for n in range(20)))
    assert len({answer.values[0] for answer in answers}) == 1
    assert [answer.values[1] for answer in answers] == [str(n).encode() for n in range(20)]


async def test_a_cancelled_task_does_not_mix_up_the_answers_of_others(tier: RedisTier) -> None:
    await tier.aexecute(PING)
    slow = asyncio.create_task(tier.aexecute([command("BLPOP", "never", 1), command("ECHO", "slow")]))
    waiting = asyncio.create_task(tier.aexecute([command("ECHO", "other")]))
    for _ in range(20):
        await asyncio.sleep(0)
    slow.cancel()
    assert (await waiting).values == [b"other"]
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_a_loops_connection_the_server_closed_is_made_again(tier: RedisTier, redis: Any) -> None:
    killed = (await tier.aexecute([command("CLIENT", "ID")])).values[0]
    redis.client_kill_filter(_id=killed)
    assert (await tier.aexecute([command("CLIENT", "ID")])).values[0] != killed
    _, (link, _) = next(iter(tier._loops.items()))
    redis.client_kill_filter(_id=(await tier.aexecute([command("CLIENT", "ID")])).values[0])
    link._connection.port = 1
    with pytest.raises(RedisUnavailable):
        await tier.aexecute(PING)


async def test_a_cancelled_tasks_answer_is_nobody_elses(tier: RedisTier) -> None:
    await tier.aexecute(PING)
    (link, _) = next(iter(tier._loops.values()))
    line = link._line
    gone = asyncio.create_task(tier.aexecute([Script("return 'gone'")([])]))
    stays = asyncio.create_task(tier.aexecute([Script("return 'stays'")([])]))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).values == [b"stays"]
    assert gone.cancelled()
    assert link._line is line


async def test_requests_of_one_turn_of_the_loop_leave_in_one_packet(tier: RedisTier) -> None:
    await tier.aexecute(PING)
    (link, _) = next(iter(tier._loops.values()))
    written = Mock(wraps=link._line._transport)
    link._line._transport = written
    await asyncio.gather(*(tier.aexecute([command("ECHO", n)]) for n in range(50)))
    assert written.write.call_count == 1


async def test_a_silent_server_costs_all_who_wait_one_time_out(redis: Any, settings: Any) -> None:
    settings.CACHING = {**settings.CACHING, "REDIS_BUDGET_SECONDS": 0.1}
    tier = runtime.redis
    assert tier is not None
    await tier.aexecute(PING)
    line = next(iter(tier._loops.values()))[0]._line
    blocked = [tier.aexecute([command("BLPOP", "never", 30)])] + [tier.aexecute(PING) for _ in range(5)]
    outcomes = await asyncio.gather(*blocked, return_exceptions=True)
    assert [type(each) for each in outcomes] == [RedisUnavailable] * 6
    assert {str(each) for each in outcomes} == {"Redis did not answer: TimeoutError"}
    assert not line.is_open


async def test_an_answer_nobody_asked_for_ends_the_connection(tier: RedisTier) -> None:
    await tier.aexecute(PING)
    (link, _) = next(iter(tier._loops.values()))
    line = link._line
    line.data_received(b"+SURPRISE\r\n")
    assert not line.is_open
    assert (await tier.aexecute(PING)).values == [b"PONG"]
    assert link._line is not line


async def test_a_connection_made_anew_disturbs_nobody_who_is_asking(tier: RedisTier) -> None:
    for _ in range(3):
        # Some through a connection that was kept, some through one of their own making; some before, some after.
        asking = []
        for number in range(20):
            asking.append(asyncio.create_task(tier.aexecute([command("ECHO", number)])))
            asking.append(asyncio.create_task(tier.aask(pack_command(("ECHO", number)))))
            if number % 3 == 0:
                await asyncio.sleep(0)
            if number % 4 == 0:
                tier.renew()
        await asyncio.gather(*asking)
    assert runtime.breaker.describe()["trips"] == 0


def test_a_server_that_takes_no_more_is_not_waited_for(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings.CACHES = {
            **settings.CACHES,
            "redis": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": f"redis://127.0.0.1:{listening.getsockname()[1]}/0",
            },
        }
        settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis", "REDIS_BUDGET_SECONDS": 0.2}

        async def ask() -> bool:
            tier = RedisTier("redis", Breaker(Clock()))
            asking = asyncio.create_task(tier.aexecute([command("ECHO", b"x" * 2**24)]))
            loop = asyncio.get_running_loop()
            listening.setblocking(False)
            server, _ = await loop.sock_accept(listening)
            with server:
                await loop.sock_recv(server, 4096)
                who = b"run_id:1\r\nrole:master\r\nmaster_replid:2"
                await loop.sock_sendall(server, b"$%d\r\n%b\r\n$1\r\n-\r\n" % (len(who), who))
                with pytest.raises(RedisUnavailable, match="TimeoutError"):
                    await asking
                link, _ = next(iter(tier._loops.values()))
                await asyncio.sleep(0)
                return link._line._transport.get_extra_info("socket").fileno() < 0

        assert asyncio.run(ask())


def test_nothing_asked_is_nothing_answered(tier: RedisTier) -> None:
    assert tier.execute([]).values == []
    assert tier.execute([]).run_id == tier.execute(PING).run_id


async def test_nothing_asked_by_a_task_is_nothing_answered(tier: RedisTier) -> None:
    assert (await tier.aexecute([])).values == []
    assert (await tier.aexecute(PING)).values == [b"PONG"]
