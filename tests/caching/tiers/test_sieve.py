"""SIEVE: what was visited is spared once, and the hand goes on from where it stood."""

from __future__ import annotations

import pytest

from caching.tiers.local import Entry
from caching.tiers.sieve import Sieve
from tests.caching.tiers.entries import check_sieve


@pytest.fixture
def entries() -> list[Entry]:
    made = [Entry(b"%d" % number) for number in range(4)]
    for entry in made:
        entry.size = len(entry.body) + 10
    return made


@pytest.fixture
def sieve(entries: list[Entry]) -> Sieve:
    sieve = Sieve()
    for entry in entries:
        sieve.add(entry)
    return sieve


def test_entries_stand_in_the_order_of_their_age(sieve: Sieve, entries: list[Entry]) -> None:
    assert list(sieve) == entries
    sieve.remove(entries[1])
    sieve.add(entries[1])
    assert list(sieve) == [entries[0], entries[2], entries[3], entries[1]]
    check_sieve(sieve)
    for entry in entries:
        sieve.remove(entry)
    assert (list(sieve), sieve.count, sieve.bytes) == ([], 0, 0)


def test_the_oldest_that_was_not_visited_goes(sieve: Sieve, entries: list[Entry]) -> None:
    entries[0].visited = True

    assert sieve.victim() is entries[1]
    assert sieve.victim() is entries[1]
    assert not entries[0].visited


def test_the_hand_goes_on_from_the_one_that_went(sieve: Sieve, entries: list[Entry]) -> None:
    entries[0].visited = True
    sieve.remove(entries[1])
    assert sieve.victim() is entries[2]

    sieve.remove(entries[2])

    assert sieve.victim() is entries[3]
    entries[3].visited = True
    assert sieve.victim() is entries[0]
    check_sieve(sieve)


def test_when_all_were_visited_the_oldest_goes(sieve: Sieve, entries: list[Entry]) -> None:
    for entry in entries:
        entry.visited = True

    assert sieve.victim() is entries[0]


def test_one_may_be_spared_whatever_becomes_of_the_others(sieve: Sieve, entries: list[Entry]) -> None:
    for entry in entries[1:]:
        entry.visited = True
    assert sieve.victim(entries[0]) is entries[1]

    for entry in entries[1:]:
        sieve.remove(entry)

    assert sieve.victim(entries[0]) is None
    assert sieve.victim() is entries[0]


def test_of_none_there_is_no_victim(sieve: Sieve) -> None:
    assert Sieve().victim() is None
    assert Sieve().victim(Entry(b"")) is None


# --- one of some ------------------------------------------------------------------------------------------------------


def test_of_some_the_oldest_that_was_not_visited_goes_and_others_are_left_as_they_are(
    sieve: Sieve, entries: list[Entry]
) -> None:
    entries[0].visited = entries[1].visited = True

    assert sieve.victim_among(lambda entry: entry is not entries[0], None) is entries[2]

    assert entries[0].visited
    assert not entries[1].visited
    # The hand of all has not moved.
    assert sieve.victim() is entries[1]
    check_sieve(sieve)


def test_of_some_the_search_goes_on_where_it_is_told_and_around(sieve: Sieve, entries: list[Entry]) -> None:
    some = [entries[1], entries[3]]

    assert sieve.victim_among(lambda entry: entry in some, entries[2]) is entries[3]
    assert sieve.victim_among(lambda entry: entry in some, entries[2], spared=entries[3]) is entries[1]


def test_when_all_of_some_were_visited_the_first_goes(sieve: Sieve, entries: list[Entry]) -> None:
    some = [entries[1], entries[3]]
    for entry in entries:
        entry.visited = True

    assert sieve.victim_among(lambda entry: entry in some, None) is entries[1]
    assert [entry.visited for entry in entries] == [True, False, True, False]


def test_when_there_are_none_of_some_none_goes(sieve: Sieve, entries: list[Entry]) -> None:
    assert sieve.victim_among(lambda _: False, None) is None
    assert sieve.victim_among(lambda entry: entry is entries[2], None, spared=entries[2]) is None
    assert Sieve().victim_among(lambda _: True, None) is None


def test_one_that_is_visited_again_and_again_goes_all_the_same(sieve: Sieve, entries: list[Entry]) -> None:
    def is_one(entry: Entry) -> bool:
        # As by another thread, which takes no lock.
        entry.visited = True
        return entry is entries[2]

    assert sieve.victim_among(is_one, None) is entries[2]
