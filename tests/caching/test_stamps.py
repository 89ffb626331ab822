"""What every process of a host knows at once: which keys are stale, and which are being written."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.clock import Clock
from caching.errors import HostFileError
from caching.hostfile import BLOCKS, host_file_path
from caching.keys import Key, Scope
from caching.stamps import SLOTS, Slots, Stamps, region_slot, scope_slot, slots_of
from tests.conftest import MovableClock

RECORDS_OF_A_BLOCK = 64
MARK_SECONDS = 5.0

KEY = Key("orders", "trattoria", (5,))
OURS = slots_of(KEY)


@pytest.fixture
def stamps(clock: MovableClock) -> Stamps:
    return Stamps(clock)


# --- slots ------------------------------------------------------------------------------------------------------------


def test_a_key_shares_its_wider_slots_with_its_neighbours_only() -> None:
    assert OURS.scope == scope_slot(Scope("orders", "trattoria")) == slots_of(Key("orders", "trattoria", (6,))).scope
    assert OURS.region == region_slot("orders") == slots_of(Key("orders", "osteria", (5,))).region
    assert slots_of(Key("orders", "trattoria", (6,))).key != OURS.key
    assert slots_of(Key("orders", "osteria", (5,))).scope != OURS.scope
    assert slots_of(Key("bills", "trattoria", (5,))).region != OURS.region


def test_slots_spread_over_the_whole_file() -> None:
    slots = {slots_of(Key("orders", "trattoria", (number,))).key for number in range(20_000)}

    # 20,000 random choices of 65,536 leave about 17,235 distinct ones.
    assert 17_000 < len(slots) < 17_500
    assert min(slots) < 50
    assert SLOTS - 50 < max(slots) < SLOTS


def test_every_process_finds_a_key_in_the_same_slots_whatever_its_hash_seed() -> None:
    program = (
        "from caching.keys import Key; from caching.stamps import slots_of;"
        "print(hash('trattoria'), *slots_of(Key('orders', 'trattoria', (5,))))"
    )
    answers = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        output = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True, timeout=60,
            cwd=Path(__file__).parents[2],
        ).stdout  # fmt: skip
        answers.append(tuple(map(int, output.split())))

    (first_hash, *first), (second_hash, *second) = answers
    assert first_hash != second_hash
    assert Slots(*first) == Slots(*second) == OURS


# --- stamps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", Slots._fields)
def test_a_change_of_any_of_its_slots_makes_what_was_noted_of_a_key_outdated(stamps: Stamps, which: str) -> None:
    noted = stamps.note(OURS)

    stamps.bump([getattr(OURS, which)])

    changed = [now != then for now, then in zip(stamps.note(OURS), noted, strict=True)]
    assert changed == [field == which for field in Slots._fields]


def test_a_change_of_other_slots_leaves_a_key_as_it_was(stamps: Stamps) -> None:
    noted = stamps.note(OURS)

    stamps.bump(slot for slot in range(SLOTS) if slot not in OURS)

    assert stamps.note(OURS) == noted


def test_stamps_begin_random_so_that_a_file_made_anew_makes_every_copy_stale(
    stamps: Stamps, settings: Settings
) -> None:
    noted = stamps.note(OURS)
    host_file_path("stamps").unlink()

    again = Stamps(Clock())

    assert not stamps.is_current()
    assert again.is_current()
    assert all(now != then for now, then in zip(again.note(OURS), noted, strict=True))
    assert len(set(again.values)) == SLOTS


def _note_and_look_again(pipe: Connection) -> None:
    stamps = Stamps(Clock())
    pipe.send(stamps.note(OURS))
    pipe.recv()
    pipe.send(stamps.note(OURS))


def test_another_process_sees_a_change_at_once(stamps: Stamps, start: Callable[..., Any]) -> None:
    child = start(_note_and_look_again)
    before = child.receive()
    assert before == stamps.note(OURS)

    stamps.bump([OURS.key])
    child.send("look again")

    after = child.receive()
    assert after == stamps.note(OURS)
    assert after[0] != before[0]
    assert after[1:] == before[1:]


# --- pending writers --------------------------------------------------------------------------------------------------


def test_a_key_is_pending_while_its_writer_holds_a_record(stamps: Stamps) -> None:
    assert not stamps.is_pending(OURS)

    records = stamps.pend([OURS.key])

    assert stamps.is_pending(OURS)
    assert not stamps.is_pending(slots_of(Key("orders", "osteria", (7,))))
    stamps.unpend(records)
    assert not stamps.is_pending(OURS)


@pytest.mark.parametrize("which", Slots._fields)
def test_a_writer_of_the_scope_or_the_region_is_a_writer_of_the_key(stamps: Stamps, which: str) -> None:
    stamps.pend([getattr(OURS, which)])

    assert stamps.is_pending(OURS)


def test_two_writers_of_one_key_are_told_apart(stamps: Stamps) -> None:
    first, second = stamps.pend([OURS.key]), stamps.pend([OURS.key])
    assert set(first).isdisjoint(second)

    stamps.unpend(first)
    assert stamps.is_pending(OURS)

    stamps.unpend(second)
    assert not stamps.is_pending(OURS)


def test_a_writer_that_does_not_come_back_delays_readers_until_the_deadline(
    stamps: Stamps, clock: MovableClock
) -> None:
    stamps.pend([OURS.key])

    clock.advance(MARK_SECONDS - 0.002)
    assert stamps.is_pending(OURS)

    clock.advance(0.004)
    assert not stamps.is_pending(OURS)
    assert stamps.pending_slots() == set()


def test_how_long_a_record_stands_is_a_setting(stamps: Stamps, clock: MovableClock, settings: Settings) -> None:
    # Set through conf only: changing CACHING resets the runtime, not these stamps.
    settings.CACHING = {**settings.CACHING, "MARK_SECONDS": 60.0}
    stamps.pend([OURS.key])

    clock.advance(59.9)
    assert stamps.is_pending(OURS)

    clock.advance(0.2)
    assert not stamps.is_pending(OURS)


def test_a_record_left_behind_stands_until_the_deadline_and_is_not_taken_again_before(
    stamps: Stamps, clock: MovableClock
) -> None:
    left = stamps.pend([OURS.key])
    stamps.leave(left)
    assert stamps.is_pending(OURS)

    others = stamps.pend(range(1000, 1000 + RECORDS_OF_A_BLOCK))
    assert left[0] not in others
    assert stamps.is_pending(OURS)
    stamps.unpend(others)

    clock.advance(MARK_SECONDS + 0.001)
    assert not stamps.is_pending(OURS)
    assert left[0] in stamps.pend(range(1000, 1000 + 2 * RECORDS_OF_A_BLOCK))


def test_a_writer_of_more_keys_than_a_block_holds_takes_another_block(stamps: Stamps) -> None:
    slots = list(range(100, 100 + 3 * RECORDS_OF_A_BLOCK + 1))

    records = stamps.pend(slots)

    assert len(set(records)) == len(slots)
    assert stamps.pending_slots() == set(slots)
    stamps.unpend(records)
    assert stamps.pending_slots() == set()


def test_records_given_back_serve_again(stamps: Stamps) -> None:
    first = stamps.pend(range(RECORDS_OF_A_BLOCK))
    stamps.unpend(first)

    assert sorted(stamps.pend(range(RECORDS_OF_A_BLOCK))) == sorted(first)


def test_a_full_table_is_an_error_that_takes_no_record(stamps: Stamps) -> None:
    kept = stamps.pend([OURS.key])

    with pytest.raises(HostFileError, match=f"All {BLOCKS} blocks"):
        stamps.pend(slot % SLOTS for slot in range(BLOCKS * RECORDS_OF_A_BLOCK))

    assert stamps.pending_slots() == {OURS.key}
    stamps.unpend(kept)
    assert stamps.pending_slots() == set()
    assert len(stamps.pend(range(BLOCKS * RECORDS_OF_A_BLOCK))) == BLOCKS * RECORDS_OF_A_BLOCK


def test_many_threads_take_and_give_back_records_without_sharing_one(stamps: Stamps, hasty_threads: None) -> None:
    together = threading.Barrier(4)
    held: set[int] = set()
    collisions: list[set[int]] = []
    guard = threading.Lock()

    def write(number: int) -> None:
        chance = random.Random(number)
        together.wait()
        for _ in range(200):
            records = stamps.pend([chance.randrange(SLOTS) for _ in range(chance.randrange(1, 20))])
            with guard:
                collisions.extend([held.intersection(records)] if held.intersection(records) else [])
                held.update(records)
            with guard:
                held.difference_update(records)
            stamps.unpend(records)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))

    assert collisions == []
    assert stamps.pending_slots() == set()


def test_records_are_taken_and_given_back_by_one_thread_at_a_time(stamps: Stamps) -> None:
    class Guarded(deque[int]):
        def popleft(self) -> int:
            assert stamps._lock.locked()
            return super().popleft()

        def append(self, record: int) -> None:
            assert stamps._lock.locked()
            super().append(record)

        def extend(self, records: Iterable[int]) -> None:
            assert stamps._lock.locked()
            super().extend(records)

    stamps._free = Guarded()

    left, ended = stamps.pend([99]), stamps.pend([99])
    stamps.leave(left)
    stamps.unpend(ended)

    assert sorted(stamps._free) == list(range(RECORDS_OF_A_BLOCK))


# --- other processes --------------------------------------------------------------------------------------------------


def _pend_and_wait(pipe: Connection, clock: Clock, slots: list[int]) -> None:
    records = Stamps(clock).pend(slots)
    pipe.send(records)
    pipe.recv()


def _pend_until_told(pipe: Connection, clock: Clock) -> None:
    stamps = Stamps(clock)
    records = stamps.pend([OURS.key])
    pipe.send(records)
    pipe.recv()
    stamps.unpend(records)
    pipe.send("gave back")
    pipe.recv()


def test_a_writer_in_another_process_is_seen_until_it_gives_its_record_back(
    stamps: Stamps, clock: MovableClock, start: Callable[..., Any]
) -> None:
    child = start(_pend_until_told, clock)
    theirs = child.receive()
    assert stamps.is_pending(OURS)
    assert set(stamps.pend([123])).isdisjoint(theirs)

    child.send("commit")
    child.receive()

    assert not stamps.is_pending(OURS)


def test_the_records_of_a_killed_writer_stand_until_the_deadline_though_its_block_is_free(
    stamps: Stamps, clock: MovableClock, start: Callable[..., Any]
) -> None:
    child = start(_pend_and_wait, clock, [OURS.key, OURS.scope])
    theirs = child.receive()

    child.kill()

    assert stamps.pending_slots() == {OURS.key, OURS.scope}
    # Its commit may be on its way to the database: whoever claims its block must not overwrite them.
    ours = stamps.pend(range(1000, 1000 + 2 * RECORDS_OF_A_BLOCK - 2))
    assert set(ours).isdisjoint(theirs)
    assert max(ours) < 2 * RECORDS_OF_A_BLOCK
    assert stamps.is_pending(OURS)
    stamps.unpend(ours)

    clock.advance(MARK_SECONDS + 0.001)
    assert stamps.pending_slots() == set()
    assert set(theirs).issubset(stamps.pend(range(1000, 1000 + 2 * RECORDS_OF_A_BLOCK)))


# --- memory of one process --------------------------------------------------------------------------------------------


def test_stamps_of_a_single_process_need_no_file(clock: MovableClock) -> None:
    alone, other = Stamps(clock, shared=False), Stamps(clock, shared=False)

    noted = alone.note(OURS)
    assert noted != other.note(OURS)
    alone.bump([OURS.region])
    assert alone.note(OURS)[:2] == noted[:2]
    assert alone.note(OURS)[2] != noted[2]
    assert not host_file_path("stamps").exists()
    assert alone.is_current()


def test_a_single_process_has_pending_writers_as_many_as_a_file_holds(clock: MovableClock) -> None:
    alone = Stamps(clock, shared=False)
    assert alone.pending_slots() == set()
    records = alone.pend(range(BLOCKS * RECORDS_OF_A_BLOCK))
    assert alone.pending_slots() == set(range(BLOCKS * RECORDS_OF_A_BLOCK))

    with pytest.raises(HostFileError, match=f"More than {BLOCKS * RECORDS_OF_A_BLOCK} keys are being written at once"):
        alone.pend([99])

    alone.unpend(records)
    assert alone.pending_slots() == set()
    assert len(alone.pend([99])) == 1


def test_a_child_of_a_single_process_shares_its_memory_and_other_stamps_are_opened_anew(clock: MovableClock) -> None:
    assert Stamps(clock, shared=False).after_fork_in_child()
    assert not Stamps(clock).after_fork_in_child()


def test_a_child_forgets_a_lock_that_a_thread_of_its_parent_held(clock: MovableClock) -> None:
    stamps = Stamps(clock, shared=False)
    stamps._lock.acquire()

    stamps.after_fork_in_child()

    assert not stamps._lock.locked()
