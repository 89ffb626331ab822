"""The envelope: what was packed comes out, and nothing else ever does."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from caching.envelope import EPOCHS_SLICE, FORMAT, Envelope, Rejected, pack, unpack

SCHEMA, EPOCHS, KEY = b"schema-8", b"sixteen epochs..", "{osteria}:orders:i5"
SAMPLE = Envelope(KEY, SCHEMA, EPOCHS, 1_000_000.25, 1_000_060.5, 1_000_120.75, 0.0625, 7, b'{"number":5}')
PACKED = pack(SAMPLE)

_seconds = st.floats(allow_nan=False, allow_infinity=False)
envelopes = st.builds(
    Envelope,
    key=st.text(max_size=40),
    schema=st.binary(min_size=8, max_size=8),
    epochs=st.binary(min_size=16, max_size=16),
    created=_seconds,
    soft=_seconds,
    hard=_seconds,
    cost=st.floats(allow_nan=False, allow_infinity=False, width=32),
    version=st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
    body=st.binary(max_size=200),
)


def opened(raw: bytes, **other: Any) -> Envelope:
    return unpack(raw, **{"key": KEY, "schema": SCHEMA, "epochs": EPOCHS, **other})


def reason(raw: bytes, **other: Any) -> str:
    with pytest.raises(Rejected) as raised:
        opened(raw, **other)
    assert str(raised.value) == raised.value.reason
    return raised.value.reason


@given(envelope=envelopes)
def test_what_was_packed_comes_out(envelope: Envelope) -> None:
    assert opened(pack(envelope), key=envelope.key, schema=envelope.schema, epochs=envelope.epochs) == envelope


@pytest.mark.parametrize("version", [2**63, -(2**63), 10**40, "7", 7.0, True, b"", [7]])
def test_a_version_that_is_no_integer_of_64_bits_is_told_by_the_body_alone(version: Any) -> None:
    assert opened(pack(replace(SAMPLE, version=version))).version is None


@given(envelope=envelopes, data=st.data())
def test_one_damaged_bit_anywhere_is_rejected(envelope: Envelope, data: st.DataObject) -> None:
    raw = bytearray(pack(envelope))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8

    expected = "format" if bit // 8 < 2 else "damaged"
    assert reason(bytes(raw), key=envelope.key, schema=envelope.schema, epochs=envelope.epochs) == expected


def test_every_single_bit_of_a_value_counts() -> None:
    for bit in range(len(PACKED) * 8):
        raw = bytearray(PACKED)
        raw[bit // 8] ^= 1 << bit % 8
        assert reason(bytes(raw)) == ("format" if bit // 8 < 2 else "damaged"), f"bit {bit}"


def test_a_value_cut_off_anywhere_is_rejected() -> None:
    reasons = [reason(PACKED[:length]) for length in range(len(PACKED))]

    assert reasons == sorted(reasons, reverse=True)
    assert set(reasons) == {"truncated", "damaged"}
    assert reasons[-1] == "damaged"


def test_a_value_with_something_behind_it_is_rejected() -> None:
    assert reason(PACKED + b"}") == "damaged"


@pytest.mark.parametrize("raw", [b"", b"null", b"\x80\x04pickled", bytes(1000)])
def test_what_others_may_have_stored_is_rejected(raw: bytes) -> None:
    assert reason(raw) in {"truncated", "format"}


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"key": "{osteria}:orders:i6"}, "key"),
        ({"key": KEY + "5"}, "key"),
        ({"key": KEY[:-1]}, "key"),
        ({"schema": b"schema-9"}, "schema"),
        ({"epochs": b"sixteen Epochs.."}, "epoch"),
    ],
)
def test_a_value_of_another_key_schema_or_epoch_is_rejected_with_its_reason(
    other: dict[str, Any], expected: str
) -> None:
    assert reason(PACKED, **other) == expected


def test_a_value_of_another_format_is_rejected_before_anything_else_is_read() -> None:
    assert reason(bytes([FORMAT + 1]) + PACKED[1:]) == "format"
    assert reason(PACKED[:1] + b"\x01" + PACKED[2:]) == "format"


@given(envelope=envelopes)
def test_the_epochs_stand_where_the_lease_script_looks_for_them(envelope: Envelope) -> None:
    first, last = EPOCHS_SLICE

    assert pack(envelope)[first : last + 1] == envelope.epochs


def test_the_cost_keeps_seven_digits() -> None:
    cost = opened(pack(replace(SAMPLE, cost=0.1234567))).cost

    assert math.isclose(cost, 0.1234567, rel_tol=1e-7)
