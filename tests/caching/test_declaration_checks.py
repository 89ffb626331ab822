"""A declaration that cannot work, or would leave stale values, is told by `manage.py check`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from caching import On, Region
from caching.declaration_checks import check_declarations
from caching.registry import registry
from tests.shop.cached import DishCopy
from tests.shop.models import Dish, Label, Shop

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
