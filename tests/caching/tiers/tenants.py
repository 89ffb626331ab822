"""One huge organisation and fifty small ones, for tests of quotas."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caching.keys import Key
from caching.tiers.local import Entry, LocalTier
from tests.caching.tiers.entries import key_of, placed

SMALL_ORGS = [f"org {number}" for number in range(50)]


def has(tier: LocalTier, key: Key) -> bool:
    return key.local in tier.entries or tier.folded.find(key.local) is not None


def put_folded(tier: LocalTier, number: int, org: str, region: str = "orders") -> Key:
    return put_entry(tier, placed(tier, key_of(number, region, org), b"x" * 100), may_fold=True)


def put_large(tier: LocalTier, number: int, org: str, region: str = "orders") -> Key:
    return put_entry(tier, placed(tier, key_of(number, region, org), b"x" * 300))


def put_list(tier: LocalTier, number: int, org: str, region: str = "orders") -> Key:
    entry = placed(tier, key_of(number, region, org), b"x" * 400)
    entry.parts = tuple(Entry(b"x" * 100) for _ in range(2))
    return put_entry(tier, entry, may_fold=True)


def put_any(tier: LocalTier, number: int, org: str, region: str = "orders") -> Key:
    return (put_folded, put_large, put_list)[number % 3](tier, number, org, region)


def put_entry(tier: LocalTier, entry: Entry, *, may_fold: bool = False) -> Key:
    tier.put(entry, may_fold=may_fold)
    region, alias, org, *parts = entry.key
    return Key(region, org, parts, alias)


KINDS = pytest.mark.parametrize("put_one", [put_folded, put_large, put_list, put_any])


def interleaved(tier: LocalTier, put_one: Callable[..., Key], region: str = "orders") -> list[Key]:
    """Let one fill 4,000 keys and fifty others four each meanwhile; return the keys of the fifty."""
    keys = []
    for number in range(4000):
        put_one(tier, number, "huge", region)
        if number % 20 == 0:
            keys.append(put_one(tier, number // 1000, SMALL_ORGS[number // 20 % 50]))
    return keys
