"""The process's tiers: made when needed, made anew when settings, the stamps file or the process change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.errors import HostFileForeign
from caching.hostfile import host_file_path
from caching.runtime import Runtime, runtime
from caching.stamps import slots_of
from caching.tiers.local import Entry, LocalTier
from caching.tiers.redis import RedisTier
from tests.conftest import MovableClock
from tests.shop.cached import shop

KEY = shop.key("corner")
SLOTS = slots_of(KEY)
TIERS = ("stamps", "local", "redis", "statistics")


def keep(seconds: float = 60.0) -> Entry:
    """Put an entry into local memory."""
    local = runtime.local
    assert local is not None
    entry = Entry(b"{}")
    entry.place(KEY.local, SLOTS, local.stamps.note(SLOTS), local.clock.now() + seconds)
    local.put(entry)
    return entry


# --- making -----------------------------------------------------------------------------------------------------------


def test_tiers_are_made_when_first_asked_for_and_kept() -> None:
    fresh = Runtime()
    assert vars(fresh).keys().isdisjoint(TIERS)

    local = fresh.local

    assert isinstance(local, LocalTier)
    assert fresh.local is local
    assert local.stamps is fresh.stamps
    assert local.clock is fresh.clock
    assert "redis" not in vars(fresh)
    assert "statistics" not in vars(fresh)


def test_what_is_no_tier_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="memcached"):
        _ = runtime.memcached


def test_redis_is_a_tier_only_if_the_settings_name_it(settings: Settings) -> None:
    assert runtime.redis is None

    settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis"}

    assert isinstance(runtime.redis, RedisTier)


def test_threads_that_ask_at_once_get_the_same_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh, seen = Runtime(), []
    asking = threading.Event()

    def ask() -> None:
        asking.set()
        seen.append(fresh.redis)

    second = threading.Thread(target=ask)

    def make_slowly() -> object:
        if not asking.is_set():
            second.start()
            asking.wait()
        return object()

    monkeypatch.setattr(fresh, "_make_redis", make_slowly)

    seen.append(fresh.redis)
    second.join()

    assert seen[0] is seen[1]


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["CACHING", "CACHES"])
def test_changed_settings_make_all_tiers_anew(settings: Settings, setting: str) -> None:
    before = [getattr(runtime, name) for name in TIERS]
    clock = runtime.clock
    shop.counters.misses = 5

    setattr(settings, setting, dict(getattr(settings, setting)))

    assert vars(runtime).keys().isdisjoint(TIERS)
    assert runtime.local is not before[1]
    assert runtime.clock is clock
    assert shop.counters.misses == 0


def test_other_settings_leave_the_tiers_alone(settings: Settings) -> None:
    local = runtime.local

    settings.TIME_ZONE = "Europe/Rome"

    assert runtime.local is local


# --- finding ----------------------------------------------------------------------------------------------------------


def test_a_valid_entry_is_found_and_marked_as_visited(clock: MovableClock) -> None:
    entry = keep()
    assert not entry.visited

    assert runtime.find(KEY.local) is entry

    assert entry.visited


def test_what_was_never_kept_is_not_found() -> None:
    assert runtime.find(KEY.local) is None


def test_an_entry_too_old_is_dropped(clock: MovableClock) -> None:
    keep(seconds=10)
    clock.advance(10)

    assert runtime.find(KEY.local) is None

    assert runtime.local is not None
    assert runtime.local.entries == {}


@pytest.mark.parametrize("slot", SLOTS)
def test_a_stale_entry_is_dropped(slot: int) -> None:
    keep()
    assert runtime.stamps is not None
    runtime.stamps.bump([slot])

    assert runtime.find(KEY.local) is None

    assert runtime.local is not None
    assert runtime.local.entries == {}


# --- the stamps file --------------------------------------------------------------------------------------------------


def test_a_removed_stamps_file_is_noticed_within_a_second(
    clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    entry = keep()
    assert runtime.find(KEY.local) is entry
    before = runtime.local
    host_file_path("stamps").unlink()

    clock.advance(0.9)
    assert runtime.find(KEY.local) is entry
    assert caplog.text == ""

    clock.advance(0.1)
    assert runtime.find(KEY.local) is None
    assert "local memory starts anew" in caplog.text
    assert runtime.local is not before
    assert runtime.local is not None
    assert runtime.local.entries == {}
    assert runtime.local.stamps is runtime.stamps
    assert host_file_path("stamps").exists()


def test_the_hit_path_notices_it_as_soon(clock: MovableClock) -> None:
    entry = keep()
    assert shop.hit(KEY.local) is entry
    host_file_path("stamps").unlink()

    clock.advance(0.9)
    assert shop.hit(KEY.local) is entry

    clock.advance(0.1)
    assert shop.hit(KEY.local) is None


def test_while_the_file_stays_trust_is_renewed_each_second(clock: MovableClock) -> None:
    entry = keep()

    for _ in range(5):
        clock.advance(1)
        assert runtime.find(KEY.local) is entry

    assert runtime.local is not None
    assert runtime.local.trusted_until == clock.now() + 1


def test_a_writer_looks_at_the_file_each_time(clock: MovableClock) -> None:
    keep()
    runtime.find(KEY.local)
    before = runtime.writers_stamps()
    assert before is runtime.stamps
    host_file_path("stamps").unlink()

    after = runtime.writers_stamps()

    assert after is not before
    assert after is not None
    assert after.is_current()
    assert runtime.find(KEY.local) is None


def test_a_file_of_another_user_is_an_error_for_readers_and_writers() -> None:
    host_file_path("stamps").touch(0o644)

    for use in (lambda: runtime.local, lambda: runtime.stamps, runtime.writers_stamps, lambda: shop.hit(KEY.local)):
        with pytest.raises(HostFileForeign, match="STAMPS_DIR"):
            use()


def test_without_a_usable_folder_local_memory_is_off_and_that_is_logged_once(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(tmp_path / "missing")}

    assert runtime.local is None
    assert runtime.stamps is None
    assert runtime.writers_stamps() is None
    assert runtime.find(KEY.local) is None

    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("Local memory is off: ")
    assert "SINGLE_PROCESS" in record.getMessage()


def test_a_single_process_needs_no_folder(settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(tmp_path / "missing"), "SINGLE_PROCESS": True}

    entry = keep()

    assert runtime.find(KEY.local) is entry
    assert caplog.text == ""


# --- forks ------------------------------------------------------------------------------------------------------------


def _write(pipe: Connection) -> None:
    """Keep something, invalidate it, and leave a record standing."""
    inherited = runtime.find(KEY.local)
    stamps = runtime.writers_stamps()
    assert stamps is not None
    records = stamps.pend([SLOTS.key])
    own = keep()
    stamps.bump([SLOTS.key])
    pipe.send((records, inherited, runtime.local is not None and runtime.local.is_valid(own), shop.counters.misses))
    pipe.recv()


def test_a_child_shares_the_stamps_and_has_records_of_its_own(start: Callable[..., Any]) -> None:
    entry = keep()
    shop.counters.misses = 5
    assert runtime.stamps is not None
    ours = runtime.stamps.pend([99])

    theirs, inherited, valid, counted = start(_write).receive()

    assert inherited is None
    assert not valid
    assert counted == 0
    assert set(ours).isdisjoint(theirs)
    assert runtime.stamps.pending_slots() == {99, SLOTS.key}
    assert runtime.find(KEY.local) is None
    assert not runtime.local or entry.key not in runtime.local.entries
    assert shop.counters.misses == 5


def test_the_parent_keeps_its_block_when_a_child_ends(start: Callable[..., Any]) -> None:
    assert runtime.stamps is not None
    ours = runtime.stamps.pend([99])
    start(_write).kill()

    theirs, *_ = start(_write).receive()

    assert set(ours).isdisjoint(theirs)


def test_a_child_forked_after_the_file_was_removed_makes_it_anew(start: Callable[..., Any]) -> None:
    keep()
    host_file_path("stamps").unlink()

    start(_write).receive()

    assert runtime.writers_stamps() is not None
    assert runtime.stamps is not None
    assert runtime.stamps.pending_slots() == {SLOTS.key}


@pytest.mark.parametrize("single", [False, True])
def test_a_child_does_not_wait_for_locks_that_threads_of_its_parent_held(
    settings: Settings, tmp_path: Path, start: Callable[..., Any], single: bool
) -> None:
    if single:
        settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(tmp_path / "missing"), "SINGLE_PROCESS": True}
    keep()
    assert runtime.local is not None
    assert runtime.stamps is not None
    _ = runtime.statistics
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with runtime._lock, runtime.local._lock, runtime.stamps._lock, runtime.statistics._lock:  # type: ignore[union-attr]
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        theirs, *_ = start(_write).receive()
    finally:
        done.set()
        holder.join()

    assert len(theirs) == 1


def test_a_child_of_a_single_process_still_shares_its_memory(
    settings: Settings, tmp_path: Path, start: Callable[..., Any]
) -> None:
    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(tmp_path / "missing"), "SINGLE_PROCESS": True}
    keep()

    start(_write).receive()

    assert runtime.find(KEY.local) is None


@pytest.mark.parametrize("single", [False, True])
def test_what_a_child_makes_anew_is_all_but_memory_that_has_no_name(
    settings: Settings, tmp_path: Path, single: bool
) -> None:
    if single:
        settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(tmp_path / "missing"), "SINGLE_PROCESS": True}
    keep()
    before = {name: getattr(runtime, name) for name in ("stamps", "local", "statistics")}

    runtime.after_fork_in_child()

    assert runtime.local is not before["local"]
    assert runtime.statistics is not before["statistics"]
    assert (runtime.stamps is before["stamps"]) == single


def test_a_child_of_a_process_that_read_nothing_makes_nothing() -> None:
    runtime.after_fork_in_child()

    assert vars(runtime).keys().isdisjoint(TIERS)


# --- the end ----------------------------------------------------------------------------------------------------------


def test_at_the_end_counts_are_shown_only_if_there_are_any_to_show() -> None:
    runtime.at_exit()
    assert "statistics" not in vars(runtime)

    statistics = runtime.statistics
    shop.counters.misses = 5
    runtime.at_exit()
    runtime.reset()

    assert runtime.statistics is not statistics
    assert runtime.statistics.host()["shop"]["misses"] == 5


def test_who_asks_for_the_relay_first_gets_the_one_that_the_tier_has(redis: Any, settings: Any) -> None:
    relay = runtime.relay
    assert relay is not None
    assert runtime.relay is relay
    assert "redis" in vars(runtime)


def test_without_redis_there_is_no_relay() -> None:
    assert runtime.relay is None
