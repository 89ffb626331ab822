"""Folded entries: the same stamps, no longer lives, and never valid again once a stamp has changed."""

from __future__ import annotations

import math
import random
from uuid import UUID

import pytest

from caching.keys import Key
from caching.stamps import SLOTS, Slots, Stamps
from caching.tiers.folded import (
    PLACE_OF_ORG,
    PLACE_OF_REGION,
    FoldedEntries,
    org_mark,
    org_number,
    org_number_of,
)
from caching.tiers.local import UNDECODED, Entry
from tests.conftest import MovableClock

KEY = Key("balance", "osteria", ("+44", UUID(int=7)))
SLOTS_OF_KEY = Slots(65_535, 3, 40_000)
BODY = b'{"balance":"12.50"}'
TICK = 1 / 32


@pytest.fixture
def stamps(clock: MovableClock) -> Stamps:
    return Stamps(clock, shared=False)


@pytest.fixture
def folded(clock: MovableClock) -> FoldedEntries:
    return FoldedEntries(clock.now())


def entry_of(
    stamps: Stamps, until: float, expires: float, usable: float, *, slots: Slots = SLOTS_OF_KEY, body: bytes = BODY
) -> Entry:
    entry = Entry(body, "the snapshot")
    entry.may_be_kept = True
    entry.place(KEY.local, slots, stamps.note(slots), until, expires, usable)
    return entry


def record_of(folded: FoldedEntries, entry: Entry) -> bytes:
    record = folded.fold(entry)
    assert record is not None
    folded.put(record)
    return record


def again(folded: FoldedEntries, stamps: Stamps, entry: Entry) -> Entry:
    unfolded = folded.unfold(entry.key, record_of(folded, entry), stamps.values)
    assert unfolded is not None
    return unfolded


def test_an_entry_is_what_it_was_but_for_its_snapshot(
    folded: FoldedEntries, stamps: Stamps, clock: MovableClock
) -> None:
    entry = entry_of(stamps, clock.now() + 10, clock.now() + 20, clock.now() + 3600)
    record_of(folded, entry)

    record = folded.find(KEY.local)
    assert record is not None
    assert folded.region_of(record) == "balance"
    unfolded = folded.unfold(KEY.local, record, stamps.values)

    assert unfolded is not None
    assert unfolded.value is UNDECODED
    for name in (
        "body", "etag", "expires", "key", "key_slot", "key_stamp", "may_be_kept", "parts", "region_slot",
        "region_stamp", "scope_slot", "scope_stamp", "stale", "until", "usable",
    ):  # fmt: skip
        assert getattr(unfolded, name) == getattr(entry, name), name
    assert (unfolded.size, unfolded.visited) == (0, False)


@pytest.mark.parametrize("which", ["key", "scope", "region"])
def test_it_is_of_no_use_when_a_stamp_has_changed(
    folded: FoldedEntries, stamps: Stamps, clock: MovableClock, which: str
) -> None:
    record = record_of(folded, entry_of(stamps, *[clock.now() + 10] * 3))
    assert folded.unfold(KEY.local, record, stamps.values)

    stamps.bump([getattr(SLOTS_OF_KEY, which)])

    assert folded.unfold(KEY.local, record, stamps.values) is None


@pytest.mark.parametrize("slots", [Slots(5, 5, 6), Slots(5, 6, 5), Slots(6, 5, 5), Slots(5, 5, 5)])
def test_slots_that_are_one_do_not_hide_their_change(
    folded: FoldedEntries, stamps: Stamps, clock: MovableClock, slots: Slots
) -> None:
    record = record_of(folded, entry_of(stamps, *[clock.now() + 10] * 3, slots=slots))
    assert folded.unfold(KEY.local, record, stamps.values)

    stamps.bump([5])

    assert folded.unfold(KEY.local, record, stamps.values) is None


def test_changes_of_several_stamps_do_not_make_up_for_each_other(
    folded: FoldedEntries, stamps: Stamps, clock: MovableClock
) -> None:
    chance = random.Random(1)
    record = record_of(folded, entry_of(stamps, *[clock.now() + 10] * 3))
    for _ in range(2000):
        stamps.bump(chance.sample(SLOTS_OF_KEY, chance.randrange(1, 4)))
        assert folded.unfold(KEY.local, record, stamps.values) is None


def test_stamps_of_all_sizes_are_told_apart(folded: FoldedEntries, stamps: Stamps, clock: MovableClock) -> None:
    for slot, stamp in zip(SLOTS_OF_KEY, (2**64 - 1, 2**64 - 1, 0), strict=True):
        stamps.values[slot] = stamp
    unfolded = again(folded, stamps, entry_of(stamps, *[clock.now() + 10] * 3))

    assert (unfolded.key_stamp, unfolded.scope_stamp, unfolded.region_stamp) == (2**64 - 1, 2**64 - 1, 0)


def test_no_time_is_later_than_it_was_and_none_much_earlier(
    folded: FoldedEntries, stamps: Stamps, clock: MovableClock
) -> None:
    chance = random.Random(1)
    for _ in range(500):
        clock.advance(chance.random())
        until = clock.now() + chance.random() * 600
        expires = until + chance.random() * chance.choice([0, 0.1, 2000])
        usable = expires + chance.random() * chance.choice([0, 0.1, 100_000])
        entry = again(folded, stamps, entry_of(stamps, until, expires, usable))
        assert until - TICK < entry.until <= until
        assert expires - TICK < entry.expires <= expires
        assert usable - TICK < entry.usable <= usable
        assert entry.until <= entry.expires <= entry.usable


