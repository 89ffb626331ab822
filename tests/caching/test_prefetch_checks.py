"""Settings and declarations of predictive loading that cannot work are said at start."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.following import Follows
from caching.prefetch_checks import check_prefetch
from tests.shop.cached import shop


def found() -> list[tuple[str | None, str]]:
    return [(message.id, message.msg) for message in check_prefetch()]


def test_what_is_right_is_not_complained_of(settings: Settings) -> None:
    settings.CACHING = {
        **settings.CACHING,
        "PREFETCH": True,
        "PREFETCH_PER_MINUTE": 1,
        "REGIONS": {"shop": {"prefetch": False}},
    }
    assert found() == []


@pytest.mark.parametrize(
    ("wrong", "id_", "named"),
    [
        ({"PREFETCH": 1}, "caching.E043", "PREFETCH"),
        ({"PREFETCH": "yes"}, "caching.E043", "PREFETCH"),
        ({"PREFETCH_PER_MINUTE": 0}, "caching.E044", "PREFETCH_PER_MINUTE"),
        ({"PREFETCH_PER_MINUTE": 1.5}, "caching.E044", "PREFETCH_PER_MINUTE"),
        ({"PREFETCH_PER_MINUTE": True}, "caching.E044", "PREFETCH_PER_MINUTE"),
        ({"REGIONS": {"shop": {"prefetch": 0.5}}}, "caching.E043", "'shop'"),
    ],
)
def test_what_is_wrong_is_named(settings: Settings, wrong: dict[str, Any], id_: str, named: str) -> None:
    settings.CACHING = {**settings.CACHING, **wrong}

    [(found_id, message)] = found()

    assert found_id == id_
    assert named in message


def test_other_wrong_settings_are_left_to_their_own_checks(settings: Settings) -> None:
    for regions in (None, [], {"shop": None}):
        settings.CACHING = {**settings.CACHING, "REGIONS": regions}
        assert found() == []


def test_a_region_that_follows_none_there_is_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop, "follows", (Follows("nowhere"),))

    [(found_id, message)] = found()

    assert found_id == "caching.E045"
    assert "'shop'" in message
    assert "'nowhere'" in message
