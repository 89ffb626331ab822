"""A Redis Cluster that loses a primary: it is left alone until another has taken over, and nothing old is believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from hiredis import pack_command
from pytest_django.fixtures import Settings

from caching.budget import request_budget
from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.scripts import command
from caching.tiers.cluster import ClusterTier
from caching.tiers.slots import slot_of
from tests.conftest import configure_redis
from tests.faults.waiting import eventually
from tests.servers.cluster import Cluster

MANY = [f"{{org{number}}}:key" for number in range(30)]
READS = [command("GET", name) for name in MANY]


@pytest.fixture(scope="module")
def hurt() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(hurt: Cluster, settings: Settings, fresh_cache: None) -> Iterator[Cluster]:
    for node in hurt.nodes:
        if not node.runs:
            node.start()
    hurt.settle()
    hurt.flush()
    configure_redis(settings, hurt.location, CLUSTER=True)
    return hurt


@pytest.fixture
def tier(cluster: Cluster) -> ClusterTier:
    assert isinstance(runtime.redis, ClusterTier)
    runtime.redis.execute(READS)
    return runtime.redis


@pytest.fixture(params=["sync", "async"])
def execute(request: pytest.FixtureRequest, tier: ClusterTier) -> Any:
    return tier.execute if request.param == "sync" else async_to_sync(tier.aexecute)


def probed(tier: ClusterTier) -> bool:
    try:
        tier.probe()
    except RedisUnavailable:
        return False
    return True


def test_without_one_primary_all_is_left_alone_until_another_has_taken_over(
    cluster: Cluster, tier: ClusterTier, execute: Any
) -> None:
    before = execute(READS).run_id
    lost = cluster.owner(MANY[0])
    successor = cluster.replica_of(lost)
    lost.kill()
    with request_budget():
        with pytest.raises(RedisUnavailable):
            execute(READS)
        assert not runtime.breaker.closed
        with pytest.raises(RedisUnavailable, match="left alone"):
            execute(READS)
    assert not probed(tier), "the others answer, and that is not enough"
    eventually(lambda: probed(tier))
    assert successor.is_primary
    runtime.breaker.close()
    assert execute(READS).run_id != before


def test_a_primary_that_was_started_again_is_another(cluster: Cluster, tier: ClusterTier, execute: Any) -> None:
    before = execute([command("SET", name, "old") for name in MANY]).run_id
    again = cluster.owner(MANY[0])
    again.kill()
    again.start()
    eventually(lambda: b"cluster_state:ok" in again.says("CLUSTER", "INFO"))
    replies = execute(READS)
    assert replies.run_id != before
    assert replies.values[0] is None
    # Those who ask others are told, too.
    other = next(name for name in MANY if cluster.owner(name) is not again)
    for way in (tier.ask, async_to_sync(tier.aask)):
        assert way(pack_command(("MGET", other))) == ([b"old"], replies.run_id)


@pytest.mark.parametrize("way", ["ask", "aask"])
def test_one_question_meets_a_primary_that_was_started_again(cluster: Cluster, tier: ClusterTier, way: str) -> None:
    ask = tier.ask if way == "ask" else async_to_sync(tier.aask)
    question = pack_command(("MGET", MANY[0]))
    _, before = ask(question)
    again = cluster.owner(MANY[0])
    again.kill()
    again.start()
    eventually(lambda: b"cluster_state:ok" in again.says("CLUSTER", "INFO"))
    assert ask(question)[1] != before


@pytest.mark.parametrize("primary", range(3))
def test_a_probe_asks_each_primary_for_a_write(cluster: Cluster, tier: ClusterTier, primary: int) -> None:
    tier.probe()
    refusing = cluster.primaries[primary]
    refusing.client.config_set("min-replicas-to-write", 2)
    try:
        with pytest.raises(RedisUnavailable, match="NOREPLICAS"):
            tier.probe()
    finally:
        refusing.client.config_set("min-replicas-to-write", 0)


def test_replicas_are_counted_where_there_are_fewest(cluster: Cluster, tier: ClusterTier) -> None:
    alone = cluster.owner(MANY[0])
    other = next(name for name in MANY if cluster.owner(name) is not alone)
    write = [command("SET", MANY[0], "new"), command("SET", other, "new")]
    tier.execute(write)
    assert tier.wait(1, write) == 1
    cluster.replica_of(alone).kill()
    eventually(lambda: alone.client.info("replication")["connected_slaves"] == 0)
    tier.execute(write)
    assert tier.wait(1, write) == 0
    assert tier.wait(1, write[1:]) == 1


def test_a_primary_that_was_replaced_in_peace_is_another(cluster: Cluster, tier: ClusterTier, execute: Any) -> None:
    before = execute([command("SET", name, "kept") for name in MANY]).run_id
    successor = cluster.replica_of(cluster.owner(MANY[0]))
    successor.says("CLUSTER", "FAILOVER")
    eventually(lambda: successor.is_primary)
    cluster.settle()
    replies = execute(READS)
    assert replies.values == [b"kept"] * len(MANY)
    assert replies.run_id != before
    assert runtime.breaker.closed


def test_a_server_that_stands_still_costs_one_time_out(
    cluster: Cluster, tier: ClusterTier, execute: Any, settings: Settings
) -> None:
    settings.CACHING = {**settings.CACHING, "REDIS_BUDGET_SECONDS": 0.2}
    runtime.reset()
    still = runtime.redis
    assert isinstance(still, ClusterTier)
    call = still.execute if execute == tier.execute else async_to_sync(still.aexecute)
    if call == still.execute:
        call(READS)
    slow = cluster.owner(MANY[0])
    slow.freeze()
    try:
        with pytest.raises(RedisUnavailable, match="Timeout"):
            call([command("GET", MANY[0]), *READS])
        assert not runtime.breaker.closed
    finally:
        slow.thaw()
    cluster.settle()
    eventually(lambda: probed(still))
    runtime.breaker.close()
    # What the others said meanwhile was not taken for an answer to this.
    writes = [command("SET", name, name) for name in MANY]
    assert still.execute(writes).values == [b"OK"] * len(MANY)
    assert still.execute(READS).values == [name.encode() for name in MANY]


def test_a_primary_that_joins_is_asked_as_soon_as_keys_go_there(
    cluster: Cluster, tier: ClusterTier, execute: Any
) -> None:
    name = MANY[0]
    before = execute([command("SET", name, "v")]).run_id
    source, target = cluster.owner(name), cluster.add()
    cluster.settle()
    eventually(lambda: cluster.knows(target))
    cluster.begin_move(slot_of(name), source, target)
    cluster.move_key(name, source, target)
    replies = execute([command("GET", name)])
    assert replies.values == [b"v"]
    assert replies.run_id != before
    cluster.end_move(slot_of(name), source, target)
    assert execute([command("GET", name)]) == replies
    cluster.move(slot_of(name), target, source)
    cluster.remove(target)
