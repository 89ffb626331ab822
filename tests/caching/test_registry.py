"""Regions by name, and what follows from all of them together."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from caching.dependencies import On
from caching.errors import CachingError, UnknownOrganisation, UnknownRegion
from caching.registry import Registry
from tests.shop.models import Dish, Shop


def region(name: str, *fresh_on: On, declaration: tuple[Any, ...] = ("schema",)) -> Any:
    return SimpleNamespace(name=name, fresh_on=fresh_on, declaration=declaration)


def registry_of(*regions: Any) -> Registry:
    registry = Registry()
    for each in regions:
        registry.add(each)
    return registry


def test_a_region_is_found_by_its_name() -> None:
    dish = region("dish")

    assert registry_of(region("shop"), dish).get("dish") is dish


def test_an_unknown_region_is_an_error_that_names_the_known() -> None:
    with pytest.raises(UnknownRegion, match=r"'dich'. Regions: dish, shop\."):
        registry_of(region("shop"), region("dish")).get("dich")


def test_two_regions_of_one_name_are_refused_and_the_first_stays() -> None:
    first = region("dish")
    registry = registry_of(first)

    with pytest.raises(CachingError, match="Two cache regions are called 'dish'"):
        registry.add(region("dish"))

    assert registry.get("dish") is first


def test_what_follows_from_the_declarations_follows_later_ones_too() -> None:
    registry = registry_of(region("dish", On(Dish, org="shop_id")))
    fingerprint = registry.fingerprint
    assert registry.dependencies.models == [Dish]
    shop = region("shop", On(Shop, org="pk"))

    registry.add(shop)
    assert registry.dependencies.models == [Dish, Shop]
    assert registry.fingerprint != fingerprint

    registry.remove(shop)
    assert registry.dependencies.models == [Dish]
    assert registry.fingerprint == fingerprint
    assert list(registry.regions) == ["dish"]


def test_the_fingerprint_is_that_of_what_is_declared_in_any_order() -> None:
    ours = registry_of(region("dish"), region("shop")).fingerprint

    assert len(ours) == 8
    assert registry_of(region("shop"), region("dish")).fingerprint == ours
    assert registry_of(region("shop"), region("dish", declaration=("other",))).fingerprint != ours
    assert registry_of(region("shop"), region("dishes")).fingerprint != ours


def only_corner(orgs: Collection[str]) -> list[str]:
    return [org for org in orgs if org == "corner"]


def test_organisations_that_do_not_exist_are_named() -> None:
    registry = registry_of()
    registry.organisations = only_corner
    registry.require_organisations(["corner"])

    with pytest.raises(UnknownOrganisation, match="no organisation 'conrer', 'croner'"):
        registry.require_organisations(["croner", "corner", "conrer"])


def test_without_somebody_who_knows_them_every_organisation_may_exist() -> None:
    registry = registry_of()

    assert registry.organisations is None
    registry.require_organisations(["anything"])


def test_asking_for_no_organisation_asks_nobody() -> None:
    asked: list[Collection[str]] = []
    registry = registry_of()
    registry.organisations = lambda orgs: asked.append(orgs) or orgs

    registry.require_organisations([])

    assert asked == []
