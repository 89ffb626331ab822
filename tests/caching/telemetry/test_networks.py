"""A client is trusted for the address its connection comes from, and for nothing it says."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from caching.telemetry.networks import is_trusted


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("11.0.0.1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("10.1.2.3, 1.1.1.1", False),
        ("no address", False),
    ],
)
def test_an_address_is_trusted_if_a_network_holds_it(settings: Settings, address: str, trusted: bool) -> None:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]}

    assert is_trusted(address) is trusted


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1"])
def test_by_default_nobody_is(address: str) -> None:
    assert not is_trusted(address)


def test_a_network_that_is_none_is_named(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": ["10.0.0.0/8", "10.0.0.1/8"]}

    with pytest.raises(ImproperlyConfigured, match=r"holds '10\.0\.0\.1/8', no network"):
        is_trusted("10.0.0.1")
