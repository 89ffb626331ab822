"""Immutable copies of rows: shared between callers without copying, stored as the API's own JSON."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

__all__ = ["Snapshot", "decoder_for", "encode", "schema_fingerprint"]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what cached reads return: frozen, typed, with tuples where rows had lists.

    Money is a `Decimal` quantized before it gets here, times are in UTC, so the JSON needs no second look.
    """


_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


def encode(value: Snapshot | None) -> bytes:
    """Return the JSON the API sends; `null` for a row that does not exist."""
    return _encoder.encode(value)


def decoder_for(kind: type[Snapshot]) -> msgspec.json.Decoder[Any]:
    """Return a strict decoder of `kind` or null."""
    return msgspec.json.Decoder(kind | None)


def schema_fingerprint(kind: type[Snapshot]) -> bytes:
    """Return 8 bytes that change when fields or types of `kind` change, so releases never misread each other."""
    schema = msgspec.json.encode(msgspec.json.schema(kind), order="deterministic")
    return blake2b(schema, digest_size=8).digest()
