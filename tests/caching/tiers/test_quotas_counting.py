"""Organisations are counted exactly when they hold much, and what goes for a quota is found soon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from caching.tiers import local, quotas
from caching.tiers.folded import FoldedEntries
from caching.tiers.local import Entry, LocalTier
from caching.tiers.quotas import FOLDED, LARGE, ORG, SMALL, Holder, Quotas
from tests.caching.tiers.entries import check_invariants, put
from tests.caching.tiers.tenants import SMALL_ORGS, has, interleaved, put_any, put_large
from tests.conftest import MovableClock

MakeTier = Callable[..., LocalTier]


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_MOST_EXPANDED", 20)
    monkeypatch.setattr(local, "_HITS_TO_EXPAND", 2)


def test_who_shares_a_counter_with_a_huge_one_loses_nothing(
    make_tier: MakeTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "_COUNTERS", 1)
    tier = make_tier(share=0.25)

    keys = interleaved(tier, put_any)

    assert all(has(tier, key) for key in keys)
    check_invariants(tier)


def test_who_holds_little_is_not_counted_for_itself(make_tier: MakeTier) -> None:
    tier = make_tier(share=0.25)
    for number in range(400):
        put_any(tier, number, SMALL_ORGS[number % 50])
    assert tier._quotas is not None
    assert not tier._quotas._orgs


def test_who_holds_little_again_is_forgotten(make_tier: MakeTier, clock: MovableClock) -> None:
    tier = make_tier(share=0.25)
    entries = [put(tier, number, org="huge") for number in range(100)]
    assert [org for org, _, _ in tier.largest_orgs(5)] == ["huge"]

    for entry in entries:
        tier.discard(entry)
    assert tier.largest_orgs(5) == []
    for number in range(100):
        put(tier, number, org="other")

    assert tier._quotas is not None
    assert [holder.name for holder in tier._quotas._orgs.values()] == ["other"]
    check_invariants(tier)


def test_an_organisation_is_counted_once_not_with_each_entry(
    make_tier: MakeTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    tier = make_tier(share=0.25)
    counted = []
    count = Quotas._count
    monkeypatch.setattr(Quotas, "_count", lambda self, org, *held: counted.append(org) or count(self, org, *held))

    interleaved(tier, put_any)

    assert counted == ["huge"]


def test_the_largest_come_first(make_tier: MakeTier) -> None:
    tier = make_tier(share=0.5)
    for number in range(600):
        put_large(tier, number, ("a", "b", "b", "c", "c", "c", "c")[number % 7])

    largest = tier.largest_orgs(2)

    assert [org for org, _, _ in largest] == ["c", "b"]
    assert all(size == 950 * entries for _, size, entries in largest)
    assert sum(key[2] == "c" for key in tier.entries) == largest[0][2]


# --- time -------------------------------------------------------------------------------------------------------------


def test_at_its_quota_it_looks_at_few_of_others_for_each_that_goes(
    make_tier: MakeTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = 0
    owns, pop = Holder.owns, FoldedEntries.pop_marked

    def counted_owns(holder: Holder, entry: Entry) -> bool:
        nonlocal looked_at
        looked_at += 1
        return owns(holder, entry)

    def counted_pop(table: FoldedEntries, *args: Any) -> tuple[bytes | None, int]:
        nonlocal looked_at
        record, index = pop(table, *args)
        looked_at += (index - args[2]) % len(table._buckets)
        return record, index

    tier = make_tier(share=0.1, LOCAL_MAX_ENTRIES=10_000, LOCAL_MAX_BYTES=10**8)
    for number in range(6000):
        put_any(tier, number, SMALL_ORGS[number % 50])
    for number in range(1000):
        put_any(tier, number, "huge")
    monkeypatch.setattr(Holder, "owns", counted_owns)
    monkeypatch.setattr(FoldedEntries, "pop_marked", counted_pop)

    for number in range(1000, 4000):
        put_any(tier, number, "huge")

    assert tier.evictions == 3000
    # One in seven is its own.
    assert looked_at < 10 * 3000


@pytest.mark.parametrize(
    ("held", "kinds"),
    [
        ((8, 2, 0), [FOLDED, SMALL, FOLDED]),
        # A few records among many of others are not looked for.
        ((1, 9, 0), [SMALL, FOLDED]),
        ((3, 2, 6), [LARGE, FOLDED, SMALL, FOLDED, LARGE]),
        ((3, 3, 4), [FOLDED, SMALL, FOLDED, LARGE]),
        ((0, 0, 4), [LARGE, LARGE]),
    ],
    ids=str,
)
@pytest.mark.parametrize("in_bytes", [False, True])
def test_what_it_has_more_of_is_looked_for_first(held: tuple[int, ...], kinds: list[int], in_bytes: bool) -> None:
    holder = Holder(ORG, "huge", 900 if in_bytes else 10**6, 100 if in_bytes else 1)

    for kind, count in enumerate(held):
        holder.add(kind, count, count * 1000)

    assert list(holder.kinds_to_evict()) == kinds


def test_a_hand_whose_entry_has_come_back_as_another_kind_begins_anew(make_tier: MakeTier) -> None:
    tier = make_tier(share=0.5)
    large = [put(tier, number, org="huge") for number in range(5)]
    small = put(tier, 100, org="huge", may_fold=True)
    holder = Holder(ORG, "huge", 1, 1)
    holder.hands[LARGE] = small.key

    assert holder.victim(LARGE, tier._large, tier.entries, None) is large[0]
    assert holder.hands == {LARGE: large[1].key}
    assert holder.victim(SMALL, tier._small, tier.entries, None) is small
    assert holder.hands == {LARGE: large[1].key}
