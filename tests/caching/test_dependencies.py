"""Which keys a written row makes stale, as the regions declare it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from caching.dependencies import DependencyMap, On
from caching.keys import Key, Scope
from caching.models import CachedModel
from tests.shop.models import Dish, Review, Shop, SpecialDish


def depending(*declared: On, name: str = "region") -> DependencyMap:
    region: Any = SimpleNamespace(name=name, fresh_on=declared)
    return DependencyMap([region])


DISH = On(Dish, org="shop_id", parts=("pk",))


def test_a_row_makes_its_own_key_stale_in_the_database_it_was_written_to() -> None:
    affected = depending(DISH).affected(Dish, {"shop_id": "corner", "pk": 5}, alias="archive")

    assert list(affected) == [Key("region", "corner", (5,), "archive")]


def test_without_parts_every_key_of_the_organisation_is_stale() -> None:
    affected = depending(On(Dish, org="shop_id")).affected(Dish, {"shop_id": "corner"}, alias="default")

    assert list(affected) == [Scope("region", "corner")]


def test_with_empty_parts_the_organisations_one_key_is_stale() -> None:
    affected = depending(On(Dish, org="shop_id", parts=())).affected(Dish, {"shop_id": "corner"}, alias="default")

    assert list(affected) == [Key("region", "corner")]


def test_every_declaration_of_every_region_counts() -> None:
    regions: Any = [
        SimpleNamespace(name="dish", fresh_on=(DISH,)),
        SimpleNamespace(name="menu", fresh_on=(On(Dish, org="shop_id", parts=()), On(Shop, org="pk", parts=()))),
    ]
    dependencies = DependencyMap(regions)

    assert dependencies.models == [Dish, Shop]
    affected = dependencies.affected(Dish, {"shop_id": "corner", "pk": 5}, alias="default")
    assert list(affected) == [Key("dish", "corner", (5,)), Key("menu", "corner")]
    assert list(dependencies.affected(Shop, {"pk": "corner"}, alias="default")) == [Key("menu", "corner")]
    assert dependencies.of(Review) == []


def test_an_organisation_that_is_no_text_is_named_by_its_text() -> None:
    affected = depending(On(Dish, org="shop_id")).affected(Dish, {"shop_id": 7}, alias="default")

    assert list(affected) == [Scope("region", "7")]


@pytest.mark.parametrize("row", [{"shop_id": None, "pk": 5}, {"shop_id": "corner", "pk": None}])
def test_a_row_that_hangs_on_nothing_has_no_key(row: dict[str, Any]) -> None:
    assert list(depending(DISH).affected(Dish, row, alias="default")) == []


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        (None, True),
        ({"rate"}, True),
        ({"rate", "name"}, True),
        ({"name"}, False),
        (set(), False),
        # A row that moves to another key makes both stale, whatever else changed.
        ({"owner"}, True),
        ({"kind"}, True),
    ],
)
def test_with_fields_only_updates_of_these_or_of_the_key_count(changed: set[str] | None, stale: bool) -> None:
    dependencies = depending(On(Shop, org="owner", parts=("kind",), fields=("rate",)))

    affected = dependencies.affected(
        Shop,
        {"owner": "me", "kind": "bar", "rate": 5},
        alias="default",
        changed=None if changed is None else frozenset(changed),
    )

    assert list(affected) == ([Key("region", "me", ("bar",))] if stale else [])


@pytest.mark.parametrize("changed", [{"dish", "dish_id"}, {"dish__name"}])
def test_a_row_that_turns_to_another_parent_has_other_values_behind_it(changed: set[str]) -> None:
    dependencies = depending(On(Review, org="shop", parts=("pk",), fields=("dish__name",)))
    row = {"shop": "corner", "pk": 5, "dish__name": "soup"}

    assert list(dependencies.affected(Review, row, alias="default", changed=frozenset(changed)))
    assert dependencies.may_move(Review, frozenset(changed))
    assert not dependencies.may_move(Review, frozenset({"stars"}))


def test_without_fields_every_update_counts() -> None:
    affected = depending(DISH).affected(
        Dish, {"shop_id": "corner", "pk": 5}, alias="default", changed=frozenset({"anything"})
    )

    assert list(affected) == [Key("region", "corner", (5,))]


def test_the_paths_of_a_model_are_what_all_its_keys_and_fields_need() -> None:
    dependencies = depending(
        DISH, On(Dish, org="shop_id", parts=("kind",), fields=("name",)), On(Review, org="dish__shop_id")
    )

    assert dependencies.paths(Dish) == ["kind", "name", "pk", "shop_id"]
    assert dependencies.paths(Review) == ["dish__shop_id"]
    assert dependencies.paths(Shop) == []


def test_rows_written_through_a_proxy_count() -> None:
    affected = depending(DISH).affected(SpecialDish, {"shop_id": "corner", "pk": 5}, alias="default")

    assert list(affected) == [Key("region", "corner", (5,))]


@pytest.mark.parametrize("written", [Dish, SpecialDish])
def test_what_depends_on_a_proxy_depends_on_the_rows_behind_it(written: type[Dish]) -> None:
    dependencies = depending(On(SpecialDish, org="shop_id"))

    assert list(dependencies.affected(written, {"shop_id": "corner"}, alias="default")) == [Scope("region", "corner")]


def test_what_depends_on_an_abstract_model_depends_on_all_that_inherit_it() -> None:
    dependencies = depending(On(CachedModel, org="pk"))

    assert len(dependencies.of(Shop)) == len(dependencies.of(Review)) == 1


def test_what_depends_on_a_model_is_worked_out_once() -> None:
    dependencies = depending(DISH)

    assert dependencies.of(Dish) is dependencies.of(Dish)