def test_what_nobody_has_asked_for_yet_is_not_loaded_anew_when_somebody_does(
    folded: FoldedEntries, stamps: Stamps, clock: MovableClock
) -> None:
    now = clock.now()
    entry = entry_of(stamps, now + 10, now + 20, now + 30)
    entry.watch(foreseen=True)

    unfolded = again(folded, stamps, entry)

    assert (unfolded.until, unfolded.expires) == (now + 20, now + 20)


def test_an_entry_that_is_folded_again_and_again_loses_no_more_time(stamps: Stamps, clock: MovableClock) -> None:
    chance = random.Random(1)
    for _ in range(200):
        # Numbers behind a power of two have a bit less for their fractions.
        clock.seconds = 2 ** chance.randrange(10, 24) - chance.random() * 60
        table = FoldedEntries(clock.now())
        entry = again(table, stamps, entry_of(stamps, *sorted(clock.now() + chance.random() * 600 for _ in range(3))))
        for _ in range(3):
            once_more = again(table, stamps, entry)
            assert (once_more.until, once_more.expires, once_more.usable) == (entry.until, entry.expires, entry.usable)


@pytest.mark.parametrize(
    ("until", "expires", "usable"),
    [
        (10, 10 + 2**16, math.inf),
        (10, 10**12, 10**13),
        (10**12, 10**12, 10**13),
        (math.inf, math.inf, math.inf),
        (-100, 10, 20),
        (-100, -50, 20),
        (10, 30, 20),
        (30, 20, 40),
        (50, 40, 30),
    ],
)
def test_unusual_times_do_not_become_later_either(
    folded: FoldedEntries, stamps: Stamps, clock: MovableClock, until: float, expires: float, usable: float
) -> None:
    now = clock.now()
    entry = again(folded, stamps, entry_of(stamps, now + until, now + expires, now + usable))

    # What is over stays over.
    assert entry.until <= max(now + until, now)
    assert entry.expires <= max(now + expires, now)
    assert entry.usable <= now + usable
    assert entry.until <= entry.expires <= entry.usable


def test_a_process_that_runs_for_longer_than_ticks_last_finds_folded_entries_expired(
    folded: FoldedEntries, stamps: Stamps, clock: MovableClock
) -> None:
    clock.advance(5 * 366 * 86_400)

    assert again(folded, stamps, entry_of(stamps, *[clock.now() + 10] * 3)).usable < clock.now()


def test_regions_are_told_apart(folded: FoldedEntries, stamps: Stamps, clock: MovableClock) -> None:
    records = []
    for number in range(600):
        entry = entry_of(stamps, *[clock.now() + 10] * 3, slots=Slots(1, 2, number))
        entry.key = (f"region {number}", "default", "osteria")
        records.append((entry.key, record_of(folded, entry)))

    for number, (key, record) in enumerate(records):
        assert folded.region_of(record) == key[0]
        entry = folded.unfold(key, record, stamps.values)  # type: ignore[assignment]
        assert entry.region_slot == number


@pytest.mark.parametrize("body", [b"null", b"{}", b"x" * 512], ids=len)
def test_bodies_of_any_size_keep_every_byte(
    folded: FoldedEntries, stamps: Stamps, clock: MovableClock, body: bytes
) -> None:
    assert again(folded, stamps, entry_of(stamps, *[clock.now() + 10] * 3, body=body)).body == body


def test_an_entry_whose_key_is_of_an_unusual_type_cannot_be_folded(
    folded: FoldedEntries, stamps: Stamps, clock: MovableClock
) -> None:
    class Name(str):
        __slots__ = ()

    entry = entry_of(stamps, *[clock.now() + 10] * 3)
    entry.key = ("balance", "default", Name("osteria"))

    assert folded.fold(entry) is None
    assert folded.find(entry.key) is None


def test_a_body_that_looks_like_a_record_is_none(folded: FoldedEntries, stamps: Stamps, clock: MovableClock) -> None:
    other = FoldedEntries(clock.now())
    inner = record_of(other, entry_of(stamps, *[clock.now() + 10] * 3))
    outer = entry_of(stamps, *[clock.now() + 10] * 3, body=inner)
    outer.key = ("balance", "default", "elsewhere")
    record_of(folded, outer)

    # Made with another table's digests, as everything is that comes from outside.
    assert folded.find(KEY.local) is None


def test_every_slot_fits(folded: FoldedEntries, stamps: Stamps, clock: MovableClock) -> None:
    slots = Slots(SLOTS - 1, SLOTS - 1, SLOTS - 1)

    unfolded = again(folded, stamps, entry_of(stamps, *[clock.now() + 10] * 3, slots=slots))

    assert (unfolded.key_slot, unfolded.scope_slot, unfolded.region_slot) == slots


# --- whose they are ---------------------------------------------------------------------------------------------------


def test_a_record_tells_its_region_and_where_wanted_its_organisation(clock: MovableClock, stamps: Stamps) -> None:
    with_orgs, without = FoldedEntries(clock.now(), with_orgs=True), FoldedEntries(clock.now())
    entry = entry_of(stamps, 10.0, 20.0, 30.0)

    record = record_of(with_orgs, entry)

    assert with_orgs.region_of(record) == "balance"
    assert org_number_of(record) == org_number("osteria") != org_number("trattoria")
    assert list(with_orgs.marked(PLACE_OF_ORG, org_mark("osteria"))) == [record]
    assert list(with_orgs.marked(PLACE_OF_ORG, org_mark("trattoria"))) == []
    [mark] = with_orgs.marks_of("balance")
    assert list(with_orgs.marked(PLACE_OF_REGION, mark)) == [record]
    assert with_orgs.marks_of("profile") == ()
    assert len(record) == len(record_of(without, entry)) + 8
    assert again(with_orgs, stamps, entry).body == again(without, stamps, entry).body == BODY
