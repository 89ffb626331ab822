"""The listener of a Redis Cluster: each primary is heard, and local memory is trusted only while all of them are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from caching.epochs import guard_names, wide_names
from caching.listener import Listener
from caching.runtime import runtime
from caching.scripts import UNMARK, WIDE_UNMARK
from caching.stamps import slots_of
from caching.tiers.slots import slot_of
from tests.caching.hearing import is_trusted, listen
from tests.conftest import MovableClock, configure_redis
from tests.faults.waiting import eventually
from tests.servers.cluster import Cluster, Node
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

ORGS = [f"org{number}" for number in range(12)]
KEYS = {org: shop.key(org) for org in ORGS}


@pytest.fixture(scope="module")
def hurt() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(hurt: Cluster, settings: Settings, fresh_cache: None) -> Cluster:
    for node in hurt.nodes:
        if not node.runs:
            node.start()
    hurt.settle()
    hurt.flush()
    configure_redis(settings, hurt.location_of_user(), CLUSTER=True)
    Shop.objects.bulk_create([Shop(slug=org, name="old") for org in ORGS])
    return hurt


@pytest.fixture
def listener(clock: MovableClock, cluster: Cluster) -> Iterator[Listener]:
    listener = listen()
    read_all()
    yield listener
    listener.stop()


def read_all() -> None:
    def read() -> bool:
        for org in ORGS:
            shop.get(org)
        return held() == set(ORGS)

    eventually(read)


def held() -> set[str]:
    """Of which organisations a request would be served from local memory."""
    return {org for org, key in KEYS.items() if shop.hit(key.local) is not None}


def written_at(node: Node, org: str) -> None:
    """Let another host's writer unmark there."""
    node.says(*UNMARK(list(guard_names(KEYS[org])), "elsewhere").wire(by_text=True))


def test_a_change_at_any_primary_is_heard(cluster: Cluster, listener: Listener) -> None:
    assert len({cluster.owner(guard_names(key)[0]).port for key in KEYS.values()}) == 3
    left = set(ORGS)
    for org, key in KEYS.items():
        written_at(cluster.owner(guard_names(key)[0]), org)
        left.remove(org)
        eventually(lambda: held() == left)
    assert listener.describe()["reconnects"] == 0


def test_what_is_said_of_a_whole_region_is_heard(cluster: Cluster, listener: Listener) -> None:
    scope = KEYS["org3"].scope
    cluster.owner(wide_names(scope)[0]).says(*WIDE_UNMARK(list(wide_names(scope)), "x", "t").wire(by_text=True))
    eventually(lambda: held() == set(ORGS) - {"org3"})


@pytest.mark.parametrize("primary", range(3))
def test_one_primary_that_says_nothing_ends_the_trust(
    cluster: Cluster, clock: MovableClock, listener: Listener, primary: int
) -> None:
    silent = cluster.primaries[primary]
    # For a second and a half; it goes on talking to the other servers.
    silent.says("CLIENT", "PAUSE", 1500, "ALL")
    eventually(lambda: not listener.tracking)
    assert held() == set()
    eventually(is_trusted)
    read_all()


def test_when_a_primary_is_replaced_its_successor_is_heard_and_nothing_from_before_is_kept(
    cluster: Cluster, listener: Listener
) -> None:
    org = ORGS[0]
    value = guard_names(KEYS[org])[0]
    lost = cluster.owner(value)
    successor, reign = cluster.replica_of(lost), listener.run_id
    lost.kill()
    eventually(lambda: not listener.tracking)
    assert held() == set()
    eventually(lambda: successor.is_primary)
    eventually(is_trusted)
    assert listener.run_id != reign
    assert runtime.redis is not None
    eventually(well)
    assert runtime.redis.execute([]).run_id == listener.run_id
    read_all()
    written_at(successor, org)
    eventually(lambda: held() == set(ORGS) - {org})


def well() -> bool:
    assert runtime.relay is not None
    runtime.clock.sleep(3)
    runtime.relay.tick()
    return runtime.breaker.closed


def test_a_primary_replaced_in_peace_drops_what_is_kept(cluster: Cluster, listener: Listener) -> None:
    successor = cluster.replica_of(cluster.primaries[0])
    reconnects = listener.describe()["reconnects"]
    successor.says("CLUSTER", "FAILOVER")
    eventually(lambda: listener.describe()["reconnects"] > reconnects)
    eventually(is_trusted)
    assert held() == set()
    assert runtime.redis is not None
    assert runtime.redis.execute([]).run_id == listener.run_id


def test_marks_of_a_slot_that_moves_are_heard_where_the_key_is(cluster: Cluster, listener: Listener) -> None:
    org = ORGS[0]
    pending = guard_names(KEYS[org])[2]
    slot, source = slot_of(pending), cluster.owner(pending)
    target = next(node for node in cluster.primaries if node is not source)
    stamps = runtime.stamps
    assert stamps is not None
    cluster.begin_move(slot, source, target)
    noted = stamps.note(slots_of(KEYS[org]))
    target.says_asking("ZADD", pending, 1, "elsewhere")
    eventually(lambda: stamps.note(slots_of(KEYS[org])) != noted)
    cluster.end_move(slot, source, target)
    read_all()
    written_at(target, org)
    eventually(lambda: held() == set(ORGS) - {org})
    cluster.move(slot, target, source)


def test_a_primary_that_joins_is_heard_before_it_has_a_slot(cluster: Cluster, listener: Listener) -> None:
    org = ORGS[0]
    pending = guard_names(KEYS[org])[2]
    slot, source, reign = slot_of(pending), cluster.owner(pending), listener.run_id
    joined = cluster.add()
    eventually(lambda: cluster.knows(joined))
    cluster.settle()
    eventually(lambda: listener.run_id != reign and is_trusted())
    read_all()
    cluster.begin_move(slot, source, joined)
    noted = runtime.stamps.note(slots_of(KEYS[org]))  # type: ignore[union-attr]
    joined.says_asking("ZADD", pending, 1, "elsewhere")
    eventually(lambda: runtime.stamps.note(slots_of(KEYS[org])) != noted)  # type: ignore[union-attr]
    cluster.end_move(slot, source, joined)
    cluster.move(slot, joined, source)
    cluster.remove(joined)
