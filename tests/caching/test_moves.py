"""A row that moves to another parent makes stale where it was and where it is, by whatever way it moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from tests.elsewhere import elsewhere
from tests.shop.cached import guests, menu, tally
from tests.shop.everything import Everything
from tests.shop.models import Dish, Guest, Review, Room, Seat, Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def soup() -> Dish:
    """A soup of the corner shop with a review, and a guest in its hall; the rival's tart, and an empty bar."""
    for slug in ("corner", "rival"):
        Shop.objects.create(slug=slug, name=slug)
        room = Room.objects.create(shop_id=slug, name="room")
        Seat.objects.create(shop_id=slug, number=1, room=room, waiter=None)
    dish = Dish.objects.create(shop_id="corner", name="soup", kind="starter")
    Review.objects.create(dish=dish, stars=4)
    Dish.objects.create(shop_id="rival", name="tart", kind="main")
    Guest.objects.create(seat=Seat.objects.get(shop="corner"), name="gus")
    return dish


#: What moves: a row to another organisation and part, a child to another parent, a row whose parent knows its key.
MOVES: dict[type[Any], Callable[[], dict[str, Any]]] = {
    Dish: lambda: {"shop_id": "rival", "kind": "main"},
    Review: lambda: {"dish_id": Dish.objects.get(name="tart").pk},
    Guest: lambda: {"seat_id": Seat.objects.get(shop="rival").pk},
}


def _row(model: type[Any]) -> Any:
    return model.objects.get(name="soup") if model is Dish else model.objects.get()


def _changed(row: Any, values: dict[str, Any]) -> Any:
    for name, value in values.items():
        setattr(row, name, value)
    return row


def _save(model: type[Any], values: dict[str, Any]) -> None:
    _changed(_row(model), values).save()


def _save_some_fields(model: type[Any], values: dict[str, Any]) -> None:
    _changed(_row(model), values).save(update_fields=[*values])


def _save_by_hand(model: type[Any], values: dict[str, Any]) -> None:
    row = model.objects.values().get(pk=_row(model).pk)
    model(**{**row, **values}).save(force_update=True)


def _update(model: type[Any], values: dict[str, Any]) -> None:
    model.objects.filter(pk=_row(model).pk).update(**values)


def _bulk_update(model: type[Any], values: dict[str, Any]) -> None:
    model.objects.bulk_update([_changed(_row(model), values)], [name.removesuffix("_id") for name in values])


def _update_or_create(model: type[Any], values: dict[str, Any]) -> None:
    model.objects.update_or_create(pk=_row(model).pk, defaults=values)


def _there_and_back_and_there(model: type[Any], values: dict[str, Any]) -> None:
    before = {name: getattr(_row(model), name) for name in values}
    with transaction.atomic():
        for each in (values, before, values):
            _update(model, each)


WAYS = [
    _save,
    _save_some_fields,
    _save_by_hand,
    _update,
    _bulk_update,
    _update_or_create,
    _there_and_back_and_there,
]


@pytest.mark.parametrize("way", WAYS)
def test_old_and_new_parent_are_both_stale(tiers: str, way: Callable[[type[Any], dict[str, Any]], None]) -> None:
    everything = Everything()
    before = everything.answers()
    for model, values in MOVES.items():
        way(model, values())
        now = everything.assert_fresh()
        assert len([name for name in now if now[name] != before[name]]) > 1
        before = now


def test_the_new_parent_is_stale_for_others_at_the_commit_and_not_before(tiers: str) -> None:
    def counts() -> list[int]:
        return [listing.count for listing in (menu.get("corner"), menu.get("rival")) if listing]

    assert counts() == [1, 1]
    with transaction.atomic():
        _update(Dish, MOVES[Dish]())
        assert counts() == [0, 2]
        assert elsewhere(counts) == [1, 1]
    assert counts() == elsewhere(counts) == [0, 2]


def test_a_parent_that_goes_takes_its_children_and_their_childrens_keys(tiers: str) -> None:
    everything = Everything()
    everything.answers()
    hall = Room.objects.get(shop="corner").pk
    assert guests.get("corner", hall).texts == ("gus",)
    Shop.objects.get(pk="corner").delete()
    everything.assert_fresh()
    assert guests.get("corner", hall).texts == ()
    assert tally.get("corner", "starter") is None
