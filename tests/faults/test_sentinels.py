"""Under Sentinels a replica takes over: reads and writes go on, and nothing old is served, by whomever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from caching.epochs import guard_names
from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.scripts import command
from tests.caching.hearing import is_trusted, listen, write_elsewhere
from tests.caching.stepping import KEY
from tests.faults.site import Site
from tests.faults.waiting import eventually
from tests.servers.processes import Process
from tests.servers.sentinels import Trio
from tests.servers.tier import Lead, lead
from tests.shop.cached import shop

__all__ = ["lead"]

pytestmark = pytest.mark.django_db(transaction=True)

VALUE = guard_names(KEY)[0]


@pytest.fixture
def trio() -> Iterator[Trio]:
    trio = Trio("user site on >word ~* &* +@all", password="watch")
    yield trio
    trio.end()


@pytest.fixture
def site(trio: Trio, lead: Lead, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lead(trio.url(user="site:word@"), MARK_SECONDS=0.5)
    site = Site(str(tmp_path_factory.mktemp("elsewhere")))
    site.settle()
    site.check_everywhere()
    yield site
    site.close()


def cut_off_the_replica(trio: Trio) -> None:
    """Let the replica hear nothing from now on."""
    primary = trio.servers[0].client
    # It waits for what this very client has written, and all that was before.
    primary.set("last", 1)
    primary.wait(1, 60_000)
    primary.execute_command("ACL", "SETUSER", "default", "-psync", "-sync")
    primary.client_kill_filter(_type="replica")


def test_a_replica_takes_over_from_a_primary_that_was_killed(site: Site, trio: Trio) -> None:
    first, second = trio.servers
    first.kill()
    site.write()
    site.check_everywhere()
    trio.promoted(second)
    site.settle()
    site.check_everywhere()
    assert second.client.exists(VALUE), "the new primary should be in use"
    site.write()
    site.check_everywhere()


def test_a_replica_that_missed_the_last_writes_serves_none_of_what_they_changed(site: Site, trio: Trio) -> None:
    first, second = trio.servers
    cut_off_the_replica(trio)
    site.write()
    assert not first.client.exists(VALUE)
    assert second.client.exists(VALUE), "the replica should hold the old value"
    first.kill()
    trio.promoted(second)
    site.settle()
    site.check_everywhere()


def test_a_primary_that_was_cut_off_and_comes_back_serves_nothing_old(site: Site, trio: Trio) -> None:
    first, second = trio.servers
    listener = listen()
    site.check()
    first.freeze()
    eventually(lambda: not listener.tracking)
    # All that this host has from now on are its connections: none of them is told of the new primary.
    listener.stop()
    trio.promoted(second)
    with site.other.here():
        assert runtime.redis is not None
        runtime.redis.renew()
        site.write()
        site.settle()
    first.thaw()
    assert first.client.exists(VALUE), "it should hold the old value"
    site.check()
    site.settle()


def test_the_listener_follows_the_primary(site: Site, trio: Trio) -> None:
    listen()
    trio.servers[0].kill()
    trio.promoted(trio.servers[1])
    eventually(is_trusted)
    site.settle()
    eventually(lambda: shop.get("corner") and shop.hit(KEY.local) is not None)
    write_elsewhere(trio.servers[1].client, KEY)
    eventually(lambda: shop.hit(KEY.local) is None)


def test_one_sentinel_is_enough_to_find_the_primary(site: Site, trio: Trio) -> None:
    trio.sentinels[0].kill()
    trio.sentinels[1].freeze()
    for _ in range(4):
        assert runtime.redis is not None
        runtime.redis.renew()
        site.check()
    assert runtime.breaker.closed
    trio.sentinels[1].thaw()


def test_without_sentinels_nobody_is_found_and_the_log_says_so(
    site: Site, trio: Trio, caplog: pytest.LogCaptureFixture
) -> None:
    for each in trio.sentinels:
        each.kill()
    assert runtime.redis is not None
    runtime.redis.renew()
    site.check()
    assert "no Sentinel that answers names a primary" in caplog.text


def test_a_primary_without_the_replicas_it_must_have_is_not_believed(lead: Lead) -> None:
    """Another may be primary by now: what this one holds would be served for ever."""
    with (
        Process("min-replicas-to-write 1", "min-replicas-max-lag 10") as primary,
        Process(f"replicaof 127.0.0.1 {primary.port}") as replica,
    ):
        eventually(lambda: primary.client.info("replication")["min_slaves_good_slaves"] == 1)
        lead(f"redis://127.0.0.1:{primary.port}/0")
        listener = listen()
        assert runtime.redis is not None
        assert runtime.redis.execute([command("ECHO", "heard")]).values == [b"heard"]
        replica.kill()
        eventually(lambda: not listener.tracking)
        with pytest.raises(RedisUnavailable, match="lost its replicas"):
            runtime.redis.execute([command("ECHO", "heard")])
        assert not runtime.breaker.closed
