"""Snapshots: frozen, and their JSON is the API's."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from caching.snapshots import Snapshot, decoder_for, encode, schema_fingerprint


class Line(Snapshot, frozen=True):
    name: str
    price: Decimal


class Ticket(Snapshot, frozen=True):
    id: UUID
    number: int
    total: Decimal
    placed_at: datetime
    placed_on: date
    is_paid: bool
    lines: tuple[Line, ...]
    note: str | None = None


TICKET = Ticket(
    id=UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
    number=7,
    total=Decimal("10.50"),
    placed_at=datetime(2026, 3, 1, 18, 30, tzinfo=UTC),
    placed_on=date(2026, 3, 1),
    is_paid=False,
    lines=(Line(name="Café", price=Decimal("3.00")), Line(name="Torte", price=Decimal("7.50"))),
)


def test_the_json_is_what_the_api_sends() -> None:
    assert json.loads(encode(TICKET)) == {
        "id": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
        "number": 7,
        "total": "10.50",
        "placed_at": "2026-03-01T18:30:00Z",
        "placed_on": "2026-03-01",
        "is_paid": False,
        "lines": [{"name": "Café", "price": "3.00"}, {"name": "Torte", "price": "7.50"}],
        "note": None,
    }


def test_what_was_encoded_is_decoded_equal_and_with_every_digit() -> None:
    decoded = decoder_for(Ticket).decode(encode(TICKET))

    assert decoded == TICKET
    assert str(decoded.total) == "10.50"
    assert isinstance(decoded.lines, tuple)


def test_a_row_that_does_not_exist_is_null() -> None:
    assert encode(None) == b"null"
    assert decoder_for(Ticket).decode(b"null") is None


def test_decoding_is_strict_about_types() -> None:
    with pytest.raises(msgspec.ValidationError):
        decoder_for(Line).decode(b'{"name": 5, "price": "3.00"}')


def test_a_snapshot_cannot_be_changed_and_so_may_be_shared() -> None:
    with pytest.raises(AttributeError):
        TICKET.number = 8

    assert hash(TICKET) == hash(decoder_for(Ticket).decode(encode(TICKET)))


def _line(**fields: type) -> type[Snapshot]:
    return msgspec.defstruct("Line", list(fields.items()), bases=(Snapshot,), frozen=True, kw_only=True)


def test_the_fingerprint_is_that_of_the_fields_and_their_types() -> None:
    ours = schema_fingerprint(_line(name=str, price=Decimal))

    assert len(ours) == 8
    assert schema_fingerprint(_line(name=str, price=Decimal)) == ours == schema_fingerprint(Line)
    others = [
        _line(name=str),
        _line(name=str, price=str),
        _line(name=str, cost=Decimal),
        _line(name=str, price=Decimal, note=str),
    ]
    assert ours not in {schema_fingerprint(other) for other in others}


def test_the_fingerprint_changes_with_a_nested_snapshot() -> None:
    inner, other_inner = _line(name=str), _line(name=int)
    outer, other_outer = (
        msgspec.defstruct("Ticket", [("line", kind)], bases=(Snapshot,), frozen=True, kw_only=True)
        for kind in (inner, other_inner)
    )

    assert schema_fingerprint(outer) != schema_fingerprint(other_outer)
