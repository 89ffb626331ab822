"""Two projects of different prefixes on one server see nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.errors import RedisUnavailable
from caching.fleet import Fleet, fleet_hosts
from caching.runtime import runtime
from caching.scripts import command
from tests.caching.hearing import create_shops, lead_to, listen
from tests.caching.stepping import KEY
from tests.faults.hosts import Host
from tests.faults.waiting import eventually
from tests.servers.acl import USER, make_user
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def redis_user() -> str:
    """One who may do everything: the user of the documentation sees one project's keys."""
    return ""


@pytest.fixture
def neighbour(redis: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Another project on another host, with the same regions, organisations and keys; only the prefix differs."""
    host = Host(PREFIX="fb:", STAMPS_DIR=str(tmp_path_factory.mktemp("neighbour")))
    create_shops()
    yield host
    host.close()


def cached(name: str) -> None:
    """Have a value in Redis, of these very words."""
    shop.get("corner")
    runtime.drop_local()
    found = shop.get("corner")
    assert found is not None
    assert found.name == name


def misses() -> int:
    return shop.counters.misses


def test_neither_reads_what_the_other_cached(neighbour: Host, redis: Any) -> None:
    cached("old")
    # Behind the back of both: each goes on with what it cached itself.
    Shop.objects.filter(pk="corner")._raw_delete("default")  # type: ignore[attr-defined]
    with neighbour.here():
        assert shop.get("corner") is None
    cached("old")
    assert {key.partition(b":")[0] for key in redis.scan_iter()} == {b"fa", b"fb"}


def test_neither_clears_nor_invalidates_what_the_other_cached(neighbour: Host) -> None:
    cached("old")
    with neighbour.here():
        cached("old")
        shop.invalidate("corner")
        shop.clear()
        shop.clear("corner")
    before = misses()
    cached("old")
    assert misses() == before


def test_neither_hears_of_what_the_other_changes(neighbour: Host) -> None:
    listener = listen()
    eventually(lambda: shop.get("corner") and shop.hit(KEY.local) is not None)
    assert runtime.redis is not None
    heard = listener.describe()["heard"]
    entry = shop.hit(KEY.local)
    for name in ("fb:e:", "fb:p:x"):
        runtime.redis.execute([command("SET", name, "changed")])
    # Told before an answer on the same connection: two more answers, and nothing came.
    for _ in range(2):
        until = listener.heard_until
        eventually(lambda until=until: listener.heard_until > until)  # type: ignore[misc]
    assert listener.describe()["heard"] == heard
    assert shop.hit(KEY.local) == entry


def test_neither_counts_the_others_hosts(neighbour: Host) -> None:
    Fleet().lead()
    with neighbour.here():
        Fleet().lead()
        assert len(fleet_hosts()) == 1
    assert len(fleet_hosts()) == 1


def test_the_user_of_one_may_not_touch_the_keys_of_the_other(redis: Any, settings: Settings) -> None:
    make_user(redis, "fb:")
    lead_to(settings, redis.connection_pool.connection_kwargs["port"], user=USER)
    assert runtime.redis is not None
    assert runtime.redis.execute([command("GET", "fb:v:x")]).values == [None]
    with pytest.raises(RedisUnavailable, match="NOPERM"):
        runtime.redis.execute([command("GET", "fa:v:x")])
