"""Local memory of a test's own, with limits it sets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings

from caching.stamps import Stamps
from caching.tiers.local import LocalTier
from tests.conftest import MovableClock


@pytest.fixture
def tier(clock: MovableClock) -> LocalTier:
    return LocalTier(clock, Stamps(clock, shared=False))


@pytest.fixture
def limit(settings: Settings) -> Callable[..., None]:
    """Set the limits of local memory."""

    def set_limits(**limits: int) -> None:
        settings.CACHING = {
            **settings.CACHING,
            **{f"LOCAL_MAX_{name.upper()}": value for name, value in limits.items()},
        }

    return set_limits
