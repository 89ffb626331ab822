"""A host goes around Redis where one of its processes could not tell it of a write: from then until it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from caching.errors import HostFileError
from caching.hostfile import BLOCKS, host_file_path
from caching.keys import Key
from caching.noting import note_stamps
from caching.runtime import runtime
from caching.stamps import Stamps, region_slot
from caching.undelivered import Undelivered
from tests.conftest import MovableClock

MARK_SECONDS = 5.0


@pytest.fixture
def stamps(clock: MovableClock) -> Stamps:
    assert runtime.stamps is not None
    return runtime.stamps


@pytest.fixture
def undelivered(clock: MovableClock) -> Undelivered:
    return Undelivered(clock)


def nothing_waits(alias: str, writer: str, region: str) -> bool:
    return False


def something_waits(alias: str, writer: str, region: str) -> bool:
    return True


def slots(*regions: str) -> set[int]:
    return {region_slot(region) for region in regions}


def test_a_region_is_bypassed_from_the_beginning_until_nothing_waits(undelivered: Undelivered, stamps: Stamps) -> None:
    undelivered.begin("default", ["shop", "menu"], stamps)
    assert stamps.pending_slots() == slots("shop", "menu")
    undelivered.end("default", ["shop", "menu"], certain=True)
    undelivered.settle(lambda alias, writer, region: (alias, region) == ("default", "shop"))
    assert undelivered.regions == {"shop"}
    assert stamps.pending_slots() == slots("shop")
    undelivered.settle(nothing_waits)
    assert undelivered.regions == stamps.pending_slots() == set()


def test_while_a_commit_is_under_way_its_rows_are_not_looked_for(undelivered: Undelivered, stamps: Stamps) -> None:
    undelivered.begin("default", ["shop"], stamps)
    undelivered.begin("default", ["shop"], stamps)
    undelivered.end("default", ["shop"], certain=True)
    undelivered.settle(nothing_waits)
    assert stamps.pending_slots() == slots("shop")


def test_a_write_that_comes_and_goes_while_the_database_is_asked_is_not_forgotten(
    undelivered: Undelivered, stamps: Stamps
) -> None:
    undelivered.begin("default", ["shop"], stamps)
    undelivered.end("default", ["shop"], certain=True)

    def asked_too_early(alias: str, writer: str, region: str) -> bool:
        undelivered.begin("default", ["shop"], stamps)
        undelivered.end("default", ["shop"], certain=True)
        return False

    undelivered.settle(asked_too_early)
    assert stamps.pending_slots() == slots("shop")
    undelivered.settle(nothing_waits)
    assert not stamps.pending_slots()


def test_a_commit_of_unknown_outcome_may_yet_appear_for_as_long_as_marks_last(
    undelivered: Undelivered, stamps: Stamps, clock: MovableClock
) -> None:
    undelivered.begin("default", ["shop"], stamps)
    undelivered.end("default", ["shop"], certain=False)
    for seconds in (0, MARK_SECONDS - 1):
        clock.advance(seconds)
        undelivered.renew(stamps)
        undelivered.settle(nothing_waits)
        assert stamps.pending_slots() == slots("shop")
    clock.advance(1)
    undelivered.settle(nothing_waits)
    assert not undelivered.regions


def test_records_are_renewed_and_run_out_when_nobody_does(
    undelivered: Undelivered, stamps: Stamps, clock: MovableClock
) -> None:
    undelivered.begin("default", ["shop"], stamps)
    for _ in range(3):
        clock.advance(MARK_SECONDS - 1)
        undelivered.renew(stamps)
        assert stamps.pending_slots() == slots("shop")
    clock.advance(MARK_SECONDS)
    assert not stamps.pending_slots()


def test_databases_wait_for_themselves(undelivered: Undelivered, stamps: Stamps) -> None:
    for alias in ("default", "other"):
        undelivered.begin(alias, ["shop"], stamps)
        undelivered.end(alias, ["shop"], certain=True)
    undelivered.settle(lambda alias, writer, region: alias == "other" and writer == undelivered.writer)
    assert stamps.pending_slots() == slots("shop")
    undelivered.settle(nothing_waits)
    assert not stamps.pending_slots()


def test_many_writes_of_a_region_take_one_record(undelivered: Undelivered, stamps: Stamps) -> None:
    for _ in range(1000):
        undelivered.begin("default", ["shop"], stamps)
        undelivered.end("default", ["shop"], certain=True)
    assert len([record for record in stamps._table if record]) == 1


def test_stamps_that_start_anew_get_their_records_at_the_next_renewal(
    undelivered: Undelivered, stamps: Stamps, clock: MovableClock
) -> None:
    undelivered.begin("default", ["shop"], stamps)
    host_file_path("stamps").unlink()
    anew = runtime.writers_stamps()
    assert anew is not None
    assert anew is not stamps
    undelivered.renew(anew)
    assert anew.pending_slots() == slots("shop")


def test_a_full_table_refuses_and_leaves_nothing_behind(undelivered: Undelivered, stamps: Stamps) -> None:
    others = stamps.pend(range(BLOCKS * 64 - 1))
    with pytest.raises(HostFileError):
        undelivered.begin("default", ["shop", "menu"], stamps)
    undelivered.settle(nothing_waits)
    assert undelivered.regions == set()
    stamps.unpend(others)
    undelivered.begin("default", ["shop", "menu"], stamps)
    assert stamps.pending_slots() == slots("shop", "menu")


def test_what_the_database_raises_leaves_all_as_it_is(undelivered: Undelivered, stamps: Stamps) -> None:
    undelivered.begin("default", ["shop"], stamps)
    undelivered.end("default", ["shop"], certain=True)
    with pytest.raises(ZeroDivisionError):
        undelivered.settle(lambda *_: bool(1 // 0))
    undelivered.settle(something_waits)
    assert stamps.pending_slots() == slots("shop")


@pytest.fixture
def no_stamps(redis: object) -> Iterator[None]:
    runtime.__dict__["stamps"] = None
    yield
    runtime.__dict__.pop("stamps", None)


def test_without_a_shared_file_the_process_at_least_bypasses_what_it_has_not_delivered(no_stamps: None) -> None:
    assert runtime.redis is not None
    assert runtime.relay is not None
    keys = [Key("shop", "corner"), Key("menu", "corner")]
    assert note_stamps(keys) == ({}, set())
    runtime.relay.undelivered.begin("default", ["shop"], None)
    assert note_stamps(keys) == ({}, {keys[0]})
