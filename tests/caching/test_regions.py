"""What callers of a region see: snapshots, bytes, many at once, coroutines, clearing and warming."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.test.utils import override_settings

from caching import CachingError, Region, UnknownRegion, outbox
from caching.errors import MarkFailed
from caching.invalidation import clear
from caching.keys import Key
from caching.registry import registry
from caching.runtime import runtime
from caching.stats import SAMPLE_EVERY, describe
from caching.tiers.local import UNDECODED
from tests.shop.cached import ShopCopy, dish, menu, shop, tally
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shops() -> None:
    for slug in ("corner", "rival"):
        Shop.objects.create(slug=slug, name=slug)


def test_the_same_snapshot_is_shared_and_cannot_be_changed(tiers: str) -> None:
    copy = shop.get("corner")
    assert shop.get("corner") is copy
    with pytest.raises(AttributeError):
        copy.name = "other"


def test_bytes_from_redis_are_decoded_only_when_asked_for_and_once(redis: Any) -> None:
    body = shop.entry("corner").body
    runtime.local.clear()  # type: ignore[union-attr]
    entry = shop.entry("corner")
    assert (entry.body, entry.value) == (body, UNDECODED)
    assert shop.get("corner") is shop.get("corner") is entry.value
    assert shop.entry("corner") is entry


def test_without_local_memory_values_are_decoded_all_the_same(redis: Any, tmp_path: Any) -> None:
    with override_settings(CACHING={"REDIS_ALIAS": "redis", "STAMPS_DIR": str(tmp_path / "none")}):
        assert runtime.local is None
        assert [shop.get("corner").name for _ in range(2)] == ["corner", "corner"]
        assert shop.counters.redis_hits == 1
        Shop.objects.filter(pk="corner").update(name="new")
        assert shop.get("corner").name == "new"
        clear()
        assert shop.get("corner").name == "new"
        assert menu.get("corner").count == 0


def test_the_entity_tag_changes_with_the_bytes_and_only_with_them(tiers: str) -> None:
    tag = shop.entry("corner").etag
    assert tag == shop.entry("corner").etag
    assert tag.startswith('"')
    shop.clear()
    assert shop.entry("corner").etag == tag
    Shop.objects.filter(pk="corner").update(name="new")
    assert shop.entry("corner").etag != tag


def test_many_names_are_answered_by_name(tiers: str) -> None:
    found = shop.get_many([("corner",), ("nowhere",), ("rival",), ("corner",)])
    assert {name: copy and copy.name for name, copy in found.items()} == {
        ("corner",): "corner",
        ("nowhere",): None,
        ("rival",): "rival",
    }
    assert shop.get_many([]) == {}
    with transaction.atomic():
        Shop.objects.update(rate=1)
        assert shop.get_many([]) == {}


async def test_the_coroutine_twins_share_copies_with_the_others(tiers: str) -> None:
    copy = await shop.aget("corner")
    assert await shop.aget("corner") is copy
    assert (await shop.aget_many([("corner",), ("rival",)]))[("corner",)] is copy
    assert (shop.counters.misses, shop.counters.local_hits) == (2, 2)
    assert (await shop.aget("corner", use_cache=False)) == copy


@pytest.mark.parametrize(
    ("region", "org", "left"),
    [
        (None, None, []),
        ("shop", None, ["menu corner", "menu rival"]),
        (None, "corner", ["menu rival", "shop rival"]),
        ("shop", "corner", ["menu corner", "menu rival", "shop rival"]),
    ],
)
def test_clearing_forgets_exactly_what_was_named(
    tiers: str, region: str | None, org: str | None, left: list[str]
) -> None:
    def touch() -> dict[str, Any]:
        return {f"{each.name} {slug}": each.get(slug) for each in (shop, menu) for slug in ("corner", "rival")}

    touch()
    loads = (shop.counters.misses, menu.counters.misses)
    clear(region, org)
    for name in touch():
        assert name
    missed = shop.counters.misses + menu.counters.misses - sum(loads)
    assert missed == 4 - len(left)


def test_clearing_is_one_small_write_and_looks_for_no_keys(redis: Any) -> None:
    for slug in ("corner", "rival"):
        shop.get(slug)
    redis.config_resetstat()
    shop.clear()
    sent = {name: figures["calls"] for name, figures in redis.info("commandstats").items()}
    assert sent["cmdstat_set"] == 1
    assert not sent.keys() & {"cmdstat_keys", "cmdstat_scan", "cmdstat_flushdb", "cmdstat_flushall"}
    # Whatever the cache holds: one script, sent again by its text to a server that does not know it yet.
    assert sent.get("cmdstat_evalsha", 0) + sent.get("cmdstat_eval", 0) <= 2


def test_clearing_an_unknown_region_names_the_known_ones() -> None:
    with pytest.raises(UnknownRegion, match="shop"):
        clear("shoppe")


@pytest.mark.usefixtures("redis_down")
def test_clearing_without_redis_and_outbox_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("no such table")

    monkeypatch.setattr(outbox, "insert", broken)
    with pytest.raises(MarkFailed):
        shop.clear("corner")
    with pytest.raises(MarkFailed):
        shop.invalidate("corner")


def test_warming_loads_what_the_region_calls_hot(
    tiers: str, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(menu, "warm_keys", shop.warm_keys)
    assert list(shop.warm()) == [2]
    assert list(menu.warm()) == [2]
    assert (shop.counters.misses, menu.counters.misses) == (0, 0), "nobody asked"
    with django_assert_num_queries(0):
        shop.get("corner")
    assert list(shop.warm(["rival"])) == [1]
    assert list(tally.warm()) == []


def test_settings_override_the_declared_times(settings: Any) -> None:
    assert (shop.local_ttl, shop.redis_ttl) == (300, 3600)
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": {"local_ttl": 7}}}
    assert (shop.local_ttl, shop.redis_ttl) == (7, 3600)


def test_two_regions_of_one_name_are_refused() -> None:
    with pytest.raises(CachingError, match="unique"):
        Region("shop", ShopCopy, load=lambda org, using: None, local_ttl=1, redis_ttl=1)


def test_a_region_that_is_declared_differently_never_reads_the_values_of_this_one(redis: Any) -> None:
    shop.get("corner")
    runtime.local.clear()  # type: ignore[union-attr]
    another = Region("another", ShopCopy, load=lambda org, using: None, local_ttl=1, redis_ttl=1)
    try:
        shop.get("corner")
        assert shop.counters.rejected == 1
    finally:
        registry.remove(another)


def test_local_hits_are_sampled_and_all_are_counted(tiers: str) -> None:
    for _ in range(SAMPLE_EVERY + 1):
        shop.get("corner")
    numbers = runtime.statistics.process()["shop"]
    assert (numbers["misses"], numbers["local_hits"], numbers["local_samples"]) == (1, SAMPLE_EVERY, 1)
    figures = describe(numbers)
    assert figures["requests"] == 65
    assert figures["hit_rate"] == pytest.approx(64 / 65)
    assert 0 < figures["avg_local_ms"] < figures["avg_access_ms"] < figures["avg_miss_ms"]


def test_a_hit_while_another_thread_is_in_a_transaction_needs_no_database(
    tiers: str, django_assert_num_queries: Any
) -> None:
    Dish.objects.create(shop_id="rival", name="tart")
    shop.get("corner")
    with transaction.atomic():
        Dish.objects.update(kind="x")
        with django_assert_num_queries(0):
            assert shop.get("corner").name == "corner"
            assert shop.entry("corner").etag
    assert shop.counters.local_hits == 2


def test_keys_of_another_database_are_others() -> None:
    assert Key("shop", "corner") != Key("shop", "corner", (), "replica")
    assert dish.key("corner", using="replica").name != dish.key("corner").name
