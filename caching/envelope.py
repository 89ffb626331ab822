"""What stands around a value in Redis, so that a wrong, old or damaged one is a miss and never an answer."""

from __future__ import annotations

import struct
from zlib import crc32

import msgspec

__all__ = ["EPOCHS_SLICE", "FORMAT", "Envelope", "Rejected", "pack", "unpack"]

FORMAT = 2

# Stands for no version, or for one that 64 bits do not hold.
_UNVERSIONED = -(2**63)
_VERSIONS = range(_UNVERSIONED + 1, 2**63)

# format, flags, CRC-32 of all that follows, schema (8), epochs (16), created, soft and hard expiry (seconds since
# 1970), cost of the load (seconds), version of the row, length of the key
_HEAD = struct.Struct("<BBI8s16sdddfqH")
_HEAD_SIZE = _HEAD.size
_CHECKED_FROM = 6

#: Where the epochs stand (first and last byte, for GETRANGE): the lease script tells a live value by them.
EPOCHS_SLICE = (_CHECKED_FROM + 8, _CHECKED_FROM + 8 + 15)


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A value with what is known about it; times in seconds since 1970, `cost` in seconds.

    `version` is the snapshot's own, so that nobody need decode the body for it; None when only the body tells it: it
    has none, or none that is a plain integer of 64 bits.
    """

    key: str
    schema: bytes
    epochs: bytes
    created: float
    soft: float
    hard: float
    cost: float
    version: int | None
    body: bytes


class Rejected(Exception):
    """The bytes are no value of that key, schema and epoch; `reason` is one word for the statistics."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def pack(envelope: Envelope) -> bytes:
    """Return the bytes stored in Redis."""
    key, version = envelope.key.encode(), envelope.version
    if type(version) is not int or version not in _VERSIONS:
        version = _UNVERSIONED
    head = _HEAD.pack(
        FORMAT, 0, 0, envelope.schema, envelope.epochs,
        envelope.created, envelope.soft, envelope.hard, envelope.cost, version, len(key),
    )  # fmt: skip
    rest = b"".join((head[_CHECKED_FROM:], key, envelope.body))
    return b"".join((head[:2], struct.pack("<I", crc32(rest)), rest))


def unpack(raw: bytes, key: str, schema: bytes, epochs: bytes) -> Envelope:
    """Return the envelope in `raw`.

    Raises `Rejected` for another format, damage, another key, another schema or another epoch.
    """
    if len(raw) < _HEAD_SIZE:
        raise Rejected("truncated")
    form, flags, checksum, its_schema, its_epochs, created, soft, hard, cost, version, length = _HEAD.unpack_from(raw)
    if form != FORMAT or flags:
        raise Rejected("format")
    if crc32(memoryview(raw)[_CHECKED_FROM:]) != checksum:
        raise Rejected("damaged")
    end = _HEAD_SIZE + length
    if raw[_HEAD_SIZE:end] != key.encode():
        raise Rejected("key")
    if its_schema != schema:
        raise Rejected("schema")
    if its_epochs != epochs:
        raise Rejected("epoch")
    known = version if version != _UNVERSIONED else None
    return Envelope(key, its_schema, its_epochs, created, soft, hard, cost, known, raw[end:])
