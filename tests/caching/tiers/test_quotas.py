"""Quotas of local memory: who holds more than its share loses entries of its own, and nobody else one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.keys import Key
from caching.runtime import runtime
from caching.tiers import local
from caching.tiers.local import LocalTier
from caching.tiers.quotas import Quotas
from tests.caching.tiers.entries import check_invariants, key_of, put, records
from tests.caching.tiers.tenants import KINDS, SMALL_ORGS, has, interleaved, put_any, put_folded, put_large

MakeTier = Callable[..., LocalTier]


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_MOST_EXPANDED", 20)
    monkeypatch.setattr(local, "_HITS_TO_EXPAND", 2)


# --- organisations ----------------------------------------------------------------------------------------------------


@KINDS
def test_a_huge_organisation_drives_out_nobody_but_itself(make_tier: MakeTier, put_one: Callable[..., Key]) -> None:
    tier = make_tier(share=0.25)

    keys = interleaved(tier, put_one)

    assert len(keys) == 200
    assert all(has(tier, key) for key in keys)
    [(org, size, entries), *_] = tier.largest_orgs(3)
    assert org == "huge"
    assert size <= 250_000
    assert entries <= 250
    # It has what it may have.
    assert size > 240_000 or entries == 250
    check_invariants(tier)


@KINDS
def test_without_a_quota_it_would_have(make_tier: MakeTier, put_one: Callable[..., Key]) -> None:
    tier = make_tier()

    keys = interleaved(tier, put_one)

    assert sum(has(tier, key) for key in keys) < 150
    assert tier.largest_orgs(3) == []
    check_invariants(tier)


@pytest.mark.parametrize("limits", [{"LOCAL_MAX_BYTES": 10**9}, {"LOCAL_MAX_ENTRIES": 10**6}], ids=str)
@KINDS
def test_bytes_and_entries_are_limited_each_for_itself(
    make_tier: MakeTier, put_one: Callable[..., Key], limits: dict[str, int]
) -> None:
    tier = make_tier(share=0.1, **limits)

    for number in range(1500):
        put_one(tier, number, "huge")

    [(_, size, entries)] = tier.largest_orgs(3)
    if "LOCAL_MAX_BYTES" in limits:
        assert entries == 100
    else:
        assert 90_000 < size <= 100_000
    assert tier.evictions == tier.take_evictions()["orders"] == 1500 - entries
    check_invariants(tier)


def test_it_counts_in_all_regions_together(make_tier: MakeTier) -> None:
    tier = make_tier(share=0.1)

    for number in range(1000):
        put_any(tier, number, "huge", f"region {number % 7}")

    assert sum(tier.entries_of.values()) <= 100
    assert sum(tier.take_evictions().values()) == 1000 - sum(tier.entries_of.values())
    check_invariants(tier)


def test_what_is_decoded_counts_too(make_tier: MakeTier) -> None:
    tier = make_tier(share=0.1)
    theirs = [put_large(tier, number, org) for number, org in enumerate(SMALL_ORGS)]
    mine = [put(tier, number, b"x" * 5000, org="huge") for number in range(17)]
    assert tier.evictions == 0

    for entry in mine:
        tier.decoded(entry, object())

    assert tier.evictions > 5
    assert tier.largest_orgs(1)[0][1] <= 100_000
    assert all(has(tier, key) for key in theirs)
    check_invariants(tier)


def test_what_is_expanded_counts_too(make_tier: MakeTier, monkeypatch: pytest.MonkeyPatch) -> None:
    tier = make_tier(share=0.1, LOCAL_MAX_ENTRIES=10_000)
    for number in range(600):
        put_folded(tier, number, "huge")
    theirs = [put_folded(tier, number, org) for number, org in enumerate(SMALL_ORGS)]
    monkeypatch.setattr(local, "_MOST_EXPANDED", 1000)

    for number in range(600):
        tier.unfold(key_of(number, org="huge").local)
        assert tier.largest_orgs(1)[0][1] <= 100_000

    assert len(tier.entries) > 80
    assert all(has(tier, key) for key in theirs)
    check_invariants(tier)


def test_an_entry_that_is_more_than_a_quota_is_not_kept(make_tier: MakeTier) -> None:
    tier = make_tier(share=0.1, regions={"bills": {"local_max_bytes": 2000}})
    keys = [put_large(tier, number, "huge") for number in range(10)]
    keys.append(put_large(tier, 1, "huge", "bills"))

    put(tier, 100, b"x" * 100_000, org="huge")
    put(tier, 100, b"x" * 2000, org="small", region="bills")

    assert all(has(tier, key) for key in keys)
    assert len(tier.entries) == 11


@KINDS
def test_with_a_quota_of_one_entry_the_newcomer_takes_it(make_tier: MakeTier, put_one: Callable[..., Key]) -> None:
    tier = make_tier(share=0.001, LOCAL_MAX_BYTES=10**7)
    for number in range(100):
        put_folded(tier, number, SMALL_ORGS[number % 50])
        assert has(tier, put_one(tier, number, "huge"))
        check_invariants(tier)


@KINDS
def test_what_is_asked_for_stays_longer(make_tier: MakeTier, put_one: Callable[..., Key]) -> None:
    tier = make_tier(share=0.25, LOCAL_MAX_BYTES=10**8)
    hot = [put_one(tier, number, "huge") for number in range(5)]

    for number in range(1000, 3000):
        put_one(tier, number, "huge")
        for key in hot:
            entry = tier.entries.get(key.local)
            if entry is None:
                tier.unfold(key.local)
            else:
                entry.visited = True

    assert all(has(tier, key) for key in hot)
    check_invariants(tier)


# --- regions ----------------------------------------------------------------------------------------------------------


@KINDS
def test_a_region_with_a_quota_drives_out_nobody_but_itself(make_tier: MakeTier, put_one: Callable[..., Key]) -> None:
    tier = make_tier(regions={"pages": {"local_max_bytes": 200_000, "local_max_entries": 150}})

    keys = interleaved(tier, put_one, "pages")

    assert all(has(tier, key) for key in keys)
    assert tier.entries_of["pages"] <= 150
    assert tier.bytes_of["pages"] <= 200_000
    assert tier.bytes_of["pages"] > 190_000 or tier.entries_of["pages"] == 150
    assert tier.take_evictions() == {"pages": 4000 - tier.entries_of["pages"]}
    check_invariants(tier)


def test_without_organisations_records_are_as_short_as_ever(make_tier: MakeTier) -> None:
    lengths = []
    for tier in (make_tier(), make_tier(regions={"pages": {"local_max_entries": 150}}), make_tier(share=0.5)):
        for number in range(50):
            put_folded(tier, number, "huge")
        lengths.append({len(record) for record in records(tier.folded)})
    assert lengths == [{142}, {142}, {150}]


def test_regions_and_organisations_may_both_have_quotas(make_tier: MakeTier) -> None:
    tier = make_tier(share=0.2, regions={"pages": {"local_max_entries": 50}, "bills": {"local_max_bytes": None}})
    keys = interleaved(tier, put_any)

    for number in range(400):
        put_any(tier, number, "huge", "pages")
        put_any(tier, number, "third", "bills")

    assert tier.entries_of["pages"] <= 50
    assert sum(entries for _, _, entries in tier.largest_orgs(2)) <= 400
    assert all(has(tier, key) for key in keys)
    check_invariants(tier)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caching", "share"), [({}, None), ({"PRESET": "multi_location"}, 0.25), ({"LOCAL_ORG_SHARE": 0.5}, 0.5)], ids=str
)
def test_a_preset_for_many_restaurants_has_quotas(
    settings: Settings, caching: dict[str, Any], share: float | None
) -> None:
    settings.CACHING = {**settings.CACHING, **caching}

    made = Quotas.from_settings()

    if share is None:
        assert made is None
    else:
        assert made is not None
        assert made._org_limits == (128 * 2**20 * share, 100_000 * share)


def test_settings_that_change_are_the_quotas_from_then_on(settings: Settings) -> None:
    before = settings.CACHING
    for most in (3, 5, None):
        settings.CACHING = {**before, "REGIONS": {"orders": {"local_max_entries": most}}}
        for number in range(10):
            put(tier_in_use(), number)
        assert tier_in_use().entries_of["orders"] == (most or 10)
    settings.CACHING = {**before, "LOCAL_ORG_SHARE": 0.5, "LOCAL_MAX_ENTRIES": 8}
    for number in range(10):
        put(tier_in_use(), number)
    assert tier_in_use().entries_of["orders"] == 4


def tier_in_use() -> LocalTier:
    assert runtime.local is not None
    return runtime.local


def test_clearing_forgets_what_everybody_held(make_tier: MakeTier) -> None:
    tier = make_tier(share=0.1, regions={"pages": {"local_max_entries": 50}})
    for number in range(200):
        put_any(tier, number, "huge", "pages")

    tier.clear()

    assert tier.largest_orgs(1) == []
    check_invariants(tier)
    for number in range(200):
        put_any(tier, number, "huge", "pages")
    assert 40 < tier.entries_of["pages"] <= 50
    check_invariants(tier)
