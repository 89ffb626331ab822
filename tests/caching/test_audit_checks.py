"""Settings of the auditor that cannot work are said at start."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.audit_checks import check_audit
from caching.checks import check_caching


def found(settings: Settings, **own: Any) -> list[tuple[str | None, str]]:
    settings.CACHING = {**settings.CACHING, **own}
    return [(message.id, message.msg) for message in [*check_audit(), *check_caching()]]


def test_the_defaults_and_good_settings_raise_nothing(settings: Settings) -> None:
    assert found(settings) == []
    regions = {"shop": {"audit_rate": 1}, "tally": {"audit_rate": 0.0, "local_ttl": 5}}
    assert found(settings, AUDIT_RATE=0, AUDIT_PER_MINUTE=0, AUDIT_WINDOW_SECONDS=3, REGIONS=regions) == []


@pytest.mark.parametrize("rate", [-0.1, 1.1, "0.5", None, True, float("nan")])
def test_a_rate_is_a_share(settings: Settings, rate: Any) -> None:
    assert found(settings, AUDIT_RATE=rate) == [("caching.E028", f"CACHING['AUDIT_RATE'] cannot be {rate!r}.")]
    assert found(settings, AUDIT_RATE=0.1, REGIONS={"shop": {"audit_rate": rate}}) == [
        ("caching.E030", f"CACHING['REGIONS']['shop']['audit_rate'] cannot be {rate!r}.")
    ]


@pytest.mark.parametrize("name", ["AUDIT_PER_MINUTE", "AUDIT_WINDOW_SECONDS"])
@pytest.mark.parametrize("value", [-1, "60", None, False, float("inf")])
def test_bounds_are_numbers(settings: Settings, name: str, value: Any) -> None:
    [(code, message)] = found(settings, **{name: value})

    assert code == "caching.E029"
    assert name in message


def test_a_window_shorter_than_a_change_may_take_is_worth_a_warning(settings: Settings, redis: Any) -> None:
    own = {"TRUST_SECONDS": 0.3, "RELAY_SECONDS": 0.2}
    [(code, message)] = found(settings, AUDIT_WINDOW_SECONDS=0.4, **own)
    assert code == "caching.W024"
    assert "0.5 s" in message

    assert found(settings, AUDIT_WINDOW_SECONDS=0.5, **own) == []


@pytest.mark.parametrize("regions", [["shop"], {"shop": 300}])
def test_regions_that_are_none_are_said_elsewhere(settings: Settings, regions: Any) -> None:
    settings.CACHING = {**settings.CACHING, "REGIONS": regions}

    assert check_audit() == []
