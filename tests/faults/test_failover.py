"""A server that lost what it was told serves nothing old: a promoted replica, and a primary that comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from caching.epochs import guard_names
from caching.runtime import runtime
from tests.caching.stepping import KEY
from tests.faults.proxy import Answerless, Proxy
from tests.faults.servers import Server
from tests.faults.stage import Stage
from tests.faults.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

VALUE = guard_names(KEY)[0]


class Pair:
    """Two servers, the second a replica of the first; `way` leads all clients to the primary, `link` replicates."""

    def __init__(self) -> None:
        self.first = Server(repl_diskless_sync_delay="0")
        self.link = Proxy(self.first.port)
        self.second = Server(replicaof=f"127.0.0.1 {self.link.port}")
        self.way = Proxy(self.first.port)
        eventually(lambda: self.second.client.info("replication")["master_link_status"] == "up")

    def close(self) -> None:
        for each in (self.way, self.link):
            each.close()
        for server in (self.first, self.second):
            server.end()

    def cut_off(self) -> None:
        """Let the replica hear nothing from now on; it does not know."""
        self.first.client.wait(1, 60_000)
        self.link.suffer(Answerless())

    def promote(self, server: Server, *, instead_of: Server | None = None) -> None:
        """Make that one the primary and lead everybody there; as Sentinel does, also with the one before it."""
        server.client.replicaof("NO", "ONE")
        if instead_of is not None:
            self.link.redirect(server.port)
            instead_of.client.replicaof("127.0.0.1", str(self.link.port))
            instead_of.client.client_kill_filter(_type="normal", skipme=True)
        self.way.redirect(server.port)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


@pytest.fixture
def stage(pair: Pair, set_stage: Callable[..., Stage]) -> Stage:
    stage = set_stage(pair.first, pair.way, pair.way.port, budget=30.0)
    stage.settle()
    stage.check_elsewhere()
    return stage


def test_a_replica_promoted_after_it_missed_an_invalidation_serves_nothing_old(stage: Stage, pair: Pair) -> None:
    pair.cut_off()
    stage.write()
    assert not pair.first.client.exists(VALUE)
    assert pair.second.client.exists(VALUE), "the replica should hold the old value"
    pair.first.kill()
    pair.promote(pair.second)
    stage.forget_here()
    stage.check_all()
    stage.check_elsewhere()
    stage.settle()


def test_a_primary_that_comes_back_from_its_disk_serves_nothing_old(stage: Stage, pair: Pair) -> None:
    pair.first.client.save()
    stage.write()
    pair.first.kill()
    pair.promote(pair.second)
    stage.settle()
    stage.write()
    stage.settle()
    pair.first.start()
    assert pair.first.client.exists(VALUE), "the disk should hold the old value"
    pair.way.redirect(pair.first.port)
    stage.check_elsewhere()
    stage.forget_here()
    stage.check_all()
    stage.settle()


def test_a_primary_demoted_and_promoted_again_serves_nothing_that_it_missed(stage: Stage, pair: Pair) -> None:
    run_id = pair.first.client.info("server")["run_id"]
    pair.cut_off()
    pair.promote(pair.second, instead_of=pair.first)
    stage.settle()
    stage.write()
    stage.settle()
    pair.promote(pair.first, instead_of=pair.second)
    assert pair.first.client.info("server")["run_id"] == run_id, "it should be the same process"
    assert pair.first.client.exists(VALUE), "it should hold the old value"
    stage.forget_here()
    stage.check_all()
    stage.check_elsewhere()
    stage.settle()


def test_a_write_that_meets_the_demoted_server_is_told_to_the_new_one(stage: Stage, pair: Pair) -> None:
    """Clients learn of a new primary late: until then theirs refuses writes."""
    pair.second.client.replicaof("NO", "ONE")
    pair.link.redirect(pair.second.port)
    pair.first.client.replicaof("127.0.0.1", str(pair.link.port))
    stage.write()
    stage.check_all()
    assert not runtime.breaker.closed
    pair.way.redirect(pair.second.port)
    stage.settle()
    stage.check_elsewhere()
