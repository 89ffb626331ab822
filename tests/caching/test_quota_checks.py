"""System checks of quotas: silent when they can work, and clear about what to do when they cannot."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from pytest_django.fixtures import Settings

from caching.checks import check_caching
from caching.quota_checks import check_quotas


def found(settings: Settings, **caching: Any) -> list[checks.CheckMessage]:
    settings.CACHING = {**settings.CACHING, **caching}
    return check_quotas()


@pytest.mark.parametrize("share", [1, 1.0, 0.25, 0.001])
def test_good_quotas_raise_nothing(settings: Settings, share: float) -> None:
    regions = {"shop": {"local_max_bytes": 2**20, "local_max_entries": 1000}, "dish": {"local_max_entries": None}}

    assert found(settings, LOCAL_ORG_SHARE=share, REGIONS=regions) == []
    assert check_caching() == []


def test_django_runs_them(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "LOCAL_ORG_SHARE": 0}

    assert "caching.E021" in [each.id for each in checks.run_checks(tags=[checks.Tags.caches])]


@pytest.mark.parametrize("share", [0, -0.5, 1.5, 25, "0.25", None, True, float("nan"), float("inf")])
def test_a_share_must_be_a_part_of_the_whole(settings: Settings, share: Any) -> None:
    [error] = found(settings, LOCAL_ORG_SHARE=share)

    assert error.id == "caching.E021"
    assert error.msg == f"CACHING['LOCAL_ORG_SHARE'] must be a number above 0 and at most 1, not {share!r}."
    assert "a quarter" in str(error.hint)


def test_a_share_that_costs_more_than_it_saves_is_a_warning(settings: Settings) -> None:
    [warning] = found(settings, LOCAL_ORG_SHARE=0.0009)

    assert (warning.id, warning.hint) == ("caching.W021", "Make it 0.001 or more.")


@pytest.mark.parametrize("value", [0, -1, 0.5, "100", True, float("nan"), [5]])
@pytest.mark.parametrize("option", ["local_max_bytes", "local_max_entries"])
def test_the_quota_of_a_region_must_be_a_whole_number(settings: Settings, option: str, value: Any) -> None:
    [error] = found(settings, REGIONS={"shop": {option: value}})

    assert error.id == "caching.E020"
    assert error.msg == f"CACHING['REGIONS']['shop'][{option!r}] must be a whole number above 0, not {value!r}."
    assert check_caching() == []


@pytest.mark.parametrize(
    ("option", "value", "ids"),
    [
        ("local_max_entries", 100_000, []),
        ("local_max_entries", 100_001, ["caching.W020"]),
        ("local_max_entries", 100, []),
        ("local_max_entries", 99, ["caching.W021"]),
        ("local_max_bytes", 2**27, []),
        ("local_max_bytes", 2**27 + 1, ["caching.W020"]),
        ("local_max_bytes", 2**17, ["caching.W021"]),
    ],
)
def test_a_quota_that_never_counts_or_costs_too_much_is_a_warning(
    settings: Settings, option: str, value: int, ids: list[str]
) -> None:
    assert [each.id for each in found(settings, REGIONS={"shop": {option: value}})] == ids


@pytest.mark.parametrize("regions", [["shop"], None, {"shop": 300}])
def test_what_is_no_dictionary_is_left_to_the_check_of_that(settings: Settings, regions: Any) -> None:
    assert found(settings, REGIONS=regions, LOCAL_MAX_ENTRIES="many") == []
    assert {"caching.E003", "caching.E004"} >= {each.id for each in check_caching()} != set()


def test_limits_of_all_that_are_no_numbers_are_left_to_their_check(settings: Settings) -> None:
    assert found(settings, REGIONS={"shop": {"local_max_entries": 5}}, LOCAL_MAX_ENTRIES="many") == []


def test_a_misspelt_quota_is_an_error_that_lists_the_options(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": {"local_max_byte": 5}}}

    [error] = check_caching()

    assert error.id == "caching.E004"
    assert "local_max_bytes, local_max_entries" in str(error.hint)
