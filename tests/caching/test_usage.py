"""Who reads what: minutes, organisations and the busiest keys, of all processes of the host."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as settings_of_django
from pytest_django.fixtures import Settings

from caching.activity import Batch
from caching.keys import Key, parts_of
from caching.registry import registry
from caching.runtime import runtime
from tests.conftest import MovableClock
from tests.shop.cached import shop

TEA, CAKE = ("shop", "default", "tea"), ("shop", "default", "cake")


def seen(**counts: Any) -> Batch:
    nothing: dict[str, Any] = {name: {} for name in ("hits", "found", "missed", "noticed", "written", "widened")}
    return Batch(**{"seconds": 1.0, **nothing, **counts})


def minute() -> int:
    return int(runtime.clock.wall() // 60)


def rows(of: int | None = None) -> dict[tuple[str, str], dict[str, int]]:
    return {(row.region, row.org): row.numbers for row in runtime.usage.minutes(minute() if of is None else of)}


def test_a_minute_has_each_regions_exact_counts_and_each_organisations(clock: MovableClock) -> None:
    shop.counters.local_hits, shop.counters.misses, shop.counters.load_ns = 640, 3, 9000

    runtime.usage.observe(
        seen(hits={TEA: 600.0, CAKE: 40.0}, missed={TEA: 3}, written={CAKE: 2}, widened={("shop", "tea"): 1})
    )

    found = rows()
    assert {name: found["shop", ""][name] for name in ("local_hits", "misses", "load_ns")} == {
        "local_hits": 640,
        "misses": 3,
        "load_ns": 9000,
    }
    assert found["shop", "tea"] == {"local_hits": 600, "misses": 3, "invalidations": 1}
    assert found["shop", "cake"] == {"local_hits": 40, "invalidations": 2}
    assert set(found) == {("shop", ""), ("shop", "tea"), ("shop", "cake")}, "others did nothing"


def test_each_minute_has_only_what_came_within_it(clock: MovableClock) -> None:
    shop.counters.misses = 3
    runtime.usage.observe(seen(missed={TEA: 3}))
    first = minute()
    clock.advance(60)
    shop.counters.misses = 10
    runtime.usage.observe(seen(missed={TEA: 7}))

    assert rows(first)["shop", ""]["misses"] == rows(first)["shop", "tea"]["misses"] == 3
    assert rows()["shop", ""]["misses"] == rows()["shop", "tea"]["misses"] == 7


def test_counters_that_began_anew_count_from_nothing(clock: MovableClock) -> None:
    shop.counters.misses = 10
    runtime.usage.observe(seen())
    shop.counters.misses = 4
    runtime.usage.observe(seen())

    assert rows()["shop", ""]["misses"] == 14


def test_a_counter_seen_in_the_middle_of_a_sample_has_not_begun_anew(clock: MovableClock) -> None:
    for counted in (1_000_001, 1_000_000, 1_000_002):
        shop.counters.local_hits = counted
        runtime.usage.observe(seen())

    assert rows()["shop", ""]["local_hits"] == 1_000_002


def test_a_clock_that_was_set_back_counts_on(clock: MovableClock) -> None:
    for _ in range(7):
        runtime.usage.observe(seen(missed={TEA: 1}))
        clock.advance(60)
    clock.advance(-3600)
    runtime.usage.observe(seen(missed={TEA: 9}))

    assert rows()["shop", "tea"]["misses"] == 9


@pytest.mark.parametrize("org", ["", "half \ud800", "two\nlines", "\0"])
def test_what_is_no_name_is_nobodys_and_hides_nobody(clock: MovableClock, org: str) -> None:
    shop.counters.misses = 5
    hostile = ("shop", "default", org)
    runtime.usage.observe(seen(missed={hostile: 4, TEA: 1}, written={hostile: 2}, widened={("shop", org): 1}))

    assert set(rows()) == {("shop", ""), ("shop", "tea")}
    assert (rows()["shop", ""]["misses"], rows()["shop", ""]["invalidations"]) == (5, 0)
    assert [each.org for each in runtime.usage.top().orgs] == ["tea"]
    assert b"tea" in file_of_this_process().read_bytes()


def test_a_part_that_cannot_be_written_down_is_not(clock: MovableClock) -> None:
    runtime.usage.observe(seen(missed={("dish", "default", "tea", "half \ud800"): 1, TEA: 1}))

    assert {key.parts for key in runtime.usage.top().keys} == {None, ()}
    assert b"tea" in file_of_this_process().read_bytes()


def test_minutes_are_forgotten_after_a_while(clock: MovableClock) -> None:
    first = minute()
    for _ in range(6):
        runtime.usage.observe(seen(missed={TEA: 1}))
        clock.advance(60)

    assert runtime.usage.minutes(first) == []
    assert runtime.usage.minutes(first + 1) != []


def test_the_busiest_come_first_with_their_rates(clock: MovableClock) -> None:
    # Long enough for the mean to settle.
    for _ in range(600):
        clock.advance(1)
        runtime.usage.observe(seen(hits={TEA: 20.0, CAKE: 5.0}))

    top = runtime.usage.top(2)

    assert [(each.org, round(each.rate)) for each in top.orgs] == [("tea", 20), ("cake", 5)]
    assert [(each.name, round(each.rate)) for each in top.keys] == [
        (Key("shop", "tea").name, 20),
        (Key("shop", "cake").name, 5),
    ]
    assert len(runtime.usage.top(1).keys) == 1


def test_who_is_read_no_more_sinks(clock: MovableClock) -> None:
    runtime.usage.observe(seen(hits={TEA: 1000.0}))
    before = runtime.usage.top().keys[0].rate
    clock.advance(60)
    assert runtime.usage.top().keys[0].rate == pytest.approx(before / 2.718281828)

    clock.advance(1_000_000)
    runtime.usage.observe(seen(hits={CAKE: 1.0}))
    assert [each.org for each in runtime.usage.top(1).orgs] == ["cake"]


def test_among_very_many_keys_the_frequent_ones_are_kept(clock: MovableClock) -> None:
    for round_ in range(20):
        clock.advance(1)
        crowd = {("shop", "default", f"shop-{round_}-{number}"): 1.0 for number in range(2000)}
        runtime.usage.observe(seen(hits={**crowd, TEA: 100.0}))

    assert runtime.usage.top(1).keys[0].org == "tea"
    assert len(runtime.usage.top(10_000).keys) <= 200


def test_of_organisations_that_nobody_has_heard_of_no_minute_keeps_more_than_some(clock: MovableClock) -> None:
    for round_ in range(4):
        clock.advance(20)
        crowd = {("shop", "default", f"shop-{round_}-{number}"): 1 for number in range(3000)}
        runtime.usage.observe(seen(missed={**crowd, TEA: 5}))
    shop.counters.misses = 12_020
    runtime.usage.observe(seen())
    held = runtime.usage._minutes

    assert len(held) == 2
    assert sum(len(rows) for rows in held.values()) <= 2000 + 200 + 2 * len(registry.regions)
    assert all(("shop", "tea") in rows for rows in held.values())
    assert sum(numbers.get("misses", 0) for rows in held.values() for (_, org), numbers in rows.items() if not org) == (
        12_020
    )


def test_keys_can_be_made_again_of_what_is_told_unless_they_are_personal(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = uuid4()
    runtime.usage.observe(seen(hits={("dish", "default", "tea", order): 3.0}))
    key = runtime.usage.top().keys[0]
    assert key.parts is not None
    assert Key(key.region, key.org, parts_of(key.parts), key.alias) == Key("dish", "tea", (order,))

    monkeypatch.setattr(registry.get("dish"), "personal", True)
    assert runtime.usage.top().keys[0].parts is None


# --- several processes ------------------------------------------------------------------------------------------------


def _read_much(pipe: Connection, misses: int) -> None:
    shop.counters.misses += misses
    runtime.usage.observe(seen(missed={TEA: misses}))
    runtime.usage.share()
    pipe.send(None)
    pipe.recv()


def test_the_host_is_the_sum_of_its_processes_the_dead_included(clock: MovableClock, start: Callable[..., Any]) -> None:
    runtime.usage.observe(seen(missed={TEA: 1}))
    first, second = start(_read_much, 20), start(_read_much, 300)
    first.receive()
    second.receive()
    first.kill()

    assert rows()["shop", "tea"]["misses"] == 321
    assert rows()["shop", ""]["misses"] == 320, "ours has counted none"
    assert len(runtime.usage.top().keys) == 1


def test_who_gets_the_number_of_a_dead_process_gets_its_minutes_too(
    clock: MovableClock, start: Callable[..., Any]
) -> None:
    runtime.statistics.share()
    first = start(_read_much, 20)
    first.receive()
    first.kill()
    second = start(_read_much, 300)
    second.receive()

    assert rows()["shop", "tea"]["misses"] == 320


def file_of_this_process() -> Path:
    return next(Path(str(runtime.statistics._file.path)).parent.glob("*.usage.0"))  # type: ignore[union-attr]


def test_the_file_is_the_users_own_and_read_by_nobody_else(clock: MovableClock) -> None:
    runtime.usage.observe(seen(missed={TEA: 1}))

    assert stat.S_IMODE(file_of_this_process().stat().st_mode) == 0o600


def test_a_personal_part_is_in_no_file(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.get("dish"), "personal", True)

    runtime.usage.observe(seen(missed={("dish", "default", "tea", "+447700900001"): 1}))

    assert b"7700900001" not in file_of_this_process().read_bytes()


def test_files_of_former_releases_are_removed_when_they_are_a_day_old(clock: MovableClock) -> None:
    runtime.usage.share()
    ours = file_of_this_process()
    former, half, fresh = (ours.with_name(ours.name.replace(".stats-", ".stats-0") + end) for end in ("", ".ab", "1"))
    for path, age in ((former, 86_401), (half, 86_401), (fresh, 86_399), (ours, 0)):
        path.touch()
        os.utime(path, (clock.wall() - age, clock.wall() - age))
    runtime.reset()

    assert runtime.usage
    assert [path.exists() for path in (former, half, fresh, ours)] == [False, False, True, True]


def test_another_file_of_statistics_has_another_past(clock: MovableClock) -> None:
    # As another release has, or who comes after somebody has emptied the folder.
    runtime.usage.observe(seen(missed={TEA: 1}))
    Path(str(runtime.statistics._file.path)).unlink()  # type: ignore[union-attr]
    before = runtime.usage
    runtime.reset()
    runtime.usage.observe(seen(missed={TEA: 20}))

    assert rows()["shop", "tea"]["misses"] == 20
    before.share()
    assert rows()["shop", "tea"]["misses"] == 20


def test_a_test_run_that_ends_writes_into_no_file_of_the_site(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.usage.observe(seen(missed={TEA: 1}))
    folder = file_of_this_process().parent
    before = {path.name for path in folder.iterdir()}
    monkeypatch.setitem(settings_of_django.DATABASES["default"], "NAME", "the site's")

    runtime.at_exit()

    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.parametrize("content", [b"", b"{", b'{"at": "x"}', b"\xff" * 100])
def test_a_damaged_file_of_another_process_is_passed_over(
    clock: MovableClock, start: Callable[..., Any], content: bytes
) -> None:
    child = start(_read_much, 20)
    child.receive()
    runtime.usage.share()
    for path in file_of_this_process().parent.glob("*.usage.*"):
        path.write_bytes(content)

    assert ("shop", "tea") not in rows()


def test_a_file_that_leads_elsewhere_is_not_read(
    clock: MovableClock, start: Callable[..., Any], tmp_path: Path
) -> None:
    runtime.usage.share()
    child = start(_read_much, 20)
    child.receive()
    assert rows()["shop", "tea"]["misses"] == 20
    path = next(Path(str(runtime.statistics._file.path)).parent.glob("*.usage.1"))  # type: ignore[union-attr]
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    assert ("shop", "tea") not in rows()


def test_a_full_disk_is_said_once_and_does_no_harm(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("caching.usage._write", full)
    with caplog.at_level(logging.WARNING, "caching"):
        for _ in range(2):
            runtime.usage.observe(seen(missed={TEA: 1}))
            clock.advance(5)

    assert len(caplog.records) == 1
    assert rows()["shop", "tea"]["misses"] == 2


def test_who_spoke_an_hour_ago_by_any_clock_is_busy_no_more(clock: MovableClock, start: Callable[..., Any]) -> None:
    child = start(_read_much, 6000)
    child.receive()
    rate = runtime.usage.top().keys[0].rate
    clock.advance(-600)

    assert runtime.usage.top().keys[0].rate < rate / 1000


def test_without_a_file_of_the_host_each_process_knows_itself(settings: Settings, tmp_path: Path) -> None:
    nowhere = tmp_path / "a file"
    nowhere.write_text("")
    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(nowhere / "folder"), "SINGLE_PROCESS": True}
    runtime.usage.observe(seen(missed={TEA: 4}))

    assert runtime.statistics.block is None
    assert rows()["shop", "tea"] == {"misses": 4}
