"""A primary that is cut off from its replica and its Sentinels, but not from a host: what that host may believe."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from caching.epochs import guard_names
from caching.runtime import runtime
from tests.caching.hearing import listen
from tests.caching.stepping import KEY
from tests.faults.site import Site
from tests.faults.waiting import eventually
from tests.servers.processes import Process
from tests.servers.sentinels import Trio
from tests.servers.tier import Lead, lead

__all__ = ["lead"]

pytestmark = pytest.mark.django_db(transaction=True)

VALUE = guard_names(KEY)[0]


class Partition:
    """Cuts the first server of a trio off from all that sign in as nobody: the replica and the Sentinels."""

    def __init__(self, trio: Trio) -> None:
        self._trio = trio
        self.first, self.second = trio.servers
        self._reaches = Redis(port=self.first.port, username="site", password="word")

    def begin(self) -> None:
        """Return when the others have made the second server the primary."""
        self.first.client.set("last", 1)
        self.first.client.wait(1, 60_000)
        self._reaches.execute_command("ACL", "SETUSER", "default", "-@all")
        for kind in ("replica", "normal", "pubsub"):
            self._reaches.execute_command("CLIENT", "KILL", "TYPE", kind, "USER", "default")
        self._trio.promoted(self.second)
        assert self._reaches.info("replication")["role"] == "master", "it should not have heard of that"

    def end(self) -> None:
        """Return when the first server follows the second one."""
        self._reaches.execute_command("ACL", "SETUSER", "default", "+@all")
        eventually(lambda: self._reaches.info("replication")["role"] == "slave")
        self._reaches.close()

    def holds(self, server: Process) -> bool:
        """Whether the value is cached there."""
        client = self._reaches if server is self.first else server.client
        return bool(client.exists(VALUE))


@pytest.fixture
def divide(lead: Lead, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[Site, Partition]]]:
    """Make two hosts, and a trio with these lines of configuration; this host listens, the other one does not."""
    ends: list[Callable[[], None]] = []

    def make(*lines: str) -> tuple[Site, Partition]:
        trio = Trio("user site on >word ~* &* +@all", *lines, password="watch")
        ends.append(trio.end)
        lead(trio.url(user="site:word@"), MARK_SECONDS=0.5)
        site = Site(str(tmp_path_factory.mktemp("elsewhere")))
        ends.append(site.close)
        site.settle()
        site.check_everywhere()
        listen()
        # It has had all connections made anew: from now on they are kept.
        site.check()
        return site, Partition(trio)

    yield make
    for end in reversed(ends):
        end()


def go_to_the_new_primary(site: Site) -> None:
    with site.other.here():
        assert runtime.redis is not None
        runtime.redis.renew()


def test_with_replicas_it_must_have_a_primary_is_left_before_another_takes_its_place(
    divide: Callable[..., tuple[Site, Partition]],
) -> None:
    site, partition = divide("min-replicas-to-write 1", "min-replicas-max-lag 2")
    partition.begin()
    assert partition.holds(partition.first), "it should hold the value"
    # Nobody reads from it, though its connections are open, nor from the new one, which has no replica yet.
    with site.other.here():
        site.write()
    site.check_everywhere()
    site.write()
    site.check_everywhere()
    partition.end()
    site.settle()
    site.check_everywhere()
    assert partition.holds(partition.second)


def test_without_them_either_side_has_a_primary_of_its_own_until_one_asks_a_sentinel(
    divide: Callable[..., tuple[Site, Partition]],
) -> None:
    site, partition = divide()
    partition.begin()
    with site.other.here():
        assert runtime.redis is not None
        runtime.redis.renew()
        site.write()
        site.settle()
    assert site.read_from_redis() == ["shop 0", "dish 0", "dish 0"], "docs/stores.md and check W077 tell of this"
    site.write()
    with site.other.here():
        assert site.read_from_redis() == ["shop 1", "dish 1", "dish 1"], "docs/stores.md tells of this"
    partition.end()
    # What was written on the wrong side was marked there, and nowhere else.
    site.write()
    site.settle()
    site.check_everywhere()
