"""A region's times: the project's settings, else the preset, else what is declared; always today's."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching import CachingError
from caching.tuning import Tuned

DECLARED = {"local_ttl": 10.0, "redis_ttl": 60.0, "stale_for": 5.0, "soft_timeout": None}


def tuned(*, money: bool = False, **presets: Any) -> Tuned:
    return Tuned("bistro", DECLARED, presets, money=money)


def times(region: Tuned) -> tuple[float, float, float, float | None]:
    return region.local_ttl, region.redis_ttl, region.stale_for, region.soft_timeout


def test_without_settings_it_is_as_declared(settings: Settings) -> None:
    assert times(tuned()) == (10, 60, 5, None)


def test_a_preset_changes_what_is_declared_for_it_and_settings_change_both(settings: Settings) -> None:
    region = tuned(small={"local_ttl": 20, "soft_timeout": 0.5}, high_traffic={"redis_ttl": 90})
    settings.CACHING = {"PRESET": "small"}
    assert times(region) == (20, 60, 5, 0.5)

    settings.CACHING = {"PRESET": "small", "REGIONS": {"bistro": {"soft_timeout": None, "redis_ttl": 30}}}
    assert times(region) == (20, 30, 5, None)

    settings.CACHING = {"PRESET": "high_traffic", "REGIONS": {"another": {"redis_ttl": 30}}}
    assert times(region) == (10, 90, 5, None)


def test_what_a_hit_needs_follows_each_change(settings: Settings) -> None:
    region = tuned(small={"local_ttl": 20})
    settings.CACHING = {}
    assert region.spans == (10, 5)
    settings.CACHING = {"PRESET": "small"}
    assert region.spans == (20, 5)
    settings.CACHING = {"PRESET": "small", "REGIONS": {"bistro": {"stale_for": 0}}}
    assert region.spans == (20, 0)
    settings.CACHING = {}
    assert region.spans == (10, 5)


def test_money_is_never_served_stale_whatever_is_configured(settings: Settings) -> None:
    settings.CACHING = {"PRESET": "small", "REGIONS": {"bistro": {"stale_for": 60}}}

    assert tuned(money=True, small={"stale_for": 30}).stale_for == 0


@pytest.mark.parametrize("presets", [{"tiny": {"local_ttl": 1}}, {"small": {"ttl": 1}}])
def test_what_is_no_preset_or_no_option_is_an_error_at_once(presets: Any) -> None:
    with pytest.raises(CachingError, match="Region 'bistro': presets="):
        tuned(**presets)


def test_times_of_other_settings_are_seen_by_no_thread(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    region = tuned()
    settings.CACHING = {}
    assert region.spans == (10, 5)
    settings.CACHING = {"REGIONS": {"bistro": {"local_ttl": 7, "stale_for": 8}}}
    seen = []

    def set_while_another_thread_looks(region: Tuned, name: str, value: object) -> None:
        object.__setattr__(region, name, value)
        if region._spans_of[0] is settings.CACHING["REGIONS"]:
            seen.append(region.spans)

    monkeypatch.setattr(Tuned, "__setattr__", set_while_another_thread_looks, raising=False)
    assert region.spans == (7, 8)
    assert set(seen) == {(7, 8)}
