"""Keys that cannot work, and regions without the ones they demand, are said at start."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.encryption import new_key
from caching.encryption_checks import check_encryption

KEY, OTHER = new_key(), new_key()


@pytest.fixture
def found(settings: Settings) -> Callable[..., list[tuple[str | None, str]]]:
    """What the checks say of these settings."""

    def _found(**changed: Any) -> list[tuple[str | None, str]]:
        settings.CACHING = {**settings.CACHING, **changed}
        return [(message.id, message.msg) for message in check_encryption()]

    return _found


@pytest.mark.parametrize(
    "right",
    [
        {},
        {"ENCRYPTION_KEYS": [KEY]},
        {"ENCRYPTION_KEYS": (KEY, OTHER), "REGIONS": {"shop": {"encrypted": True}, "dish": {"encrypted": False}}},
        {"COMPRESS_ABOVE": None, "REGIONS": {"shop": {"compress_above": 0}, "dish": {"encrypted": None}}},
    ],
)
def test_what_is_right_is_not_complained_of(found: Any, right: dict[str, Any]) -> None:
    assert found(**right) == []


@pytest.mark.parametrize(
    ("wrong", "id_", "named"),
    [
        ({"ENCRYPTION_KEYS": KEY}, "caching.E050", "list"),
        ({"ENCRYPTION_KEYS": [KEY, "x"]}, "caching.E050", "key 2"),
        ({"ENCRYPTION_KEYS": ["c2hvcnQ="]}, "caching.E050", "5 bytes"),
        ({"ENCRYPTION_KEYS": [KEY, KEY]}, "caching.E050", "twice"),
        ({"REGIONS": {"shop": {"encrypted": True}}}, "caching.E051", "shop"),
        ({"COMPRESS_ABOVE": -1}, "caching.E053", "COMPRESS_ABOVE"),
        ({"COMPRESS_ABOVE": "16k"}, "caching.E053", "COMPRESS_ABOVE"),
        ({"REGIONS": {"shop": {"compress_above": True}}}, "caching.E053", "'shop'"),
        ({"ENCRYPTION_KEYS": [KEY], "REGIONS": {"shop": {"encrypted": "yes"}}}, "caching.E053", "'shop'"),
        ({"ENCRYPTION_KEYS": [KEY], "REGIONS": {"shop": {"encrypted": 1}}}, "caching.E053", "'shop'"),
    ],
)
def test_what_is_wrong_is_named(found: Any, wrong: dict[str, Any], id_: str, named: str) -> None:
    ((its_id, text),) = found(**wrong)
    assert its_id == id_
    assert named in text
    assert KEY not in text


def test_keys_without_the_library_are_an_error(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert [id_ for id_, _ in found(ENCRYPTION_KEYS=[KEY])] == ["caching.E052"]
    assert found(ENCRYPTION_KEYS=[]) == []


@pytest.mark.parametrize("regions", [["shop"], {"shop": "fast"}])
def test_regions_that_are_none_are_the_error_of_other_checks(found: Any, regions: Any) -> None:
    assert found(REGIONS=regions) == []
