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
