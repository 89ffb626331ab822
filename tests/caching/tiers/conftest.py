"""Local memory of a test's own, with limits it sets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings

from caching.conf import conf
from caching.stamps import Stamps
from caching.tiers.local import LocalTier
from tests.conftest import MovableClock


@pytest.fixture
def tier(clock: MovableClock) -> LocalTier:
    return LocalTier(clock, Stamps(clock, shared=False))


@pytest.fixture
def limit(settings: Settings, tier: LocalTier) -> Callable[..., None]:
    """Set the limits of local memory; a tier has those it was made with."""

    def set_limits(**limits: int) -> None:
        settings.CACHING = {
            **settings.CACHING,
            **{f"LOCAL_MAX_{name.upper()}": value for name, value in limits.items()},
        }
        tier._most_entries, tier._most_bytes = conf.LOCAL_MAX_ENTRIES, conf.LOCAL_MAX_BYTES

    return set_limits
