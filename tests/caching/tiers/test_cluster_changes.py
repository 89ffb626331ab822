"""A Redis Cluster that changes under its clients: slots move, primaries are lost and replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from hiredis import pack_command

from caching.epochs import guard_names, wide_names
from caching.errors import RedisUnavailable
from caching.keys import Key, Scope
from caching.runtime import runtime
from caching.scripts import CLEAR, EPOCH, FILL, LEASE, MARK, UNMARK, WIDE_MARK, WIDE_UNMARK, command, one_by_one
from caching.tiers.cluster import ClusterTier
from caching.tiers.slots import slot_of
from tests.servers.cluster import Cluster, Node

KEY = Key("shop", "corner")
SCOPE = Scope("shop", "corner")
VALUE, LEASED, PENDING = guard_names(KEY)
EPOCH_NAME, WIDE = wide_names(SCOPE)
SLOT = slot_of(VALUE)


@pytest.fixture
def tier(cluster: Cluster) -> ClusterTier:
    assert isinstance(runtime.redis, ClusterTier)
    runtime.redis.execute([command("PING")])
    return runtime.redis


@pytest.fixture(params=["sync", "async"])
def execute(request: pytest.FixtureRequest, tier: ClusterTier) -> Any:
    return tier.execute if request.param == "sync" else async_to_sync(tier.aexecute)


@pytest.fixture
def ways(cluster: Cluster) -> Iterator[tuple[Node, Node]]:
    """Where the slot of the key is, and where it is to go; it is brought back."""
    source = cluster.owner(VALUE)
    target = next(node for node in cluster.primaries if node is not source)
    yield source, target
    cluster.flush()
    owner = cluster.owner(VALUE)
    cluster.end_move(SLOT, owner, source)


def test_a_slot_that_has_moved_is_found_and_nothing_else_changes(
    cluster: Cluster, execute: Any, ways: tuple[Node, Node]
) -> None:
    run_id = execute([command("SET", VALUE, "v"), command("SET", "other", "o")]).run_id
    cluster.move(SLOT, *ways)
    replies = execute([command("GET", "other"), command("GET", VALUE)])
    assert (replies.values, replies.run_id) == ([b"o", b"v"], run_id)


def test_one_question_finds_a_slot_that_has_moved(cluster: Cluster, tier: ClusterTier, ways: tuple[Node, Node]) -> None:
    tier.execute([command("SET", VALUE, "v")])
    cluster.move(SLOT, *ways)
    request = pack_command(("MGET", VALUE))
    assert tier.ask(request)[0] == [b"v"]
    view = tier.router.view
    cluster.move(SLOT, *reversed(ways))
    assert async_to_sync(tier.aask)(request)[0] == [b"v"]
    assert tier.router.view is not view


def test_a_key_on_its_way_is_asked_for_where_it_is(cluster: Cluster, execute: Any, ways: tuple[Node, Node]) -> None:
    other = f"{VALUE}:2"
    run_id = execute([command("SET", VALUE, "v"), command("SET", other, "o")]).run_id
    cluster.begin_move(SLOT, *ways)
    cluster.move_key(VALUE, *ways)
    reads = [command("GET", other), command("GET", VALUE), command("GET", f"{VALUE}:3")]
    replies = execute(reads)
    assert (replies.values, replies.run_id) == ([b"o", b"v", None], run_id)
    # The servers that take it over know no script yet.
    assert execute([EPOCH([f"{EPOCH_NAME}:{n}"], "f" * 16) for n in range(3)]).values[0] is not None
    cluster.end_move(SLOT, *ways)
    assert execute(reads).values == [b"o", b"v", None]


def test_several_keys_are_read_one_by_one_while_they_are_on_their_way(
    cluster: Cluster, execute: Any, ways: tuple[Node, Node]
) -> None:
    execute([command("SET", VALUE, "v"), command("SET", EPOCH_NAME, "e"), command("LPUSH", LEASED, "no text")])
    cluster.begin_move(SLOT, *ways)
    cluster.move_key(EPOCH_NAME, *ways)
    looks = [command("MGET", VALUE, EPOCH_NAME, PENDING, LEASED), command("MGET", "other", VALUE, EPOCH_NAME)]
    assert execute(looks).values == [[b"v", b"e", None, None], [None, b"v", b"e"]]


@pytest.fixture(params=[(), (VALUE,), (LEASED,), (PENDING,), (VALUE, LEASED), (VALUE, LEASED, PENDING)], ids=str)
def half_moved(request: pytest.FixtureRequest, cluster: Cluster, tier: ClusterTier, ways: tuple[Node, Node]) -> None:
    """A value, a lease and a writer, some of which have arrived at their new server."""
    tier.execute([command("SET", VALUE, "v"), command("SET", LEASED, "l"), command("ZADD", PENDING, 2e12, "another")])
    cluster.begin_move(SLOT, *ways)
    for name in request.param:
        cluster.move_key(name, *ways)


def found(tier: ClusterTier) -> list[Any]:
    value, lease, members = tier.execute(
        [command("GET", VALUE), command("GET", LEASED), command("ZRANGE", PENDING, 0, -1)]
    ).values
    return [value, lease, set(members)]


def test_a_mark_reaches_keys_that_are_on_their_way(half_moved: None, tier: ClusterTier, execute: Any) -> None:
    execute([MARK(list(guard_names(KEY)), "mine", 5000)])
    assert found(tier) == [None, None, {b"another", b"mine"}]
    tier.execute([command("SET", VALUE, "v"), command("SET", LEASED, "l")])
    execute([UNMARK(list(guard_names(KEY)), "mine")])
    assert found(tier) == [None, None, {b"another"}]


def test_a_wide_mark_reaches_keys_that_are_on_their_way(
    cluster: Cluster, tier: ClusterTier, execute: Any, ways: tuple[Node, Node]
) -> None:
    tier.execute([command("SET", EPOCH_NAME, "first")])
    cluster.begin_move(SLOT, *ways)
    cluster.move_key(EPOCH_NAME, *ways)
    tier.execute([command("SET", f"{WIDE}2", "unmoved")])
    execute([WIDE_MARK([EPOCH_NAME, WIDE], "mine", 5000, "t1")])
    epoch, members = tier.execute([command("GET", EPOCH_NAME), command("ZRANGE", WIDE, 0, -1)]).values
    assert epoch not in (None, b"first")
    assert members == [b"mine"]
    execute([WIDE_UNMARK([EPOCH_NAME, WIDE], "mine", "t2")])
    again, members = tier.execute([command("GET", EPOCH_NAME), command("ZRANGE", WIDE, 0, -1)]).values
    assert again not in (None, epoch)
    assert members == []


def test_nobody_gets_a_lease_or_fills_while_keys_are_on_their_way(
    cluster: Cluster, tier: ClusterTier, execute: Any, ways: tuple[Node, Node]
) -> None:
    tier.execute([command("SET", LEASED, "token")])
    cluster.begin_move(SLOT, *ways)
    with pytest.raises(RedisUnavailable, match="TRYAGAIN") as caught:
        execute([LEASE([LEASED, PENDING, WIDE, VALUE], "mine", 5000, b"")])
    assert not caught.value.outage
    with pytest.raises(RedisUnavailable, match="TRYAGAIN"):
        execute([FILL([LEASED, VALUE], "token", b"value", 5000)])
    assert runtime.breaker.closed
    assert tier.execute([command("GET", VALUE)]).values == [None]


@pytest.mark.parametrize("wide", [False, True])
def test_an_epoch_is_changed_though_its_slot_is_on_its_way(
    cluster: Cluster, tier: ClusterTier, execute: Any, ways: tuple[Node, Node], wide: bool
) -> None:
    """The script deletes it where it was, and may set it only where it is to go."""
    tier.execute([command("SET", EPOCH_NAME, "first"), command("ZADD", WIDE, 2e12, "another")])
    cluster.begin_move(SLOT, *ways)
    execute([WIDE_MARK([EPOCH_NAME, WIDE], "mine", 5000, "t1") if wide else CLEAR([EPOCH_NAME], "t1")])
    epoch, members = tier.execute([command("GET", EPOCH_NAME), command("ZRANGE", WIDE, 0, -1)]).values
    assert epoch not in (None, b"first")
    assert (b"mine" in members) == wide


# --- one key after the other, on one server: what a reader can do in between ------------------------------------------

_COMMANDS = {
    "mark": MARK(list(guard_names(KEY)), "mine", 5000),
    "unmark": UNMARK(list(guard_names(KEY)), "mine"),
    "wide mark": WIDE_MARK([EPOCH_NAME, WIDE], "mine", 5000, "t1"),
    "wide unmark": WIDE_UNMARK([EPOCH_NAME, WIDE], "mine", "t2"),
}


@pytest.mark.parametrize("name", _COMMANDS)
@pytest.mark.parametrize("cut", range(4))
def test_no_reader_in_between_leaves_a_value_behind(redis: Any, name: str, cut: int) -> None:
    """One holds a lease from before and fills; another asks for one: what it would load may be old by the end."""
    assert runtime.redis is not None
    execute = runtime.redis.execute
    execute([command("SET", EPOCH_NAME, "first"), command("SET", VALUE, "old"), command("SET", LEASED, "before")])
    if "unmark" in name:
        execute([_COMMANDS[name.replace("unmark", "mark")], command("SET", LEASED, "before")])
    before = execute([command("GET", EPOCH_NAME)]).values
    single = one_by_one(_COMMANDS[name])
    for each in single[:cut]:
        execute([each])
    if cut < len(single):
        execute([FILL([LEASED, VALUE], "before", b"old", 5000), command("DEL", LEASED)])
        (verdict,) = execute([LEASE([LEASED, PENDING, WIDE, VALUE], "between", 5000, b"")]).values
        # Before a mark there is nothing to hold it back, and it ends with the mark.
        assert (verdict == b"pending") == (cut > 0 or "unmark" in name)
    for each in single[cut:]:
        execute([each])
    execute([FILL([LEASED, VALUE], "between", b"old", 5000)])
    after, value = execute([command("GET", EPOCH_NAME), command("GET", VALUE)]).values
    # A wide write leaves values, which their epoch makes worthless.
    assert value is None or [after] != before
    assert ("wide" in name) == ([after] != before)
