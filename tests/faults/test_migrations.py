"""Slots that Valkey 9 moves as a whole (CLUSTER MIGRATESLOTS), while hosts read and write: nothing old, no error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from caching.models import PendingInvalidation
from caching.runtime import runtime
from caching.tiers.slots import slot_of
from tests.caching.hearing import listen, write_elsewhere
from tests.faults.hosts import Host
from tests.faults.test_cluster import (
    ORGS,
    VALUES,
    cluster,
    hurt,
    is_cached,
    other,
    read_here,
    read_many,
    write,
    write_wide,
)
from tests.faults.waiting import eventually
from tests.servers.cluster import Cluster, Node
from tests.shop.cached import shop

__all__ = ["cluster", "hurt", "other", "read_many"]

pytestmark = pytest.mark.django_db(transaction=True)

ORG = ORGS[0]
SLOT = slot_of(VALUES[ORG])
TURNS = 4


def ends_of_the_way(cluster: Cluster) -> tuple[Node, Node]:
    source = cluster.owner(VALUES[ORG])
    # So much is in the slot that it is on its way for a while.
    tag = VALUES[ORG].partition("{")[2].partition("}")[0]
    for number in range(1000):
        source.client.set(f"{{{tag}}}{number}", b"x" * 1000)
    return source, next(node for node in cluster.primaries if node is not source)


@pytest.mark.parametrize("change", [write, write_wide])
def test_all_that_is_written_meanwhile_is_read(
    cluster: Cluster,
    other: Host,
    read_many: Callable[[], dict[str, Any]],
    change: Callable[[str, str], None],
) -> None:
    here, there = ends_of_the_way(cluster)
    expected = dict.fromkeys(ORGS, "first")
    written = 0
    for _ in range(TURNS):
        assert read_many() == expected
        assert is_cached(cluster, ORG)
        cluster.begin_migration(SLOT, here, there)
        while cluster.migrates(here):
            written += 1
            expected[ORG] = f"name {written}"
            with other.here():
                change(ORG, expected[ORG])
                assert runtime.breaker.closed, runtime.breaker.describe()
            assert read_here(ORG) == expected[ORG]
            assert read_many() == expected
            assert runtime.breaker.closed, runtime.breaker.describe()
        assert cluster.owner(VALUES[ORG]) is there
        assert read_many() == expected
        here, there = there, here
    # Each time before and after the servers agree who is the owner.
    assert written >= TURNS
    assert not PendingInvalidation.objects.exists()


def test_what_is_not_written_stays_a_hit(cluster: Cluster, read_many: Callable[[], dict[str, Any]]) -> None:
    here, there = ends_of_the_way(cluster)
    expected = read_many()
    cluster.begin_migration(SLOT, here, there)
    eventually(lambda: not cluster.migrates(here))
    loads = shop.counters.loads
    assert read_many() == expected
    assert shop.counters.loads == loads


def test_writes_are_heard_where_the_slot_has_gone(cluster: Cluster) -> None:
    here, there = ends_of_the_way(cluster)
    key = shop.key(ORG)
    listen()
    eventually(lambda: shop.get(ORG) and shop.hit(key.local) is not None)
    cluster.begin_migration(SLOT, here, there)
    eventually(lambda: not cluster.migrates(here))
    cluster.settle()
    eventually(lambda: shop.get(ORG) and shop.hit(key.local) is not None)
    write_elsewhere(there.client, key)
    eventually(lambda: shop.hit(key.local) is None)
