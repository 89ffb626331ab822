"""Local memory of a test's own, with limits it sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


@pytest.fixture
def make_tier(clock: MovableClock, settings: Settings) -> Callable[..., LocalTier]:
    """Make a tier of 1,000 entries and a megabyte with these quotas."""

    def make(share: float = 1.0, regions: dict[str, Any] | None = None, **limits: int) -> LocalTier:
        settings.CACHING = {
            **settings.CACHING,
            "LOCAL_MAX_ENTRIES": 1000,
            "LOCAL_MAX_BYTES": 10**6,
            **limits,
            "LOCAL_ORG_SHARE": share,
            "REGIONS": regions or {},
        }
        return LocalTier(clock, Stamps(clock, shared=False))

    return make
