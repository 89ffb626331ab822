"""What is noted of reads and writes: samples that together say how much there was."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.runtime import runtime
from caching.stats import SAMPLE_EVERY, Counters
from tests.caching.operators import shop_of
from tests.conftest import MovableClock
from tests.shop.cached import menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)


def hit_until_noted(slug: str, times: int) -> int:
    """Hit until so many hits were noted; return how many it took."""
    noted, hits = len(runtime.activity.hits), 0
    while len(runtime.activity.hits) < noted + times:
        shop.get(slug)
        hits += 1
    return hits


def key(slug: str) -> tuple[str, str, str]:
    return "shop", "default", slug


def test_a_miss_and_what_redis_answers_are_noted_one_by_one(redis: Any) -> None:
    shop_of("tea")
    shop_of("cake")
    runtime.activity.take()

    shop.get("tea")
    runtime.drop_local()
    shop.get("tea")
    runtime.drop_local()
    shop.get_many([("tea",), ("cake",)])

    batch = runtime.activity.take()
    assert batch.missed == {key("tea"): 1, key("cake"): 1}
    assert batch.found == {key("tea"): 2}
    assert batch.hits == {}


def test_local_hits_are_estimated_from_samples_so_that_their_sum_is_exact() -> None:
    for slug in ("tea", "cake"):
        shop_of(slug)
        shop.get(slug)
    runtime.activity.take()

    hits = hit_until_noted("tea", 3) + hit_until_noted("cake", 1)

    estimated = runtime.activity.take().hits
    assert sum(estimated.values()) == shop.counters.local_hits == hits
    assert estimated[key("tea")] == 3 * estimated[key("cake")]


def test_hits_without_a_sample_count_with_the_next_one() -> None:
    shop_of("tea")
    shop.get("tea")
    for _ in range(SAMPLE_EVERY - 1):
        shop.get("tea")
    assert runtime.activity.take().hits == {}

    shop.get("tea")

    assert runtime.activity.take().hits == {key("tea"): SAMPLE_EVERY}


def test_a_sample_whose_entry_goes_meanwhile_is_counted_as_one_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    shop_of("tea")
    shop.get("tea")
    sampled = Counters.sampled

    def sampled_while_it_is_evicted(counters: Counters, now: int) -> None:
        sampled(counters, now)
        runtime.local.clear()  # type: ignore[union-attr]

    monkeypatch.setattr(Counters, "sampled", sampled_while_it_is_evicted)
    for _ in range(SAMPLE_EVERY):
        shop.get("tea")

    assert shop.counters.local_hits == SAMPLE_EVERY


def test_counters_that_are_reset_in_the_middle_of_a_sample_are_still_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shop_of("tea")
    shop.get("tea")
    sampled = Counters.sampled

    def sampled_while_settings_change(counters: Counters, now: int) -> None:
        sampled(counters, now)
        monkeypatch.setattr(type(shop), "hit", lambda *_: counters.reset() or True)

    monkeypatch.setattr(Counters, "sampled", sampled_while_settings_change)
    for _ in range(SAMPLE_EVERY):
        shop.hit(key("tea"))

    assert runtime.statistics.host()["shop"]["local_hits"] == 0


def test_a_miss_at_the_end_of_a_countdown_is_neither_counted_as_a_hit_nor_sampled(clock: MovableClock) -> None:
    shop_of("tea")
    shop.get("tea")
    clock.advance(2 * shop.local_ttl)
    runtime.activity.take()
    shop.counters.left = 1
    shop.counters.local_hits = 5

    shop.get("tea")

    assert shop.counters.local_hits == 5
    assert shop.counters.misses == 2
    assert (shop.counters.local_samples, list(runtime.activity.hits)) == (0, [])


def test_counters_that_begin_anew_are_not_taken_for_hits() -> None:
    shop_of("tea")
    shop.get("tea")
    hit_until_noted("tea", 2)
    runtime.activity.take()
    shop.counters.reset()

    hits = hit_until_noted("tea", 1)

    assert sum(runtime.activity.take().hits.values()) <= hits


def test_writers_say_which_keys_they_made_stale_and_of_whom_all() -> None:
    shop_of("tea")
    runtime.activity.take()

    Shop.objects.filter(pk="tea").update(name="new")
    Dish.objects.create(shop_id="tea", name="scone")

    batch = runtime.activity.take()
    assert batch.written[key("tea")] == 1
    assert ("menu", "default", "tea") in batch.written or ("menu", "tea") in batch.widened


def test_what_nobody_asked_for_is_no_read() -> None:
    shop_of("tea")
    runtime.activity.take()

    assert sum(shop.warm(["tea"])) == 1

    batch = runtime.activity.take()
    assert (batch.missed, batch.found) == ({}, {})


def test_a_list_is_one_read_and_its_items_are_none() -> None:
    shop_of("tea")
    Dish.objects.create(shop_id="tea", name="scone")
    runtime.activity.take()

    menu.get("tea")

    assert runtime.activity.take().reads() == {("menu", "default", "tea"): 1}


def test_reads_are_added_up_whoever_answered(redis: Any) -> None:
    shop_of("tea")
    runtime.activity.take()
    shop.get("tea")
    runtime.drop_local()
    shop.get("tea")
    hits = hit_until_noted("tea", 1)

    assert runtime.activity.take().reads() == {key("tea"): 2 + hits}


def test_hits_on_folded_entries_are_noted_too(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "LOCAL_MAX_BYTES": 4096}
    for slug in ("tea", "cake", "bread"):
        shop_of(slug)
        shop.get(slug)
    assert runtime.local is not None
    assert runtime.local.folded.count
    [slug] = [each for each in ("tea", "cake", "bread") if key(each) not in runtime.local.entries][:1]
    shop.counters.left = 1

    shop.get(slug)

    assert list(runtime.activity.hits) == [key(slug)]


def test_queues_nobody_empties_stay_small() -> None:
    for number in range(20_000):
        runtime.activity.missed.append(("shop", "default", str(number)))

    missed = runtime.activity.take().missed
    assert len(missed) == 4096
    assert ("shop", "default", "19999") in missed


def test_a_batch_says_how_long_it_took(clock: MovableClock) -> None:
    runtime.activity.take()
    clock.advance(2.5)
    assert runtime.activity.take().seconds == 2.5
