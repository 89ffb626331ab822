"""What a write makes stale whose row cannot be found any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from caching import On, Region
from caching.around.changes import Change, lost, stale
from caching.around.tables import followed_tables
from caching.keys import Key, Scope
from caching.marks import Clear
from caching.registry import registry
from tests.shop.cached import Texts
from tests.shop.models import Guest, HeadWaiter, Room, Seat, Shop, Waiter

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def _stale(table: str, *change: Any) -> set[Any]:
    return stale(followed_tables("default")[table], Change(*change), "default")


@pytest.fixture
def seat() -> Seat:
    shop = Shop.objects.create(slug="corner", name="old")
    room = Room.objects.create(shop=shop, name="garden")
    return Seat.objects.create(shop=shop, number=7, room=room, waiter=None, second=None)


def test_a_deleted_row_has_the_key_that_its_parent_knows(seat: Seat) -> None:
    assert _stale("shop_guest", {"id": 1, "seat_id": str(seat.pk)}, None) == {
        Key("guests", "corner", [seat.room_id], "default")
    }


def test_a_row_deleted_with_its_parent_clears_the_region() -> None:
    assert _stale("shop_guest", {"id": 1, "seat_id": str(uuid4())}, None) == {Clear("guests", None)}


def test_a_row_that_turns_to_another_parent_leaves_the_key_of_the_first(seat: Seat) -> None:
    hall = Room.objects.create(shop=seat.shop, name="hall")
    other = Seat.objects.create(shop=seat.shop, number=8, room=hall, waiter=None, second=None)
    guest = Guest.objects.create(seat=other, name="ann")
    moved = ({"id": guest.pk, "seat_id": str(seat.pk)}, {"id": guest.pk, "seat_id": str(other.pk)})
    assert _stale("shop_guest", *moved, frozenset({"seat_id"})) == {
        Key("guests", "corner", [seat.room_id], "default"),
        Key("guests", "corner", [other.room_id], "default"),
    }


def test_a_row_that_hung_on_nothing_makes_nothing_stale(seat: Seat) -> None:
    old = {"id": str(uuid4()), "shop_id": "corner", "room_id": None, "waiter_id": None}
    items = _stale("shop_seat", old, None)
    assert not [item for item in items if item.region in ("guests", "section")]
    assert Scope("tagged", "corner") in items, "which tags it had is not known any more"


@pytest.mark.parametrize("old", [{}, {"id": 1}, {"id": 1, "seat_id": "no UUID"}, {"id": 1, "seat_id": []}])
def test_columns_of_another_release_clear_the_region(old: dict[str, Any]) -> None:
    assert _stale("shop_guest", old, None) == {Clear("guests", None)}


def test_lost_rows_clear_each_region_that_depends_on_their_table() -> None:
    tables = followed_tables("default")
    assert lost([tables["shop_label"]]) == {Clear("labels", None)}
    assert lost([tables["shop_review"]]) == {Clear("dish", None), Clear("menu", None)}


def test_a_row_of_another_primary_key_leaves_all_that_the_first_was_related_to() -> None:
    assert _stale("shop_tag", {"id": 1}, {"id": 2}, frozenset({"id"})) == {Clear("seat", None), Clear("plan", None)}


def _load(org: str, *parts: Any, using: str) -> Texts | None:
    raise AssertionError


@contextmanager
def _declared(name: str, on: On) -> Iterator[None]:
    region = Region(name, Texts, load=_load, local_ttl=1, redis_ttl=1, fresh_on=[on])
    try:
        yield
    finally:
        registry.remove(region)


def test_a_row_without_a_parent_had_no_key_made_of_it() -> None:
    with _declared("places", On(Seat, org="shop_id", parts=("room__name",))):
        items = _stale("shop_seat", {"id": str(uuid4()), "shop_id": "corner", "room_id": None, "waiter_id": None}, None)
        assert not [item for item in items if item.region == "places"]


def test_a_model_in_two_tables_clears_its_regions_and_not_those_of_its_parent() -> None:
    with (
        _declared("heads", On(HeadWaiter, org="pk", parts=("bonus",))),
        _declared("waiters", On(Waiter, org="pk", parts=())),
    ):
        tables = followed_tables("default")
        assert lost([tables["shop_headwaiter"]]) == {Clear("heads", None)}
        assert lost([tables["shop_waiter"]]) == {Clear("heads", None), Clear("waiters", None)}
        assert _stale("shop_waiter", {"name": "ann"}, None) == {
            Clear("heads", None),
            Key("waiters", "ann", [], "default"),
        }


def test_only_keys_of_rows_are_told() -> None:
    table = followed_tables("default")["shop_dish"]
    assert table.told == ("id", "shop_id")
    assert table.watched == ("id", "kind", "shop_id")
