"""Where a declared path leads, however it is spelt, and through which tables."""

from __future__ import annotations

import pytest
from django.core.exceptions import FieldError
from django.db.models import Model

from caching.paths import column_of, crossings
from tests.shop.models import Guest, HeadWaiter, Review, Seat, SpecialDish, Tag


@pytest.mark.parametrize("spelt", ["dish", "dish_id", "dish__pk", "dish__id"])
def test_a_foreign_key_is_one_column_however_it_is_spelt(spelt: str) -> None:
    assert column_of(Review, spelt) == ((), Review._meta.get_field("dish"))
    assert list(crossings(Review, spelt)) == []


@pytest.mark.parametrize(
    ("model", "path", "tables"),
    [
        (Review, "stars", []),
        (Review, "pk", []),
        (Review, "dish__shop__slug", ["Dish.shop_id"]),
        (Guest, "seat__room__name", ["Seat.room_id", "Room.name"]),
        (Tag, "seat__pk", ["Seat_tags.seat_id"]),
        (Tag, "seat__shop_id", ["Seat_tags.seat_id", "Seat.shop_id"]),
        (Seat, "neighbours__number", ["Seat_neighbours.to_seat_id", "Seat.number"]),
        (Seat, "guest__pk", ["Guest.id"]),
        (HeadWaiter, "pk", []),
        (Seat, "waiter__headwaiter__bonus", ["HeadWaiter.bonus"]),
        (SpecialDish, "shop__name", ["Shop.name"]),
    ],
)
def test_a_path_crosses_the_tables_that_it_is_read_from(model: type[Model], path: str, tables: list[str]) -> None:
    assert [f"{each.model.__name__}.{each.column}" for each in crossings(model, path)] == tables


def test_the_rest_of_a_path_is_the_path_from_there() -> None:
    seat, room = crossings(Guest, "seat__room__name")
    assert seat.rest == column_of(Seat, "room__name")
    assert room.rest == column_of(room.model, "name")


def test_a_path_that_leads_nowhere_is_an_error() -> None:
    with pytest.raises(FieldError):
        column_of(Guest, "seat__colour")
