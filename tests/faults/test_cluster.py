"""Two hosts on a Redis Cluster that changes: every read is fresh, and what cannot be told waits in the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db.models import QuerySet
from pytest_django.fixtures import Settings

from caching.epochs import clear_name, guard_names
from caching.invalidation import clear
from caching.models import PendingInvalidation
from caching.runtime import runtime
from caching.tiers.slots import slot_of
from tests.conftest import MovableClock, configure_redis
from tests.faults.hosts import Host
from tests.faults.waiting import eventually
from tests.servers.cluster import Cluster, Node
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

ORGS = [f"org{number}" for number in range(12)]
NAMES = [(org,) for org in ORGS]
VALUES = {org: guard_names(shop.key(org))[0] for org in ORGS}


@pytest.fixture(scope="module")
def hurt() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(hurt: Cluster, settings: Settings, fresh_cache: None, clock: MovableClock) -> Cluster:
    for node in hurt.nodes:
        if not node.runs:
            node.start()
    hurt.settle()
    hurt.flush()
    hurt.mend()
    configure_redis(settings, hurt.location_of_user(), CLUSTER=True)
    settings.CACHING = {**settings.CACHING, "MARK_SECONDS": 0.5}
    for org in ORGS:
        Shop.objects.create(slug=org, name="first")
    return hurt


@pytest.fixture
def other(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(STAMPS_DIR=str(tmp_path_factory.mktemp("elsewhere")))
    yield host
    host.close()


@pytest.fixture(params=["sync", "async"])
def read_many(request: pytest.FixtureRequest) -> Callable[[], dict[str, Any]]:
    """Read the names of all shops, from Redis or the database."""
    get_many = shop.get_many if request.param == "sync" else async_to_sync(shop.aget_many)

    def read() -> dict[str, Any]:
        forget_here()
        found = get_many(NAMES)
        return {org: found[(org,)].name for org in ORGS}

    return read


def forget_here() -> None:
    if runtime.local is not None:
        runtime.local.clear()


def read_here(org: str) -> str:
    forget_here()
    found = shop.get(org)
    assert found is not None
    return str(found.name)


def write(org: str, name: str) -> None:
    row = Shop.objects.get(pk=org)
    row.name = name
    row.save()


def get_well(clock: MovableClock) -> None:
    """Let probes and the relay go their rounds until Redis is trusted and has been told everything."""

    def well() -> bool:
        clock.advance(3)
        assert runtime.relay is not None
        runtime.relay.tick()
        return runtime.breaker.closed and not PendingInvalidation.objects.exists()

    eventually(well)


def is_cached(cluster: Cluster, org: str) -> bool:
    return bool(cluster.owner(VALUES[org]).client.exists(VALUES[org]))


def test_many_organisations_are_read_from_all_servers_and_written_on_either_host(
    cluster: Cluster, other: Host, read_many: Callable[[], dict[str, Any]]
) -> None:
    expected = dict.fromkeys(ORGS, "first")
    assert read_many() == expected
    assert all(is_cached(cluster, org) for org in ORGS)
    for number, org in enumerate(ORGS):
        before = shop.counters.redis_hits
        with other.here():
            write(org, f"name {number}")
        expected[org] = f"name {number}"
        assert read_many() == expected
        assert read_many() == expected
        assert shop.counters.redis_hits >= before + 2 * len(ORGS) - 1


@pytest.mark.parametrize(("region", "org"), [(None, None), ("shop", None), (None, ORGS[3]), ("shop", ORGS[3])])
def test_what_is_cleared_on_one_host_is_cleared_on_all(
    cluster: Cluster, other: Host, read_many: Callable[[], dict[str, Any]], region: str | None, org: str | None
) -> None:
    read_many()
    # Around the cache: whoever still has the old value shows it.
    QuerySet(Shop).update(name="second")
    assert set(read_many().values()) == {"first"}
    with other.here():
        clear(region, org)
    after = read_many()
    assert {each for each, name in after.items() if name == "second"} == ({org} if org else set(ORGS))


def test_a_value_that_a_successor_brings_back_is_not_believed(
    cluster: Cluster, other: Host, clock: MovableClock, read_many: Callable[[], dict[str, Any]]
) -> None:
    org = ORGS[0]
    read_many()
    lost = cluster.owner(VALUES[org])
    old, left = lost.client.get(VALUES[org]), lost.client.pttl(VALUES[org])
    with other.here():
        write(org, "second")
    successor = cluster.replica_of(lost)
    lost.kill()
    # Nobody waits: the database answers.
    assert read_here(org) == "second"
    eventually(lambda: successor.is_primary)
    cluster.settle()
    # As if it had missed the deletion, which is on its way to replicas behind the answer.
    successor.client.set(VALUES[org], old, px=left)
    with other.here():
        get_well(clock)
        assert read_here(org) == "second"
    get_well(clock)
    successor.client.set(VALUES[org], old, px=left)
    assert read_many() == {**dict.fromkeys(ORGS, "first"), org: "second"}
    assert read_here(org) == "second"
    write(org, "third")
    with other.here():
        assert read_many()[org] == "third"
    assert runtime.breaker.closed


def test_an_epoch_that_a_successor_brings_back_brings_nothing_back(
    cluster: Cluster, other: Host, clock: MovableClock, read_many: Callable[[], dict[str, Any]]
) -> None:
    read_many()
    name = clear_name(None, None)
    lost = cluster.owner(name)
    old = lost.client.get(name)
    QuerySet(Shop).update(name="second")
    with other.here():
        clear()
    successor = cluster.replica_of(lost)
    lost.kill()
    eventually(lambda: successor.is_primary)
    cluster.settle()
    successor.client.set(name, old)
    get_well(clock)
    assert set(read_many().values()) == {"second"}
    # This one had no trouble with anybody: its relay finds nothing to do.
    with other.here():
        get_well(clock)
        assert set(read_many().values()) == {"second"}


def test_writes_while_a_primary_is_lost_are_delivered_to_its_successor(
    cluster: Cluster, other: Host, clock: MovableClock, read_many: Callable[[], dict[str, Any]]
) -> None:
    read_many()
    lost = cluster.owner(VALUES[ORGS[0]])
    successor = cluster.replica_of(lost)
    lost.kill()
    for org in ORGS:
        write(org, "second")
        assert read_here(org) == "second"
    assert PendingInvalidation.objects.exists()
    eventually(lambda: successor.is_primary)
    cluster.settle()
    get_well(clock)
    with other.here():
        get_well(clock)
        assert set(read_many().values()) == {"second"}
    assert set(read_many().values()) == {"second"}
    assert runtime.breaker.closed


def moving_steps(cluster: Cluster, slot: int, source: Node, target: Node) -> Iterator[str]:
    """Move a slot, key by key; stop before each step."""
    yield "not begun"
    cluster.begin_move(slot, source, target)
    yield "begun"
    moved: set[bytes] = set()
    while left := [name for name in cluster.keys_of(slot, source) if name not in moved]:
        cluster.move_key(left[0], source, target)
        moved.add(left[0])
        yield f"moved {len(moved)}"
    yield "all moved"
    cluster.end_move(slot, source, target)
    yield "ended"


@pytest.mark.parametrize("wide", [False, True])
def test_a_writer_is_heard_at_each_moment_of_a_slots_move(
    cluster: Cluster, other: Host, clock: MovableClock, read_many: Callable[[], dict[str, Any]], wide: bool
) -> None:
    org, slot = ORGS[0], slot_of(VALUES[ORGS[0]])
    change = write_wide if wide else write
    here = cluster.owner(VALUES[org])
    there = next(node for node in cluster.primaries if node is not here)
    turn, reached = 0, True
    while reached:
        turn += 1
        read_many()
        assert is_cached(cluster, org)
        steps = moving_steps(cluster, slot, here, there)
        moments = [moment for _, moment in zip(range(turn), steps, strict=False)]
        reached = len(moments) == turn
        with other.here():
            change(org, f"turn {turn}")
            assert runtime.breaker.closed, (moments, runtime.breaker.describe())
        assert read_here(org) == f"turn {turn}", moments
        assert read_many()[org] == f"turn {turn}", moments
        assert runtime.breaker.closed, moments
        for _ in steps:
            assert read_here(org) == f"turn {turn}", moments
        here, there = there, here
    assert not PendingInvalidation.objects.exists()
    assert turn > 6


def write_wide(org: str, name: str) -> None:
    """Write, and make stale all that the region has of the organisation."""
    write(org, name)
    shop.invalidate_org(org)
