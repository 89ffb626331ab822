"""Whatever happens to entries under quotas, and in however many threads: the counts are exact, and nobody is over."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.keys import Key
from caching.stamps import Stamps, slots_of
from caching.tiers import local, quotas
from caching.tiers.local import UNDECODED, Entry, LocalTier
from tests.caching.tiers.entries import check_invariants, placed
from tests.conftest import MovableClock

ORGS = ["huge", *(f"org {number}" for number in range(6))]
QUOTAS: list[dict[str, Any]] = [
    {"LOCAL_ORG_SHARE": 0.4},
    {"REGIONS": {"bills": {"local_max_entries": 12}, "orders": {"local_max_bytes": 9000}}},
    {"LOCAL_ORG_SHARE": 0.2, "REGIONS": {"bills": {"local_max_bytes": 6000, "local_max_entries": 20}}},
]


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_MOST_EXPANDED", 6)
    monkeypatch.setattr(local, "_HITS_TO_EXPAND", 2)
    # So few that organisations share them.
    monkeypatch.setattr(quotas, "_COUNTERS", 3)


@pytest.fixture
def make_tier(clock: MovableClock, settings: Settings) -> Callable[..., LocalTier]:
    def make(given: dict[str, Any]) -> LocalTier:
        limits = {"LOCAL_MAX_ENTRIES": 60, "LOCAL_MAX_BYTES": 40_000}
        settings.CACHING = {**settings.CACHING, **limits, **given}
        return LocalTier(clock, Stamps(clock, shared=False))

    return make


def do_anything(tier: LocalTier, chance: random.Random) -> None:
    org = "huge" if chance.random() < 0.7 else chance.choice(ORGS)
    key = Key(chance.choice(["orders", "bills", "pages"]), org, (chance.randrange(60 if org == "huge" else 5),))
    entry = tier.entries.get(key.local)
    action = chance.choices(["put", "many", "hit", "decode", "discard", "bump", "clear"], [20, 1, 20, 4, 2, 1, 0.05])[0]
    if action == "put":
        tier.put(made(tier, key, chance), may_fold=chance.random() < 0.8)
    elif action == "many":
        keys = [Key(key.region, chance.choice(ORGS), (number,)) for number in range(5)]
        tier.put_many([made(tier, key, chance) for key in keys], may_fold=chance.random() < 0.8)
    elif action == "bump":
        tier.stamps.bump([slots_of(key).key])
    elif action == "clear":
        tier.clear()
    elif entry is None:
        entry = tier.unfold(key.local)
        if entry is not None and action == "decode":
            tier.decoded(entry, "a snapshot")
        elif entry is not None and action == "discard":
            tier.discard(entry)
    elif action == "hit":
        entry.visited = True
    elif action == "decode":
        tier.decoded(entry, "a snapshot")
    else:
        tier.discard(entry)


def made(tier: LocalTier, key: Key, chance: random.Random) -> Entry:
    body = b"x" * chance.randrange(chance.choice([300, 2000]))
    entry = placed(tier, key, body, chance.choice([UNDECODED, "a snapshot"]))
    if chance.random() < 0.1:
        entry.parts = tuple(Entry(b"x" * 50) for _ in range(2))
    return entry


def check_quotas_are_kept(tier: LocalTier, given: dict[str, Any]) -> None:
    """No region and no organisation holds more than it may, by a count of what is there."""
    for region, options in given.get("REGIONS", {}).items():
        assert tier.entries_of[region] <= options.get("local_max_entries", 60)
        assert tier.bytes_of[region] <= options.get("local_max_bytes", 40_000)
    share = given.get("LOCAL_ORG_SHARE")
    if share is not None:
        entries, size = Counter[str](), Counter[str]()
        for org in ORGS:
            for region in ("orders", "bills", "pages"):
                for number in range(60):
                    key = Key(region, org, (number,)).local
                    entry, record = tier.entries.get(key), tier.folded.find(key)
                    entries[org] += (entry is not None) + (record is not None)
                    size[org] += (entry.size if entry is not None else 0) + (len(record) + 14 if record else 0)
        assert entries.total() == len(tier.entries) + tier.folded.count
        assert max(entries.values()) <= 60 * share
        assert max(size.values()) <= 40_000 * share


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("given", QUOTAS, ids=str)
def test_the_books_are_exact_and_quotas_are_kept_after_anything(
    make_tier: Callable[..., LocalTier], given: dict[str, Any], seed: int
) -> None:
    tier, chance = make_tier(given), random.Random(seed)

    for step in range(500):
        do_anything(tier, chance)
        check_invariants(tier)
        if step % 10 == 0:
            check_quotas_are_kept(tier, given)
    assert tier.evictions > 50, f"seed {seed}"


@pytest.mark.parametrize("given", QUOTAS, ids=str)
def test_the_books_are_exact_and_quotas_are_kept_after_four_threads_did_anything_at_once(
    make_tier: Callable[..., LocalTier], given: dict[str, Any], hasty_threads: None
) -> None:
    tier, together = make_tier(given), threading.Barrier(4)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        together.wait()
        for _ in range(500):
            do_anything(tier, chance)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    check_invariants(tier)
    check_quotas_are_kept(tier, given)
