"""Presets: defaults that go together, for settings and for regions, below what a project says itself."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.checks import check_caching
from caching.conf import DEFAULTS, conf
from caching.presets import PRESETS, WITH_REDIS
from orders.cached import active_orders, order, orders_by_status, orders_page


def test_they_change_settings_that_there_are() -> None:
    assert all(set(changed) <= set(DEFAULTS) - {"PRESET"} for changed in PRESETS.values())
    assert set(PRESETS) >= WITH_REDIS


def test_small_is_what_there_is_without_one(settings: Settings) -> None:
    settings.CACHING = {"PRESET": "small"}

    assert {name: getattr(conf, name) for name in DEFAULTS} == {**DEFAULTS, "PRESET": "small"}


def test_many_restaurants_start_warm_unless_the_project_says_otherwise(settings: Settings) -> None:
    settings.CACHING = {"PRESET": "multi_location"}
    assert conf.WARM_AT_START is True

    settings.CACHING = {"PRESET": "multi_location", "WARM_AT_START": False}
    assert conf.WARM_AT_START is False


@pytest.mark.parametrize("region", [order, active_orders, orders_by_status, orders_page])
def test_with_high_traffic_orders_live_five_minutes(settings: Settings, region: Any) -> None:
    assert (region.local_ttl, region.redis_ttl) == (120, 120)

    settings.CACHING = {**settings.CACHING, "PRESET": "high_traffic"}
    assert (region.local_ttl, region.redis_ttl) == (300, 300)


@pytest.mark.parametrize("preset", ["smal", "", 5, ["small"]])
def test_what_is_no_preset_is_an_error_that_names_them_and_breaks_no_read(settings: Settings, preset: Any) -> None:
    settings.CACHING = {**settings.CACHING, "PRESET": preset}

    [error] = check_caching()

    assert (error.id, error.msg) == ("caching.E011", f"CACHING['PRESET'] cannot be {preset!r}.")
    assert error.hint == "Presets: small, high_traffic, multi_location, or None."
    assert order.local_ttl == 120
    assert order.spans == (120, 300)


@pytest.mark.parametrize(("preset", "ids"), [("small", []), ("high_traffic", ["W007"]), ("multi_location", ["W007"])])
def test_presets_for_several_servers_want_redis(settings: Settings, preset: str, ids: list[str]) -> None:
    settings.CACHING = {**settings.CACHING, "PRESET": preset, "REDIS_ALIAS": None}

    assert [each.id for each in check_caching()] == [f"caching.{each}" for each in ids]


def test_with_redis_they_are_content(redis: Any, settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "PRESET": "multi_location"}

    assert "caching.W007" not in [each.id for each in check_caching()]
