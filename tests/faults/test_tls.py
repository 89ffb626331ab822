"""Servers that speak nothing but TLS, to clients with a certificate: one of them, Sentinels' and a Cluster's.

With TEST_REDIS_TLS=own they speak it themselves, and to each other, else a front before each of them does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import pytest

from caching.epochs import guard_names
from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.scripts import command
from caching.tiers.slots import slot_of
from tests.caching.hearing import is_trusted, listen, write_elsewhere
from tests.caching.stepping import KEY
from tests.faults.site import Site
from tests.faults.waiting import eventually
from tests.servers.acl import USER, make_user
from tests.servers.certificates import Authority
from tests.servers.cluster import Cluster
from tests.servers.processes import Process
from tests.servers.sentinels import Trio
from tests.servers.tier import Lead, lead
from tests.shop.cached import shop
from tests.shop.models import Shop

__all__ = ["lead"]

pytestmark = pytest.mark.django_db(transaction=True)

VALUE = guard_names(KEY)[0]
Servers: TypeAlias = Process | Trio | Cluster


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: Authority) -> Iterator[Process]:
    with Process(authority=authority) as server:
        yield server


@pytest.fixture
def trio(authority: Authority) -> Iterator[Trio]:
    trio = Trio(password="watch", authority=authority)
    yield trio
    trio.end()


@pytest.fixture
def cluster(authority: Authority) -> Iterator[Cluster]:
    with Cluster(authority=authority) as cluster:
        yield cluster


@pytest.fixture(params=["server", "trio", "cluster"])
def servers(request: pytest.FixtureRequest) -> Servers:
    """Servers of each shape."""
    servers: Servers = request.getfixturevalue(request.param)
    return servers


def url_of(servers: Servers, authority: Authority) -> str:
    if isinstance(servers, Cluster):
        return servers.url()
    for each in [servers] if isinstance(servers, Process) else servers.servers:
        make_user(each.client)
    if isinstance(servers, Trio):
        return servers.url(user=USER)
    return f"rediss://{USER}127.0.0.1:{servers.port}/0?{authority.query()}"


def primary_of(servers: Servers) -> Process:
    if isinstance(servers, Cluster):
        return servers.owner(VALUE)
    return servers if isinstance(servers, Process) else servers.servers[0]


@pytest.fixture
def build(lead: Lead, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Site]]:
    """Make two hosts that use the servers of a URL."""
    sites = []

    def make(url: str) -> Site:
        lead(url, MARK_SECONDS=0.5)
        sites.append(Site(str(tmp_path_factory.mktemp("elsewhere"))))
        sites[-1].settle()
        return sites[-1]

    yield make
    for site in sites:
        site.close()


def test_what_either_host_writes_is_read_by_both(
    servers: Servers, authority: Authority, build: Callable[[str], Site]
) -> None:
    site = build(url_of(servers, authority))
    site.write()
    site.check_everywhere()
    with site.other.here():
        site.write()
    site.check_everywhere()
    site.settle()
    assert primary_of(servers).client.exists(VALUE)


def test_what_others_write_is_heard(servers: Servers, authority: Authority, build: Callable[[str], Site]) -> None:
    build(url_of(servers, authority))
    listen()
    eventually(is_trusted)
    eventually(lambda: shop.get("corner") and shop.hit(KEY.local) is not None)
    write_elsewhere(primary_of(servers).client, KEY)
    eventually(lambda: shop.hit(KEY.local) is None)


def test_a_replica_that_takes_over_is_used(trio: Trio, authority: Authority, build: Callable[[str], Site]) -> None:
    site = build(url_of(trio, authority))
    trio.servers[0].kill()
    site.write()
    site.check_everywhere()
    trio.promoted(trio.servers[1])
    site.settle()
    site.check_everywhere()
    assert trio.servers[1].client.exists(VALUE)


def test_a_cluster_that_replaces_a_primary_and_moves_a_slot_is_followed(
    cluster: Cluster, authority: Authority, build: Callable[[str], Site]
) -> None:
    site = build(url_of(cluster, authority))
    lost = cluster.owner(VALUE)
    successor = cluster.replica_of(lost)
    lost.kill()
    site.write()
    site.check_everywhere()
    eventually(lambda: successor.is_primary)
    cluster.settle()
    site.settle()
    assert successor.client.exists(VALUE)
    another = next(node for node in cluster.primaries if node is not successor)
    cluster.move(slot_of(VALUE), successor, another)
    site.write()
    site.check_everywhere()
    site.settle()
    assert another.client.exists(VALUE)


def test_a_host_without_a_certificate_of_its_own_reads_from_the_database(
    servers: Servers, authority: Authority, lead: Lead
) -> None:
    lead(url_of(servers, authority).partition("&ssl_certfile")[0])
    reads_from_the_database()


def test_a_host_that_does_not_accept_the_certificate_reads_from_the_database_and_says_why(
    servers: Servers, authority: Authority, lead: Lead, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    another = Authority(tmp_path, "another")
    lead(url_of(servers, authority).replace(quote(authority.ca, safe=""), quote(another.ca, safe="")))
    reads_from_the_database()
    assert "its certificate is not accepted" in caplog.text


def reads_from_the_database() -> None:
    Shop.objects.create(slug="corner", name="old")
    found = shop.get("corner")
    assert found is not None
    assert found.name == "old"
    assert not runtime.breaker.closed
    assert runtime.redis is not None
    with pytest.raises(RedisUnavailable):
        runtime.redis.execute([command("PING")], probe=True)
