"""What a key of a region is made of is told by what the region declares."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId
from django.db import connection

from caching.dashboard.parts import key_parts
from caching.dependencies import On
from caching.registry import registry
from tests.shop import cached
from tests.shop.models import Guest


@pytest.mark.parametrize(
    ("region", "parts"),
    [
        ("shop", ""),
        ("dish", "dish id (UUID)"),
        ("tally", "kind (text)"),
        ("tagged", "tag (whole number)"),
        ("order", "order id (UUID)"),
        ("orders_page", "page (whole number), page size (whole number)"),
        ("billing_summary", "day (date, as 2026-11-23)"),
        ("customer_balance", "customer phone (text)"),
    ],
)
def test_parts_are_named_as_the_loader_or_the_fields_are(region: str, parts: str) -> None:
    assert key_parts(registry.get(region)) == parts


def test_where_the_declaration_does_not_tell_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached.dish, "fresh_on", ())

    assert key_parts(cached.dish) is None


def test_fields_behind_relations_have_the_kind_of_what_they_point_to(monkeypatch: pytest.MonkeyPatch) -> None:
    on = On(Guest, org="seat__shop_id", parts=("seat__room_id", "seat__waiter", "seat__pk", "no_field"))
    monkeypatch.setattr(cached.dish, "fresh_on", (on,))

    # As all rows have it whose keys are the database's.
    counted = "ObjectId" if connection.vendor == "mongodb" else "whole number"
    assert key_parts(cached.dish) == f"seat room id ({counted}), seat waiter (text), seat id (UUID), no field"


def test_a_loader_says_that_it_wants_an_object_id(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(org: str, order: ObjectId, *, using: str) -> None: ...

    load.__annotations__["order"] = ObjectId
    monkeypatch.setattr(cached.tally, "_load", load)

    assert key_parts(cached.tally) == "order (ObjectId)"


def test_a_loader_whose_annotations_cannot_be_read_still_names_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(org: str, order_no: Any, *, using: str) -> None: ...

    load.__annotations__["order_no"] = "NotImported"
    monkeypatch.setattr(cached.tally, "_load", load)

    assert key_parts(cached.tally) == "order no"
