"""System checks of warming: silent when it can work, and clear about what is wrong when it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from pytest_django.fixtures import Settings

from caching.checks import check_caching
from caching.registry import registry
from caching.warming_checks import check_warming


def found(settings: Settings, **caching: Any) -> list[checks.CheckMessage]:
    # Tests have no threads; a server has.
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True, "OBSERVE_SECONDS": 1.0, **caching}
    return check_warming()


def test_the_defaults_raise_nothing(settings: Settings) -> None:
    assert found(settings) == []


def test_good_settings_raise_nothing_and_are_settings(settings: Settings) -> None:
    good = {"WARM_AT_START": True, "WARM_BOUND_SECONDS": 0, "WARM_BEFORE_OPENING": 900, "HOT_KEYS": 0}
    assert found(settings, **good) == []
    settings.CACHING = {**settings.CACHING, "BACKGROUND": False}
    assert check_caching() == []


def test_django_runs_them(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "HOT_KEYS": -1}
    assert "caching.E027" in [each.id for each in checks.run_checks(tags=[checks.Tags.caches])]


@pytest.mark.parametrize(
    ("name", "value", "id_"),
    [
        *(("WARM_AT_START", value, "caching.E024") for value in ("false", 1, None)),
        *(("WARM_BOUND_SECONDS", value, "caching.E025") for value in (-1, "10", None, True, float("nan"))),
        *(("WARM_BEFORE_OPENING", value, "caching.E026") for value in (-1, "10", None, True, 86_401, float("inf"))),
        *(("HOT_KEYS", value, "caching.E027") for value in (-1, 1.5, "500", None, True)),
    ],
)
def test_a_value_that_cannot_be_is_an_error_that_repeats_it(
    settings: Settings, name: str, value: Any, id_: str
) -> None:
    [error] = found(settings, **{name: value})
    assert error.id == id_
    assert error.is_serious()
    assert name in error.msg
    assert repr(value) in error.msg


def test_very_many_hot_keys_are_a_warning(settings: Settings) -> None:
    assert found(settings, HOT_KEYS=10_000) == []
    [warning] = found(settings, HOT_KEYS=10_001)
    assert warning.id == "caching.W022"
    assert not warning.is_serious()


@pytest.mark.parametrize(
    ("obstacle", "why"),
    [({"BACKGROUND": False}, "BACKGROUND is off"), ({"OBSERVE_SECONDS": 0}, "OBSERVE_SECONDS is 0")],
)
def test_a_schedule_that_nobody_keeps_is_a_warning_if_it_was_asked_for(
    settings: Settings, obstacle: dict[str, Any], why: str
) -> None:
    [warning] = found(settings, WARM_BEFORE_OPENING=300, **obstacle)
    assert warning.id == "caching.W023"
    assert why in warning.msg
    assert found(settings, WARM_BEFORE_OPENING=0, **obstacle) == []


def test_a_schedule_without_openings_is_a_warning_if_it_was_asked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "openings", None)
    assert found(settings) == []
    [warning] = found(settings, WARM_BEFORE_OPENING=300)
    assert "registry.openings" in warning.msg
