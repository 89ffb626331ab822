"""What the cache did: counted per process, added up over the host, lost with nobody."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.hostfile import BLOCKS
from caching.runtime import runtime
from caching.stamps import slots_of
from caching.stats import COUNTERS, SAMPLE_EVERY, Counters, Statistics, describe, hit_rate
from caching.tiers.local import Entry
from tests.shop.cached import dish, shop


def keep(region: Any, org: str, body: bytes = b"{}") -> None:
    """Put an entry of the region into local memory."""
    local = runtime.local
    assert local is not None
    entry, key = Entry(body), region.key(org)
    slots = slots_of(key)
    entry.place(key.local, slots, local.stamps.note(slots), local.clock.now() + 60)
    local.put(entry)


# --- one process ------------------------------------------------------------------------------------------------------


def test_counters_begin_at_zero_and_return_there() -> None:
    counters = Counters()
    assert counters.values() == [0] * len(COUNTERS)
    counters.misses = 3
    assert dict(zip(COUNTERS, counters.values(), strict=True))["misses"] == 3

    counters.reset()

    assert counters.values() == [0] * len(COUNTERS)


def test_every_region_has_its_own_counters() -> None:
    shop.counters.misses += 2
    dish.counters.local_hits += 5

    for numbers in (runtime.statistics.process(), runtime.statistics.host()):
        assert numbers["shop"]["misses"] == 2
        assert numbers["shop"]["local_hits"] == 0
        assert numbers["dish"]["local_hits"] == 5


def test_counting_on_after_showing_counts_nothing_twice() -> None:
    statistics = runtime.statistics
    for expected in (1, 2, 3):
        shop.counters.misses += 1
        assert statistics.host()["shop"]["misses"] == expected
        assert statistics.host()["shop"]["misses"] == expected


def test_what_local_memory_holds_and_evicts_is_counted_per_region(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "LOCAL_MAX_ENTRIES": 3}
    for org in ("a", "b", "c"):
        keep(shop, org)
    keep(dish, "a", b"x" * 1000)

    numbers = runtime.statistics.process()

    assert (numbers["shop"]["entries"], numbers["dish"]["entries"]) == (2, 1)
    assert (numbers["shop"]["evictions"], numbers["dish"]["evictions"]) == (1, 0)
    assert numbers["dish"]["bytes"] > 1000
    assert runtime.statistics.host()["shop"] == numbers["shop"]


def test_without_local_memory_there_is_nothing_in_it() -> None:
    keep(shop, "a")
    del runtime.local

    statistics = runtime.statistics

    assert statistics.process()["shop"]["entries"] == statistics.host()["shop"]["bytes"] == 0
    assert "local" not in vars(runtime), "statistics alone shall make no tier"


def test_without_a_file_the_statistics_are_of_this_process_alone(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(tmp_path / "missing")}
    shop.counters.misses += 2

    numbers = runtime.statistics.host()

    assert numbers["shop"]["misses"] == 2
    assert numbers == runtime.statistics.process()
    assert "Statistics are of this process alone" in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_it_is_known_since_when_the_host_and_the_process_count(settings: Settings, tmp_path: Path) -> None:
    statistics = runtime.statistics
    assert statistics._file is not None
    assert statistics.since == statistics._file.made
    assert statistics.process_since <= time.time()

    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(tmp_path / "missing")}

    assert runtime.statistics.since == statistics.process_since


def test_when_no_block_is_free_nobodys_is_written_to(caplog: pytest.LogCaptureFixture) -> None:
    shop.counters.misses = 1
    others = Statistics(lambda: None)
    assert others._file is not None
    for _ in range(BLOCKS - 1):
        others._file.claim_block()
    others.share()
    shop.counters.misses = 20

    assert runtime.statistics.host()["shop"]["misses"] == 20

    assert "Statistics are of this process alone" in caplog.text
    assert sum(others._row.unpack_from(others._file.view, others._at(0))) == 1


def test_counters_are_shown_at_most_every_fifth_of_a_second_unless_told_now(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [1000.0]
    monkeypatch.setattr("caching.stats.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    statistics, observer = Statistics(lambda: None), Statistics(lambda: None)

    def shown() -> int:
        # The observer counts what this process counts, too: what the first has shown comes on top.
        return observer.host()["shop"]["misses"] - shop.counters.misses

    shop.counters.misses = 1
    statistics.share_soon()
    assert shown() == 1
    shop.counters.misses = 2
    seconds[0] += 0.19
    statistics.share_soon()
    assert shown() == 1
    seconds[0] += 0.02
    statistics.share_soon()
    assert shown() == 2
    shop.counters.misses = 3
    statistics.share()
    assert shown() == 3


# --- several processes ------------------------------------------------------------------------------------------------


def _count(pipe: Connection, misses: int) -> None:
    shop.counters.misses += misses
    keep(shop, "a", b"x" * 100)
    runtime.statistics.share()
    pipe.send(runtime.statistics.process()["shop"])
    pipe.recv()


def test_the_host_is_the_sum_of_its_processes(start: Callable[..., Any]) -> None:
    shop.counters.misses = 1
    keep(shop, "a")
    ours = runtime.statistics.process()["shop"]

    theirs = [start(_count, 20).receive(), start(_count, 300).receive()]

    host = runtime.statistics.host()["shop"]
    assert [numbers["misses"] for numbers in theirs] == [20, 300], "a child begins at 0"
    assert host["misses"] == 321
    assert host["entries"] == 3
    assert host["bytes"] == ours["bytes"] + 2 * theirs[0]["bytes"]
    assert runtime.statistics.process()["shop"] == ours


def test_what_a_killed_process_counted_stays_and_what_it_held_goes(start: Callable[..., Any]) -> None:
    keep(shop, "a")
    child = start(_count, 20)
    child.receive()
    assert runtime.statistics.host()["shop"]["entries"] == 2

    child.kill()

    host = runtime.statistics.host()["shop"]
    assert host["misses"] == 20
    assert host["entries"] == 1
    assert host["bytes"] == runtime.statistics.process()["shop"]["bytes"]


def test_the_successor_of_a_killed_process_adds_to_its_counts(start: Callable[..., Any]) -> None:
    runtime.statistics.share()
    first = start(_count, 20)
    first.receive()
    first.kill()

    second = start(_count, 300)

    assert second.receive()["misses"] == 300
    host = runtime.statistics.host()["shop"]
    assert host["misses"] == 320
    assert host["entries"] == 1
    second.kill()
    assert runtime.statistics.host()["shop"]["misses"] == 320


def test_a_process_that_ends_leaves_its_last_counts(tmp_path: Path) -> None:
    program = (
        "import django; django.setup();"
        "from django.conf import settings;"
        f"settings.CACHING = {{**settings.CACHING, 'STAMPS_DIR': {str(tmp_path)!r}}};"
        "from caching.runtime import runtime;"
        "from tests.shop.cached import shop;"
        "print(runtime.statistics.host()['shop']['misses']);"
        "shop.counters.misses = 3"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}

    printed = [
        subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True, timeout=60,
            cwd=Path(__file__).parents[2],
        ).stdout
        for _ in range(2)
    ]  # fmt: skip

    assert printed == ["0\n", "3\n"]


# --- for people -------------------------------------------------------------------------------------------------------


def numbers(**some: int) -> dict[str, int]:
    return {**dict.fromkeys(COUNTERS, 0), **some}


def test_the_hit_rate_is_the_share_that_a_tier_answered() -> None:
    assert hit_rate(numbers(local_hits=90, redis_hits=5, misses=5)) == 0.95
    assert hit_rate(numbers()) == 0.0


def test_mean_times_are_weighted_by_how_often_each_tier_answered() -> None:
    described = describe(
        numbers(
            local_hits=80, local_ns=2_000, local_samples=1,
            redis_hits=15, redis_ns=3_000_000, redis_samples=15,
            misses=5, miss_ns=50_000_000, miss_samples=5,
            entries=7, bytes=900, loads=4, load_ns=12,
        )
    )  # fmt: skip

    assert (described["requests"], described["hits"], described["hit_rate"]) == (100, 95, 0.95)
    assert (described["avg_local_ms"], described["avg_redis_ms"], described["avg_miss_ms"]) == (0.002, 0.2, 10.0)
    assert described["avg_access_ms"] == pytest.approx((80 * 0.002 + 15 * 0.2 + 5 * 10.0) / 100)
    assert (described["entries"], described["bytes"], described["loads"]) == (7, 900, 4)
    assert not [name for name in described if name.endswith(("_ns", "_samples"))]


def test_where_nothing_happened_all_figures_are_zero() -> None:
    described = describe(numbers())
    assert (described.pop("prefetch_precision"), described.pop("prefetch_recall")) == (None, None)
    assert set(described.values()) == {0}


# --- samples ----------------------------------------------------------------------------------------------------------


def test_of_many_hits_few_are_sampled_and_of_few_many() -> None:
    counters = Counters()
    now = 10**12

    def gap(nanoseconds_apart: int) -> int:
        """Sample twenty times, so far apart; return how many hits come between the last and the next."""
        nonlocal now
        for _ in range(20):
            now += nanoseconds_apart
            counters.sampled(now)
        hits = counters.local_hits
        counters.left = 0
        while not counters.begin_countdown():
            counters.left = 0
        return counters.local_hits - hits

    assert gap(10_000_000) == SAMPLE_EVERY // 2, "the first comes long after none"
    assert gap(999_999) == 4096
    assert gap(10_000_000) == 4096, "neither too close nor too far apart"
    assert gap(100_000_001) == 16


def test_countdowns_leave_the_count_as_it_is() -> None:
    counters = Counters()
    counters.local_hits = 1000
    for now in range(50):
        counters.left -= 1
        counters.sampled(now)
        counters.begin_countdown()
    assert counters.local_hits == 1050
    counters.local_hits += 5
    assert counters.local_hits == 1055
