"""Settings: the project's or the default, always today's."""

from __future__ import annotations

import pytest
from django.test import override_settings
from pytest_django.fixtures import Settings

from caching.conf import DEFAULTS, conf


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_without_settings_everything_has_its_default(settings: Settings, name: str) -> None:
    del settings.CACHING

    assert getattr(conf, name) == DEFAULTS[name]


def test_what_the_project_sets_counts_at_once_and_ends_with_it(settings: Settings) -> None:
    with override_settings(CACHING={"MARK_SECONDS": 0.2}):
        assert conf.MARK_SECONDS == 0.2
        assert DEFAULTS["LEASE_SECONDS"] == conf.LEASE_SECONDS

    assert DEFAULTS["MARK_SECONDS"] == conf.MARK_SECONDS


def test_none_is_a_setting_like_any_other() -> None:
    with override_settings(CACHING={"STAMPS_DIR": None}):
        assert conf.STAMPS_DIR is None


def test_what_is_no_setting_is_no_attribute() -> None:
    with override_settings(CACHING={"MARK_SECOND": 1}), pytest.raises(AttributeError, match="MARK_SECOND"):
        _ = conf.MARK_SECOND
