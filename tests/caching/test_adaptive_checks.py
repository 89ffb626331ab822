"""Bounds of adaptive times that cannot hold, or have no effect, are told by `manage.py check`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching import Region
from caching.adaptive_checks import check_adaptive_ttl
from caching.checks import check_caching
from caching.registry import registry
from tests.shop.cached import DishCopy


def _load(org: str, *, using: str) -> DishCopy | None:
    raise AssertionError("checks load nothing")


@pytest.fixture
def declare() -> Iterator[Any]:
    """Declare a region, and return the ids of what the checks say about it."""
    declared: list[Region[Any]] = []

    def _declare(**options: Any) -> list[str]:
        declared.append(Region("checked", DishCopy, load=_load, local_ttl=60, redis_ttl=600, **options))
        return [str(message.id) for message in check_adaptive_ttl()]

    yield _declare
    for region in declared:
        registry.remove(region)


def test_the_projects_own_declarations_pass() -> None:
    assert check_adaptive_ttl() == []


@pytest.mark.parametrize("value", [None, 1, "yes", {"shop": True}])
def test_the_setting_is_true_or_false(settings: Settings, value: Any) -> None:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": value}
    assert [each.id for each in check_adaptive_ttl()] == ["caching.E040"]


@pytest.mark.parametrize("bounds", [(60, 600), [1, 1e6], None])
def test_bounds_around_the_declared_times_pass(declare: Any, bounds: Any) -> None:
    assert declare(ttl_bounds=bounds) == []


@pytest.mark.parametrize(
    "bounds", [(600, 60), (0, 60), (-1, 60), (1, float("inf")), (1,), (1, 2, 3), 60, "60", (True, 600)]
)
def test_what_is_no_least_and_most_is_an_error(declare: Any, bounds: Any) -> None:
    assert declare(ttl_bounds=bounds) == ["caching.E041"]


def test_bounds_of_money_are_an_error_for_it_is_never_adapted(declare: Any) -> None:
    assert declare(money=True, ttl_bounds=(60, 600)) == ["caching.E042"]


@pytest.mark.parametrize("bounds", [(60, 599), (61, 600)])
def test_declared_times_outside_of_the_bounds_are_warned_of(declare: Any, bounds: Any) -> None:
    assert declare(ttl_bounds=bounds) == ["caching.W030"]


def test_bounds_in_the_settings_are_checked_in_the_same_way(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": {"ttl_bounds": (5, 1)}}}
    assert [each.id for each in check_adaptive_ttl()] == ["caching.E041"]
    assert "caching.E004" not in [each.id for each in check_caching()]


@pytest.mark.parametrize("regions", [5, {"shop": 5}])
def test_settings_of_another_kind_are_left_to_their_own_check(settings: Settings, regions: Any) -> None:
    settings.CACHING = {**settings.CACHING, "REGIONS": regions}
    assert check_adaptive_ttl() == []
