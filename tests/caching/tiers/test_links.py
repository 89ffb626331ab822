"""The connection that the tasks of a loop share, against a real server: pipelining, lost answers, time-outs."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.scripts import Script, command
from caching.tiers.redis import RedisTier

PING = [command("PING")]


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
