"""Folded entries count, and are evicted, like others; and whatever happens to entries, the books are exact."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from caching.stamps import slots_of
from caching.tiers import local
from caching.tiers.local import UNDECODED, Entry, LocalTier
from tests.caching.tiers.entries import check_invariants, held, key_of, placed, put, records
from tests.conftest import MovableClock

FIELDS = ("key_slot", "scope_slot", "region_slot", "key_stamp", "scope_stamp", "region_stamp", "body", "may_be_kept")


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_MOST_EXPANDED", 3)
    monkeypatch.setattr(local, "_HITS_TO_EXPAND", 2)


def small(tier: LocalTier, number: int, body: bytes = b"{}", *, region: str = "orders") -> Entry:
    return put(tier, number, body, region=region, may_fold=True)


def folded(tier: LocalTier, numbers: Iterable[int]) -> list[int]:
    return [number for number in numbers if tier.folded.find(key_of(number).local) is not None]


# --- limits -----------------------------------------------------------------------------------------------------------


def test_folded_entries_count_as_entries(tier: LocalTier, limit: Callable[..., None]) -> None:
    limit(entries=10)
    for number in range(30):
        small(tier, number, region="orders" if number % 2 else "bills")
        assert len(held(tier)) + tier.folded.count == min(number + 1, 10)
    assert held(tier) == [0, 1, 2]
    assert tier.evictions == 20
    assert tier.take_evictions() == {"bills": 10, "orders": 10}
    check_invariants(tier)


def test_folded_entries_count_with_their_bytes(tier: LocalTier, limit: Callable[..., None]) -> None:
    limit(bytes=16_000)
    for number in range(200):
        small(tier, number, b"x" * 100)
        assert tier.bytes <= 16_000
    assert tier.bytes > 15_800
    # Two expanded ones of 750 bytes and so many of 156.
    assert (len(held(tier)), tier.folded.count) == (2, 92)
    check_invariants(tier)


def test_of_the_small_ones_the_folded_are_evicted_first_and_of_these_the_older(
    tier: LocalTier, limit: Callable[..., None]
) -> None:
    limit(entries=600)
    for number in range(900):
        small(tier, number)
    assert held(tier) == [0, 1, 2]
    # By chance it would be 200; which buckets they are in is chance.
    assert len(folded(tier, range(300))) < 150
    assert len(folded(tier, range(800, 900))) > 90


def test_large_entries_give_way_when_they_are_more(tier: LocalTier, limit: Callable[..., None]) -> None:
    limit(entries=20)
    for number in range(100, 115):
        put(tier, number)
    for number in range(100):
        small(tier, number)
    # Each kind is sure of half.
    assert sum(number >= 100 for number in held(tier)) == 10
    assert tier.folded.count == 7
    for number in range(115, 130):
        put(tier, number)
    assert sum(number >= 100 for number in held(tier)) == 10
    check_invariants(tier)


def test_large_entries_give_way_when_they_take_more(tier: LocalTier, limit: Callable[..., None]) -> None:
    limit(bytes=40_000)
    for number in range(1000, 1020):
        put(tier, number, b"x" * 1350)
    assert tier._large.bytes == 40_000
    for number in range(200):
        small(tier, number, b"x" * 100)
    assert tier._large.bytes == 20_000
    for number in range(1020, 1040):
        put(tier, number, b"x" * 1350)
        assert tier.bytes <= 40_000
    assert 18_000 <= tier._large.bytes <= 22_000
    check_invariants(tier)


def test_a_large_newcomer_is_kept_though_all_others_are_folded(tier: LocalTier, limit: Callable[..., None]) -> None:
    limit(entries=6, bytes=10_000)
    for number in range(10):
        small(tier, number)
    put(tier, 100, b"x" * 9300)
    assert held(tier) == [100]
    assert tier.folded.count == 0
    put(tier, 101, b"x" * 9300)
    assert held(tier) == [101]
    check_invariants(tier)


def test_with_room_for_one_the_newcomer_takes_it(tier: LocalTier, limit: Callable[..., None]) -> None:
    limit(entries=1)
    for number in range(5):
        small(tier, number)
        put(tier, number + 100)
        assert len(held(tier)) + tier.folded.count == 1
    check_invariants(tier)


def test_expanding_does_not_exceed_the_bytes_it_may_hold(
    tier: LocalTier, limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        small(tier, number, b"x" * 100)
    monkeypatch.setattr(local, "_MOST_EXPANDED", 50)
    monkeypatch.setattr(local, "_EXPANDED_SHARE", 1)
    most = tier.bytes + 500
    limit(bytes=most)
    for number in range(100):
        tier.unfold(key_of(number).local)
        assert tier.bytes <= most
    assert tier.evictions > 0
    check_invariants(tier)


def test_limits_that_shrink_to_nothing_leave_what_was_asked_for(tier: LocalTier, limit: Callable[..., None]) -> None:
    for number in range(10):
        small(tier, number)
    limit(entries=0)
    for number in range(5, 8):
        tier.unfold(key_of(number).local)
    assert held(tier) == [6]
    assert tier.folded.count == 0
    check_invariants(tier)


# --- many at once -----------------------------------------------------------------------------------------------------


def test_entries_that_came_together_are_kept_as_if_one_by_one(tier: LocalTier, limit: Callable[..., None]) -> None:
    limit(entries=20)
    tier.put_many([placed(tier, key_of(number), b"%d" % number) for number in range(10)], may_fold=True)
    assert held(tier) == [0, 1, 2]
    assert folded(tier, range(10)) == [*range(3, 10)]

    tier.put_many([placed(tier, key_of(number)) for number in range(10, 40)], may_fold=True)
    assert len(held(tier)) + tier.folded.count == 20
    tier.put_many([placed(tier, key_of(number)) for number in range(100, 140)])

    assert len(held(tier)) + tier.folded.count == 20
    assert tier.evictions == 60
    check_invariants(tier)


@pytest.mark.parametrize("may_fold", [False, True])
def test_of_those_that_came_together_the_ones_a_writer_overtook_are_not_kept(tier: LocalTier, may_fold: bool) -> None:
    entries = [placed(tier, key_of(number)) for number in range(10)]
    tier.stamps.bump([slots_of(key_of(number)).key for number in (1, 7)])

    tier.put_many(entries, may_fold=may_fold)

    assert len(held(tier)) + tier.folded.count == 8
    assert not {1, 7} & {*held(tier), *folded(tier, range(10))}
    check_invariants(tier)


# --- the books, whatever happens --------------------------------------------------------------------------------------


def do_anything(tier: LocalTier, chance: random.Random) -> None:
    key = key_of(chance.randrange(40), chance.choice(["orders", "bills"]))
    entry = tier.entries.get(key.local)
    action = chance.choices(["put", "hit", "decode", "discard", "bump", "clear"], [10, 20, 4, 2, 1, 0.05])[0]
    if action == "put":
        value = chance.choice([UNDECODED, "a snapshot"])
        body = b"x" * chance.randrange(chance.choice([300, 2000]))
        tier.put(placed(tier, key, body, value), may_fold=chance.random() < 0.9)
    elif action == "bump":
        tier.stamps.bump([slots_of(key).key])
    elif action == "clear":
        tier.clear()
    elif entry is None:
        entry = tier.unfold(key.local)
        if entry is not None:
            assert entry.key == key.local
            if action == "decode":
                tier.decoded(entry, "a snapshot")
            elif action == "discard":
                tier.discard(entry)
    elif action == "hit":
        entry.visited = True
    elif action == "decode":
        tier.decoded(entry, "a snapshot")
    else:
        tier.discard(entry)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limits", [{}, {"entries": 20}, {"bytes": 12_000}, {"entries": 25, "bytes": 9000}], ids=str)
def test_the_books_are_exact_after_anything(
    tier: LocalTier, limit: Callable[..., None], limits: dict[str, int], seed: int
) -> None:
    limit(**limits)
    chance = random.Random(seed)

    for _ in range(600):
        do_anything(tier, chance)
        check_invariants(tier)
        assert len(tier.entries) + tier.folded.count <= limits.get("entries", 80)
        assert tier.bytes <= limits.get("bytes", 80 * 9000)


def test_the_books_are_exact_after_four_threads_did_anything_at_once(
    tier: LocalTier, limit: Callable[..., None], hasty_threads: None
) -> None:
    limit(entries=40, bytes=20_000)
    together = threading.Barrier(4)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        together.wait()
        for _ in range(1500):
            do_anything(tier, chance)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert len(tier.entries) + tier.folded.count <= 40
    assert tier.bytes <= 20_000
    check_invariants(tier)


@pytest.mark.parametrize("seed", range(5))
def test_with_room_for_all_it_holds_what_a_dictionary_would(tier: LocalTier, clock: MovableClock, seed: int) -> None:
    chance = random.Random(seed)
    model: dict[Any, Entry] = {}

    for step in range(3000):
        key = key_of(chance.randrange(300))
        action = chance.choices(["put", "discard", "bump", "hit"], [4, 1, 1, 10])[0]
        if action == "put":
            model[key.local] = placed(tier, key, b"%d" % step)
            tier.put(model[key.local], may_fold=chance.random() < 0.8)
        elif action == "bump":
            tier.stamps.bump([slots_of(key).key])
            model.pop(key.local, None)
        found = tier.entries.get(key.local)
        if found is None:
            found = tier.unfold(key.local)
        elif not tier.is_valid(found):
            tier.discard(found)
            found = None
        wanted = model.get(key.local)
        assert (found is None) == (wanted is None)
        if found is not None and wanted is not None:
            assert all(getattr(found, name) == getattr(wanted, name) for name in FIELDS)
            if action == "discard":
                tier.discard(found)
                del model[key.local]
    assert len(tier.entries) + len(list(records(tier.folded))) >= len(model)
    check_invariants(tier)


def test_readers_get_nothing_stale_while_writers_replace(tier: LocalTier, hasty_threads: None) -> None:
    """A body tells when it was read; no hit that begins after a change may show an older one."""
    versions, done = [0] * 12, threading.Event()

    def write() -> None:
        chance = random.Random(0)
        for _ in range(4000):
            number = chance.randrange(12)
            versions[number] += 1
            tier.stamps.bump([slots_of(key_of(number)).key])
            if chance.random() < 0.9:
                small(tier, number, b"%d" % versions[number])
        done.set()

    def read(seed: int) -> int:
        chance, hits = random.Random(seed), 0
        while not done.is_set():
            number = chance.randrange(12)
            key, due = key_of(number).local, versions[number]
            entry = tier.entries.get(key)
            if entry is None:
                entry = tier.unfold(key)
            if entry is not None and tier.is_valid(entry):
                hits += 1
                # Its version is counted before its stamp is changed.
                assert int(entry.body) >= due - 1
                assert entry.key == key
        return hits

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read, seed) for seed in range(3)]
        pool.submit(write).result()
        assert all(reader.result() > 100 for reader in readers)
    check_invariants(tier)


def test_a_list_is_counted_with_what_it_is_made_of(tier: LocalTier) -> None:
    items = [Entry(b"x" * 100) for _ in range(20)]
    entry = placed(tier, key_of(1), b"x" * 2000)
    entry.parts = tuple(items)
    tier.put(entry)
    assert tier.bytes > 2 * 2000 + 20 * 200, "the list's bytes, its items' bytes, and the items themselves"
    before = tier.bytes
    for item in items:
        tier.decoded(item, object())
    tier.decoded(entry, object())
    assert tier.bytes == before + 3 * 2000, "the items' snapshots, of which the list's is made"
    check_invariants(tier)
    tier.discard(entry)
    assert tier.bytes == 0
