"""Small entries are folded when there are many, and found like others: under their stamps, for their time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from caching.keys import Key
from caching.stamps import slots_of
from caching.tiers import local
from caching.tiers.local import UNDECODED, Entry, KnownEpochs, LocalTier
from tests.caching.tiers.entries import TTL, check_invariants, held, key_of, placed, put
from tests.conftest import MovableClock

EXPANDED = 3
HITS = 4


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_MOST_EXPANDED", EXPANDED)
    monkeypatch.setattr(local, "_HITS_TO_EXPAND", HITS)


def small(tier: LocalTier, number: int, body: bytes = b"{}", **options: Any) -> Entry:
    return put(tier, number, body, may_fold=True, **options)


def found(tier: LocalTier, number: int, region: str = "orders") -> Entry | None:
    """Return what a hit would find, in either place."""
    key = key_of(number, region).local
    entry = tier.entries.get(key)
    if entry is None:
        return tier.unfold(key)
    return entry if tier.is_valid(entry) else None


def folded(tier: LocalTier, numbers: int = 100) -> list[int]:
    return [number for number in range(numbers) if tier.folded.find(key_of(number).local) is not None]


# --- what is folded ---------------------------------------------------------------------------------------------------


def test_few_entries_are_not_folded(tier: LocalTier) -> None:
    entries = [small(tier, number) for number in range(EXPANDED)]

    assert list(tier.entries.values()) == entries
    assert tier.folded.count == 0
    check_invariants(tier)


def test_what_comes_to_many_is_folded_and_found(tier: LocalTier) -> None:
    entries = [small(tier, number, b'{"number":%d}' % number, value="a snapshot") for number in range(10)]

    assert held(tier) == [0, 1, 2]
    assert folded(tier) == list(range(3, 10))
    check_invariants(tier)
    for number, entry in enumerate(entries):
        again = found(tier, number)
        assert again is not None
        assert (again.body, again.key, again.until, again.usable) == (entry.body, entry.key, entry.until, entry.usable)
        assert (again.key_stamp, again.scope_stamp) == (entry.key_stamp, entry.scope_stamp)
    assert tier.unfold(key_of(10).local) is None


def test_large_entries_and_lists_of_others_are_not_folded(tier: LocalTier) -> None:
    for number in range(EXPANDED):
        small(tier, number)
    put(tier, 10)
    small(tier, 11, b"x" * 513)
    composed, unsure = placed(tier, key_of(12)), placed(tier, key_of(13))
    composed.parts = (unsure,)
    tier.put(composed, may_fold=True)
    unsure.may_be_kept = False
    tier.put(unsure, may_fold=True)
    small(tier, 14, b"x" * 512)

    assert held(tier) == [0, 1, 2, 10, 11, 12, 13]
    assert folded(tier) == [14]
    check_invariants(tier)


def test_an_entry_whose_key_is_of_an_unusual_type_is_not_folded(tier: LocalTier) -> None:
    class Name(str):
        __slots__ = ()

    for number in range(8):
        tier.put(placed(tier, Key("orders", Name("osteria"), (number,))), may_fold=True)
        check_invariants(tier)
    # Those that came first, too, when others take their places.
    for number in range(20, 30):
        small(tier, number)
        for _ in range(HITS):
            found(tier, number)
        check_invariants(tier)

    assert set(range(8)) <= set(held(tier))
    assert tier._small.count == EXPANDED


def test_that_there_is_no_such_row_is_folded_too(tier: LocalTier) -> None:
    for number in range(6):
        small(tier, number, b"null", value=None)

    entry = found(tier, 5)
    assert entry is not None
    assert (entry.body, entry.value) == (b"null", UNDECODED)


def test_no_more_than_a_share_of_the_bytes_is_expanded(
    tier: LocalTier, limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_MOST_EXPANDED", 1000)
    limit(bytes=8 * 3000)
    for number in range(50):
        small(tier, number, b"x" * 100)
        assert tier._small.bytes <= 3000
    # The newcomers are: who fills a whole region drives nobody out.
    assert held(tier) == [0, 1, 2, 3]
    assert len(folded(tier)) == 46
    for number in range(50):
        entry = found(tier, number)
        assert entry is not None
        tier.decoded(entry, "a snapshot")
        assert tier._small.bytes <= 3000
        check_invariants(tier)


# --- no longer than they are valid ------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["key", "scope", "region"])
def test_a_folded_entry_is_dropped_when_a_stamp_has_changed(tier: LocalTier, which: str) -> None:
    for number in range(5):
        small(tier, number)
    tier.stamps.bump([getattr(slots_of(key_of(4)), which)])

    assert found(tier, 4) is None

    assert folded(tier) == [3]
    assert (found(tier, 3) is not None) == (which == "key")
    check_invariants(tier)


def test_a_folded_entry_is_dropped_when_its_time_is_over(tier: LocalTier, clock: MovableClock) -> None:
    for number in range(5):
        small(tier, number)
    clock.advance(TTL - 0.1)
    assert found(tier, 4) is not None

    clock.advance(0.1)

    assert found(tier, 4) is None
    assert folded(tier) == [3]
    check_invariants(tier)


def test_an_expired_entry_that_may_stand_in_is_found_when_it_is_folded(tier: LocalTier, clock: MovableClock) -> None:
    for number in range(8):
        entry = placed(tier, key_of(number))
        entry.usable += 100
        tier.put(entry, may_fold=True)
    clock.advance(TTL + 50)

    for _ in range(3):
        again = found(tier, 7)
        assert again is not None
        assert again.expires <= clock.now() < again.usable
    clock.advance(50)
    assert found(tier, 7) is None


def test_a_fill_that_a_writer_overtook_is_not_folded(tier: LocalTier) -> None:
    for number in range(EXPANDED):
        small(tier, number)
    entry = placed(tier, key_of(9))
    tier.stamps.bump([slots_of(key_of(9)).key])

    tier.put(entry, may_fold=True)

    assert tier.folded.count == 0


# --- one key, one place -----------------------------------------------------------------------------------------------


def test_a_newer_entry_takes_the_place_of_a_folded_one(tier: LocalTier) -> None:
    for number in range(5):
        small(tier, number, b"old")

    small(tier, 4, b"new, and longer")

    entry = found(tier, 4)
    assert entry is not None
    assert entry.body == b"new, and longer"
    assert tier.entries_of["orders"] == 5
    check_invariants(tier)


def test_a_newer_entry_that_is_not_folded_takes_its_place_too(tier: LocalTier) -> None:
    for number in range(5):
        small(tier, number, b"old")
    put(tier, 4, b"x" * 600)
    tier.discard(tier.entries[key_of(0).local])
    small(tier, 3, b"new")

    assert held(tier) == [1, 2, 3, 4]
    assert tier.folded.count == 0
    check_invariants(tier)
    # The old one does not come back either.
    for number in (3, 4):
        tier.discard(tier.entries[key_of(number).local])
        assert found(tier, number) is None


def test_a_newer_entry_of_an_expanded_one_stays_expanded(tier: LocalTier) -> None:
    for number in range(5):
        small(tier, number, b"old")

    new = small(tier, 1, b"new")

    assert tier.entries[key_of(1).local] is new
    assert held(tier) == [0, 1, 2]
    check_invariants(tier)


def test_an_entry_put_again_by_other_rules_is_counted_once(tier: LocalTier) -> None:
    entry = small(tier, 1)
    tier.put(entry, may_fold=False)
    check_invariants(tier)
    tier.put(entry, may_fold=True)
    check_invariants(tier)
    assert held(tier) == [1]


def test_discarding_an_entry_drops_it_though_it_was_folded_since(tier: LocalTier) -> None:
    entries = [small(tier, number) for number in range(5)]

    tier.discard(entries[4])
    small(tier, 3, b"newer")
    tier.discard(entries[3])

    assert folded(tier) == [3]
    check_invariants(tier)


def test_clearing_forgets_what_is_folded(tier: LocalTier) -> None:
    for number in range(9):
        small(tier, number)

    tier.clear()

    assert all(found(tier, number) is None for number in range(9))
    assert (tier.bytes, +tier.bytes_of, +tier.entries_of) == (0, Counter(), Counter())
    small(tier, 1)
    check_invariants(tier)


def test_clearing_forgets_the_epochs_of_scopes(tier: LocalTier) -> None:
    scope, slots = key_of(1).scope, slots_of(key_of(1))
    tier.learn_epochs(scope, KnownEpochs(b"run", (b"all", b"region", b"organisation"), slots, tier.stamps.note(slots)))
    assert tier.known_epochs(scope) is not None

    tier.clear()

    assert tier.known_epochs(scope) is None


def test_clearing_under_a_reader_is_a_miss_or_what_it_read(tier: LocalTier, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        small(tier, number, region=f"region {number}")
    table = tier.folded
    find = type(table).find

    def interrupted(self: Any, key: Any) -> bytes | None:
        record = find(self, key)
        tier.clear()
        return record

    monkeypatch.setattr(type(table), "find", interrupted)
    entry = tier.unfold(key_of(8, "region 8").local)

    assert entry is not None
    assert entry.region_slot == slots_of(key_of(8, "region 8")).region
    assert tier.entries == {}
    assert tier.folded.count == 0


# --- expanding --------------------------------------------------------------------------------------------------------


def test_what_is_hit_often_is_expanded_and_another_folded(tier: LocalTier) -> None:
    for number in range(6):
        small(tier, number)
    tier.entries[key_of(0).local].visited = True

    for _ in range(HITS - 1):
        assert found(tier, 5) is not None
    assert held(tier) == [0, 1, 2]
    entry = found(tier, 5)

    # The oldest was visited.
    assert held(tier) == [0, 2, 5]
    assert tier.entries[key_of(5).local] is entry
    assert folded(tier) == [1, 3, 4]
    check_invariants(tier)


def test_a_walk_over_all_drives_few_out(tier: LocalTier, monkeypatch: pytest.MonkeyPatch) -> None:
    # The numbers are those of real life.
    monkeypatch.undo()
    for number in range(2000):
        small(tier, number)
    before = set(held(tier))

    for number in range(2000):
        found(tier, number)

    assert len(before & set(held(tier))) > len(before) * 0.9
    check_invariants(tier)


def test_what_was_chosen_to_be_loaded_anew_is_expanded_at_once(tier: LocalTier, clock: MovableClock) -> None:
    for number in range(5):
        entry = placed(tier, key_of(number))
        entry.until -= 10
        tier.put(entry, may_fold=True)
    clock.advance(TTL - 10)

    entry = found(tier, 4)  # type: ignore[assignment]

    assert tier.entries[key_of(4).local] is entry
    check_invariants(tier)


def test_what_was_replaced_while_it_was_read_is_not_expanded(tier: LocalTier, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        small(tier, number, b"old")
    table, unfold = tier.folded, type(tier.folded).unfold

    def interrupted(self: Any, *arguments: Any) -> Entry | None:
        entry = unfold(self, *arguments)
        small(tier, 4, b"new")
        return entry

    monkeypatch.setattr(local, "_HITS_TO_EXPAND", 1)
    monkeypatch.setattr(type(table), "unfold", interrupted)
    old = tier.unfold(key_of(4).local)
    monkeypatch.undo()

    assert old is not None
    assert old.body == b"old"
    assert key_of(4).local not in tier.entries
    new = found(tier, 4)
    assert new is not None
    assert new.body == b"new"
    check_invariants(tier)


def test_a_folded_entry_does_not_push_out_one_of_an_equal_key_of_another_type(
    tier: LocalTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Name(str):
        __slots__ = ()

    for number in range(5):
        small(tier, number)
    monkeypatch.setattr(local, "_HITS_TO_EXPAND", 1)
    other = placed(tier, Key("orders", Name("osteria"), (4,)), b"other")
    tier.put(other, may_fold=True)

    tier.unfold(key_of(4).local)

    assert tier.entries[key_of(4).local] is other
    assert [*tier._large] == [other]


def test_the_snapshot_of_an_entry_that_is_not_kept_counts_for_nothing(tier: LocalTier) -> None:
    for number in range(5):
        small(tier, number)
    entry, before = found(tier, 4), tier.bytes
    assert entry is not None

    tier.decoded(entry, "a snapshot")

    assert entry.value == "a snapshot"
    assert tier.bytes == before
    check_invariants(tier)
