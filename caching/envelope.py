"""What stands around a value in Redis, so that a wrong, old or damaged one is a miss and never an answer."""

from __future__ import annotations

import struct
from typing import Final, Protocol
from zlib import crc32

import msgspec

from caching.compression import Undecodable, compressed, decompressed

__all__ = ["CODED", "EPOCHS_SLICE", "FORMAT", "Cipher", "Envelope", "Rejected", "pack", "unpack"]

FORMAT = 2

#: The format of values whose body is not the JSON itself: the flags say what it is, and the checksum covers them.
CODED: Final = 3
_COMPRESSED: Final = 1
_ENCRYPTED: Final = 2
_FLAGS: Final = frozenset({_COMPRESSED, _ENCRYPTED, _COMPRESSED | _ENCRYPTED})

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
    """The bytes are no value of that key, schema and epoch; `reason` is one word for the statistics.

    `alarming` when it looks as if somebody had a hand in it: everything else was right, but the value is not encrypted,
    or not with a key of ours for this place.
    """

    def __init__(self, reason: str, *, alarming: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.alarming = alarming


class Cipher(Protocol):
    """Encrypts the bodies of one region; `head` is authenticated with them."""

    def encrypt(self, body: bytes, head: bytes) -> bytes | None:
        """Return what stands in Redis for the body, or None when there is no key: nothing may be stored then."""

    def decrypt(self, sealed: bytes, head: bytes) -> bytes:
        """Return the body; raises `Rejected` when it was not encrypted with one of the keys, and with this head."""


def pack(envelope: Envelope, compress_above: float | None = None, cipher: Cipher | None = None) -> bytes | None:
    """Return the bytes stored in Redis; None when the cipher has no key, and nothing may be stored.

    A body of more than `compress_above` bytes is compressed if that pays (None: none is), and then encrypted.
    """
    key, version = envelope.key.encode(), envelope.version
    if type(version) is not int or version not in _VERSIONS:
        version = _UNVERSIONED
    body, flags = envelope.body, 0
    if compress_above is not None and len(body) > compress_above:
        smaller = compressed(body)
        if smaller is not None:
            body, flags = smaller, _COMPRESSED
    if cipher is not None:
        flags |= _ENCRYPTED
    head = _HEAD.pack(
        CODED if flags else FORMAT, flags, 0, envelope.schema, envelope.epochs,
        envelope.created, envelope.soft, envelope.hard, envelope.cost, version, len(key),
    )  # fmt: skip
    first, named = head[:2], head[_CHECKED_FROM:] + key
    if cipher is not None:
        sealed = cipher.encrypt(body, first + named)
        if sealed is None:
            return None
        body = sealed
    rest = named + body
    return b"".join((first, struct.pack("<I", crc32(rest, _seed(first))), rest))


def _seed(first: bytes) -> int:
    # Or one flipped bit would make a compressed body a plain one.
    return crc32(first) if first[0] == CODED else 0


def unpack(raw: bytes, key: str, schema: bytes, epochs: bytes, cipher: Cipher | None = None) -> Envelope:
    """Return the envelope in `raw`, which must be encrypted if there is a `cipher`, and must not be without one.

    Raises `Rejected` for another format, damage, another key, another schema or another epoch.
    """
    if len(raw) < _HEAD_SIZE:
        raise Rejected("truncated")
    form, flags, checksum, its_schema, its_epochs, created, soft, hard, cost, version, length = _HEAD.unpack_from(raw)
    seed = 0
    if form != FORMAT or flags:
        if form != CODED or flags not in _FLAGS:
            raise Rejected("format")
        seed = _seed(raw[:2])
    if crc32(memoryview(raw)[_CHECKED_FROM:], seed) != checksum:
        raise Rejected("damaged")
    end = _HEAD_SIZE + length
    if raw[_HEAD_SIZE:end] != key.encode():
        raise Rejected("key")
    if its_schema != schema:
        raise Rejected("schema")
    if its_epochs != epochs:
        raise Rejected("epoch")
    body = raw[end:]
    if flags or cipher is not None:
        body = _decoded(body, flags, cipher, raw[:2] + raw[_CHECKED_FROM:end])
    known = version if version != _UNVERSIONED else None
    return Envelope(key, its_schema, its_epochs, created, soft, hard, cost, known, body)


def _decoded(body: bytes, flags: int, cipher: Cipher | None, head: bytes) -> bytes:
    # Never what is told by the flags alone: whoever can write to Redis can write them.
    if cipher is not None:
        if not flags & _ENCRYPTED:
            raise Rejected("plain", alarming=True)
        body = cipher.decrypt(body, head)
    elif flags & _ENCRYPTED:
        raise Rejected("encrypted")
    if flags & _COMPRESSED:
        try:
            return decompressed(body)
        except Undecodable:
            raise Rejected("compressed") from None
    return body
