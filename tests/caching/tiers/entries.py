"""Entries for tests of local memory, and what must always hold of its books."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from caching.keys import Key
from caching.stamps import slots_of
from caching.tiers.folded import FOLDED_BYTES, org_number, org_number_of
from caching.tiers.local import UNDECODED, Entry, LocalTier
from caching.tiers.packed import _BUCKET_BYTES, PackedRecords
from caching.tiers.quotas import FOLDED, LARGE, SMALL, Quotas
from caching.tiers.sieve import Sieve

TTL = 60.0

# Of each kind, entries and bytes.
Counts = list[list[int]]


def key_of(number: int, region: str = "orders", org: str = "osteria") -> Key:
    return Key(region, org, (number,))


def placed(tier: LocalTier, key: Key, body: bytes = b"{}", value: Any = UNDECODED) -> Entry:
    entry = Entry(body, value)
    entry.may_be_kept = True
    slots = slots_of(key)
    entry.place(key.local, slots, tier.stamps.note(slots), tier.clock.now() + TTL)
    return entry


def put(
    tier: LocalTier,
    number: int,
    body: bytes = b"{}",
    value: Any = UNDECODED,
    *,
    region: str = "orders",
    org: str = "osteria",
    may_fold: bool = False,
) -> Entry:
    entry = placed(tier, key_of(number, region, org), body, value)
    tier.put(entry, may_fold=may_fold)
    return entry


def held(tier: LocalTier) -> list[int]:
    """Return the numbers of the entries that are expanded."""
    return sorted(key[-1] for key in tier.entries)


def queue(tier: LocalTier) -> Iterator[Entry]:
    """Yield the entries that may not be folded, the oldest first."""
    return iter(tier._large)


def records(table: PackedRecords) -> Iterator[bytes]:
    for bucket in table._buckets:
        at = 0
        while at < len(bucket):
            length = bucket[at + 16] | bucket[at + 17] << 8
            yield bucket[at : at + length]
            at += length


def check_sieve(sieve: Sieve) -> None:
    entries = list(sieve)
    assert all(entry.newer is None or entry.newer.older is entry for entry in entries)
    assert sieve.count == len(entries)
    assert sieve.bytes == sum(entry.size for entry in entries)
    assert sieve._newest is (entries or [None])[-1]
    assert sieve._hand is None or sieve._hand in entries


def check_table(table: PackedRecords) -> None:
    found = list(records(table))
    assert table.count == len(found) == len({record[:16] for record in found})
    assert table.bytes == sum(map(len, found))
    assert all(table.get(record[:16]) == record for record in found)
    # Neither one long bucket nor many empty ones.
    assert table.bytes <= len(table._buckets) * _BUCKET_BYTES
    assert 2 * table.bytes >= (len(table._buckets) - 1) * _BUCKET_BYTES


def check_invariants(tier: LocalTier) -> None:
    """Books, queues and records agree with the entries that are there."""
    entries = list(tier.entries.values())
    assert Counter(map(id, [*tier._small, *tier._large])) == Counter(map(id, entries))
    assert all(entry.may_fold for entry in tier._small)
    assert not any(entry.may_fold for entry in tier._large)
    check_sieve(tier._small)
    check_sieve(tier._large)
    check_table(tier.folded)
    # A key is in one place.
    assert all(tier.folded.find(key) is None for key in tier.entries)
    bytes_of, entries_of = Counter[str](), Counter[str]()
    for entry in entries:
        bytes_of[entry.key[0]] += entry.size
        entries_of[entry.key[0]] += 1
    for record in records(tier.folded):
        bytes_of[tier.folded.region_of(record)] += len(record) + FOLDED_BYTES
        entries_of[tier.folded.region_of(record)] += 1
    assert tier.bytes == bytes_of.total()
    # Counters compare equal when one lacks what the other has zero of.
    assert tier.bytes_of == bytes_of
    assert tier.entries_of == entries_of
    assert all(tier.entries[entry.key] is entry for entry in entries)
    if tier._quotas is not None:
        check_quotas(tier, tier._quotas)


def check_quotas(tier: LocalTier, quotas: Quotas) -> None:
    """Regions and organisations with a count of their own have it right, and the shared counters add up."""
    regions, orgs = defaultdict[str, Counts](counts), defaultdict[int, Counts](counts)
    for entry in tier.entries.values():
        kind = SMALL if entry.may_fold else LARGE
        for each in (regions[entry.key[0]], orgs[org_number(entry.key[2])]):
            each[kind][0] += 1
            each[kind][1] += entry.size
    for record in records(tier.folded):
        of_orgs = [orgs[org_number_of(record)]] if quotas.of_orgs else []
        for each in (regions[tier.folded.region_of(record)], *of_orgs):
            each[FOLDED][0] += 1
            each[FOLDED][1] += len(record) + FOLDED_BYTES
    holders = [(holder, regions[name]) for name, holder in quotas._regions.items()]
    holders += [(holder, orgs[number]) for number, holder in quotas._orgs.items()]
    for holder, recounted in holders:
        assert [list(each) for each in zip(holder.entries_by_kind, holder.bytes_by_kind, strict=True)] == recounted
        assert (holder.entries, holder.bytes) == (sum(holder.entries_by_kind), sum(holder.bytes_by_kind))
    if quotas.of_orgs:
        shared = Counter[int](), Counter[int]()
        for number, each in orgs.items():
            for which, counter in enumerate(shared):
                counter[number % len(quotas._counted_bytes)] += sum(kind[which] for kind in each)
        assert +shared[0] == {index: count for index, count in enumerate(quotas._counted_entries) if count}
        assert +shared[1] == {index: count for index, count in enumerate(quotas._counted_bytes) if count}


def counts() -> Counts:
    return [[0, 0], [0, 0], [0, 0]]
