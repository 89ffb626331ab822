"""A table for very many small records: no object per record, no lock for readers, no pause while it grows."""

from __future__ import annotations

import marshal
import secrets
from collections.abc import Iterator
from datetime import date
from hashlib import blake2b
from struct import Struct
from typing import Any, Final
from uuid import UUID

__all__ = ["PackedRecords"]

# A record begins with its digest, whose first bytes choose the bucket, and its own length in two bytes, little-endian.
_DIGEST_BYTES: Final = 16
_PLACE: Final = Struct("<I12xH")

# What a bucket holds on average before the table gets one more. Smaller ones waste memory on headers of their own (41
# bytes and a slot in a list), larger ones time: a write copies one. It shrinks at half of that, not to flutter.
_BUCKET_BYTES: Final = 1280

# The marshal format whose bytes depend on the values alone, not on how often an object occurs or who else has it.
_BY_VALUE: Final = 2


class PackedRecords:
    """Records by the digests of their keys, in buckets that are split and merged one at a time.

    That is linear hashing (Litwin 1980). A bucket is one `bytes` object, its records one behind the other, the oldest
    first. Writers hold a lock of their own and put a new bucket in the place of an old one. Readers (`find`, `get`)
    take no lock: a bucket never changes, so they get a whole record or, while it moves to another bucket, none.

    A record is found by searching the bucket for its digest: 128 bits, keyed with random bytes of this table's own. Who
    sends requests can neither fill one bucket nor make two keys, or a key and a value, alike; by chance, a digest
    belongs to two keys, or turns up inside of another record, once in 2**128 tries.

    `count` is how many records there are, `bytes` the length of all.
    """

    __slots__ = ("_buckets", "_hand", "_keyed", "_mask", "bytes", "count")

    def __init__(self) -> None:
        self._buckets = [b""]
        # As many bits of a digest as tell the buckets apart: beyond the last bucket one less.
        self._mask = 0
        self._hand = 0
        self._keyed = blake2b(secrets.token_bytes(32), digest_size=_DIGEST_BYTES)
        self.count = 0
        self.bytes = 0

    def digest(self, key: tuple[Any, ...]) -> bytes | None:
        """Return the digest of a key, the same for equal keys of the same types; None for unusual types."""
        try:
            # Exact types only, each with its tag and its length: different keys have different bytes.
            plain = marshal.dumps(key, _BY_VALUE)
        except ValueError:
            tagged = _tagged(key)
            if tagged is None:
                return None
            plain = marshal.dumps(tagged, _BY_VALUE)
        state = self._keyed.copy()
        state.update(plain)
        return state.digest()

    def find(self, key: tuple[Any, ...]) -> bytes | None:
        """Return the record of a key."""
        digest = self.digest(key)
        return self.get(digest) if digest is not None else None

    def get(self, digest: bytes) -> bytes | None:
        """Return the record with that digest."""
        buckets = self._buckets
        index = (digest[0] | digest[1] << 8 | digest[2] << 16) & self._mask
        if index >= len(buckets):
            index &= self._mask >> 1
        try:
            bucket = buckets[index]
        except IndexError:
            # Merged with another at this moment.
            return None
        at = bucket.find(digest)
        return bucket[at : at + (bucket[at + 16] | bucket[at + 17] << 8)] if at >= 0 else None

    def put(self, record: bytes) -> bytes | None:
        """Add a record; returns the one with the same digest whose place it takes."""
        index = self._index(record)
        bucket = self._buckets[index]
        at = bucket.find(record[:_DIGEST_BYTES])
        previous = None
        if at >= 0:
            previous = bucket[at : at + (bucket[at + 16] | bucket[at + 17] << 8)]
            bucket = bucket[:at] + bucket[at + len(previous) :]
            self.count -= 1
            self.bytes -= len(previous)
        self._buckets[index] = bucket + record
        self.count += 1
        self.bytes += len(record)
        if self.bytes > len(self._buckets) * _BUCKET_BYTES:
            self._split()
        elif 2 * self.bytes < (len(self._buckets) - 1) * _BUCKET_BYTES:
            # It was longer.
            self._merge()
        return previous

    def remove(self, record: bytes) -> bool:
        """Remove exactly this record; returns whether it was there."""
        index = self._index(record)
        at = self._buckets[index].find(record)
        if at < 0:
            return False
        self._cut(index, at, len(record))
        return True

    def pop(self) -> bytes | None:
        """Remove a record and return it: the oldest of each bucket in turn, so that old ones go first by and large."""
        if not self.count:
            return None
        while True:
            self._hand += 1
            if self._hand >= len(self._buckets):
                self._hand = 0
            bucket = self._buckets[self._hand]
            if bucket:
                _, length = _PLACE.unpack_from(bucket)
                self._cut(self._hand, 0, length)
                return bucket[:length]

    def marked(self, place: int, mark: bytes) -> Iterator[bytes]:
        """Yield the records that have this mark at that place; there must be no writer meanwhile."""
        for bucket in self._buckets:
            # Few have it anywhere.
            if mark in bucket:
                at = 0
                while at < len(bucket):
                    length = bucket[at + 16] | bucket[at + 17] << 8
                    if bucket.startswith(mark, at + place):
                        yield bucket[at : at + length]
                    at += length

    def pop_marked(
        self, place: int, marks: tuple[bytes, ...], hand: int, spared: bytes | None = None
    ) -> tuple[bytes | None, int]:
        """Remove and return a record with one of these marks at that place, and its bucket: the next behind `hand`.

        None, when there is none but the one spared.
        """
        size = len(self._buckets)
        for step in range(1, size + 1):
            index = (hand + step) % size
            bucket = self._buckets[index]
            at = 0
            while at < len(bucket):
                length = bucket[at + 16] | bucket[at + 17] << 8
                if bucket.startswith(marks, at + place):
                    record = bucket[at : at + length]
                    if record != spared:
                        self._cut(index, at, length)
                        return record, index
                at += length
        return None, hand

    def _index(self, digest: bytes) -> int:
        index = (digest[0] | digest[1] << 8 | digest[2] << 16) & self._mask
        return index if index < len(self._buckets) else index & self._mask >> 1

    def _cut(self, index: int, at: int, length: int) -> None:
        bucket = self._buckets[index]
        self._buckets[index] = bucket[:at] + bucket[at + length :]
        self.count -= 1
        self.bytes -= length
        if 2 * self.bytes < (len(self._buckets) - 1) * _BUCKET_BYTES:
            self._merge()

    def _split(self) -> None:
        size = len(self._buckets)
        if size > self._mask:
            self._mask = 2 * self._mask + 1
        bit = self._mask + 1 >> 1
        bucket = self._buckets[size - bit]
        staying: list[bytes] = []
        moving: list[bytes] = []
        at = 0
        while at < len(bucket):
            number, length = _PLACE.unpack_from(bucket, at)
            (moving if number & bit else staying).append(bucket[at : at + length])
            at += length
        # In this order: who looks meanwhile finds what moves in the old place or in the new one.
        self._buckets.append(b"".join(moving))
        self._buckets[size - bit] = b"".join(staying)

    def _merge(self) -> None:
        last = len(self._buckets) - 1
        bit = self._mask + 1 >> 1
        self._buckets[last - bit] += self._buckets[last]
        self._buckets.pop()
        if last == bit:
            self._mask >>= 1


def _tagged(key: tuple[Any, ...]) -> list[str | int | tuple[str, int] | None] | None:
    # A list, for no key is one.
    parts = [_plain(part) for part in key]
    return None if None in parts else parts


def _plain(part: Any) -> str | int | tuple[str, int] | None:
    kind = type(part)
    if kind is str or kind is int:
        return part  # type: ignore[no-any-return]
    if kind is UUID:
        return "uuid", part.int
    # Subclasses may call themselves equal to anything.
    return ("date", part.toordinal()) if kind is date else None
