"""Entries for tests of local memory, and what must always hold of its books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from caching.keys import Key
from caching.stamps import slots_of
from caching.tiers.local import UNDECODED, Entry, LocalTier

TTL = 60.0


def key_of(number: int, region: str = "orders") -> Key:
    return Key(region, "osteria", (number,))


def placed(tier: LocalTier, key: Key, body: bytes = b"{}", value: Any = UNDECODED) -> Entry:
    entry = Entry(body, value)
    slots = slots_of(key)
    entry.place(key.local, slots, tier.stamps.note(slots), tier.clock.now() + TTL)
    return entry


def put(tier: LocalTier, number: int, body: bytes = b"{}", value: Any = UNDECODED, *, region: str = "orders") -> Entry:
    entry = placed(tier, key_of(number, region), body, value)
    tier.put(entry)
    return entry


def held(tier: LocalTier) -> list[int]:
    return sorted(key[-1] for key in tier.entries)


def queue(tier: LocalTier) -> Iterator[Entry]:
    entry = tier._oldest
    while entry is not None:
        assert entry.newer is None or entry.newer.older is entry
        yield entry
        entry = entry.newer


def check_invariants(tier: LocalTier) -> None:
    """Books and queue agree with the entries that are there."""
    entries = list(tier.entries.values())
    assert Counter(map(id, queue(tier))) == Counter(map(id, entries))
    assert tier._newest is (list(queue(tier)) or [None])[-1]
    assert tier._hand is None or tier._hand in entries
    assert tier.bytes == sum(entry.size for entry in entries)
    bytes_of, entries_of = Counter[str](), Counter[str]()
    for entry in entries:
        bytes_of[entry.key[0]] += entry.size
        entries_of[entry.key[0]] += 1
    # Counters compare equal when one lacks what the other has zero of.
    assert tier.bytes_of == bytes_of
    assert tier.entries_of == entries_of
    assert all(tier.entries[entry.key] is entry for entry in entries)
