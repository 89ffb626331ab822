"""A declaration that cannot work, or would leave stale values, is told by `manage.py check`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching import On, Region
from caching.declaration_checks import check_declarations
from caching.registry import registry
from tests.shop.cached import DishCopy, shop
from tests.shop.models import Dish, Guest, HeadWaiter, Label, Review, Room, Seat, Shop, SpecialDish, Tag, Waiter

Declare = Callable[..., list[str]]


def _load(org: str, kind: str, *, using: str) -> DishCopy | None:
    raise AssertionError("checks load nothing")


def _load_many(names: Any, *, using: str) -> dict[Any, DishCopy]:
    raise AssertionError("checks load nothing")


@pytest.fixture
def declare() -> Iterator[Declare]:
    """Declare a region, and return the ids of what the checks say about it."""
    declared: list[Region[Any]] = []

    def _declare(*fresh_on: On, **options: Any) -> list[str]:
        options = {"load": _load, **options}
        declared.append(Region("checked", DishCopy, local_ttl=1, redis_ttl=1, fresh_on=fresh_on, **options))
        return [str(message.id) for message in check_declarations() if "'checked'" in message.msg]

    yield _declare
    for region in declared:
        registry.remove(region)


def test_a_good_declaration_passes(declare: Declare) -> None:
    assert declare(On(Dish, org="shop_id", parts=("kind",)), On(Shop, org="pk"), On(Dish, org="shop__slug")) == []


def test_a_loader_of_many_passes(declare: Declare) -> None:
    assert declare(On(Dish, org="shop_id", parts=("kind",)), load=None, load_many=_load_many) == []


def test_a_loader_with_any_keywords_passes(declare: Declare) -> None:
    def load(org: str, **options: Any) -> DishCopy | None:
        raise AssertionError

    assert declare(On(Shop, org="pk", parts=()), load=load) == []


def test_a_loader_that_takes_no_database_is_an_error(declare: Declare) -> None:
    def load(org: str, kind: str) -> DishCopy | None:
        raise AssertionError

    assert declare(load=load) == ["caching.E007"]


@pytest.mark.parametrize("parts", [(), ("kind", "pk")])
def test_a_key_of_another_length_is_an_error(declare: Declare, parts: tuple[str, ...]) -> None:
    assert declare(On(Dish, org="shop_id", parts=parts)) == ["caching.E008"]


def test_keys_of_two_lengths_are_an_error(declare: Declare) -> None:
    two = On(Dish, org="shop_id", parts=("kind",)), On(Dish, org="shop_id", parts=())
    assert declare(*two, load=None, load_many=_load_many) == ["caching.E008"]


@pytest.mark.parametrize(
    "on",
    [
        On(Dish, org="shop"),
        On(Dish, org="shoop_id"),
        On(Dish, org="shop__slugg"),
        On(Dish, org="shop_id", parts=("kinds",)),
        On(Dish, org="shop_id", fields=("nam",)),
        On(Dish, org="review"),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error(declare: Declare, on: On) -> None:
    assert declare(on) == ["caching.E009"]


def test_a_model_whose_bulk_writes_nobody_notes_is_a_warning(declare: Declare) -> None:
    assert declare(On(Label, org="shop_id")) == ["caching.W004"]


def test_the_table_of_a_relation_is_no_model_that_could_note_its_writes(declare: Declare) -> None:
    assert declare(On(Seat.tags.through, org="tag_id", parts=("seat_id",))) == []


GUEST = On(Guest, org="seat__shop_id", parts=("seat__room_id",))
TAG = On(Tag, org="seat__shop_id", parts=("seat__pk",))
OF_TAG = On(Seat.tags.through, org="seat__shop_id", parts=("seat_id",))


@pytest.mark.parametrize(
    ("declared", "warnings"),
    [
        # Both paths are read from the seat's row.
        ([GUEST], 2),
        ([GUEST, On(Seat, org="shop_id", parts=("room_id",))], 0),
        ([GUEST, On(Seat, org="shop__slug", parts=("room__id",))], 0),
        ([GUEST, On(Seat, org="shop_id")], 0),
        ([GUEST, On(Seat, org="shop_id", parts=("number",))], 1),
        ([GUEST, On(Seat, org="room_id", parts=("room_id",))], 1),
        ([GUEST, On(Room, org="shop_id")], 2),
        # A path through two tables is read from both.
        ([On(Guest, org="name", parts=("seat__room__name",)), On(Seat, org="shop_id", parts=("room__name",))], 2),
        ([On(Guest, org="name", parts=("seat__room__name",)), On(Seat, org="shop_id"), On(Room, org="shop_id")], 0),
        # A foreign key holds what it points at, and is read from no other row.
        ([On(Guest, org="seat__pk", parts=("seat_id",))], 0),
        # A path to many rows goes through the relation's table.
        ([TAG], 3),
        ([TAG, OF_TAG], 2),
        ([TAG, OF_TAG, On(Seat, org="shop_id")], 0),
        # What depends on a proxy sees the rows behind it, and the other way round.
        ([On(Review, org="dish__shop_id"), On(SpecialDish, org="shop_id")], 0),
        # An heir's row is written through its parent, too.
        ([On(HeadWaiter, org="pk")], 1),
        ([On(HeadWaiter, org="pk"), On(Waiter, org="pk")], 0),
    ],
)
def test_a_key_that_is_read_from_another_row_wants_that_declared(
    declare: Declare, declared: list[On], warnings: int
) -> None:
    said = declare(*declared, load=None, load_many=_load_many)
    assert said.count("caching.W005") == warnings
    assert not [message for message in said if "E" in message]


def test_a_wrong_path_covers_nothing(declare: Declare) -> None:
    said = declare(GUEST, On(Seat, org="wrong", parts=("wrong",)))
    assert sorted(said) == ["caching.E009"] * 2 + ["caching.W005"] * 2


@pytest.mark.parametrize("options", [{"stale_for": 60}, {"soft_timeout": 0.1}, {"stale_for": 60, "soft_timeout": 0.1}])
def test_money_is_never_to_be_served_stale(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, options: dict[str, float]
) -> None:
    monkeypatch.setattr(shop, "money", True)
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": options}}
    [error] = [message for message in check_declarations() if message.id == "caching.E010"]
    assert "money" in error.msg


def test_a_soft_time_out_needs_something_to_serve(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": {"soft_timeout": 0.1}}}
    [error] = [message for message in check_declarations() if message.id == "caching.E010"]
    assert "stale_for" in str(error.hint)
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": {"soft_timeout": 0.1, "stale_for": 60}}}
    assert not [message for message in check_declarations() if message.id == "caching.E010"]
