"""Networks that cannot work, or that let everybody in, are said at start."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from pytest_django.fixtures import Settings

from caching.telemetry import checks as telemetry_checks
from caching.telemetry.checks import check_metrics


def found(settings: Settings, networks: Any) -> list[str | None]:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": networks}
    return [each.id for each in check_metrics()]


@pytest.mark.parametrize("networks", [[], (), ["10.0.0.0/8"], ("192.0.2.7", "2001:db8::/32"), ["127.0.0.1"]])
def test_networks_are_no_complaint(settings: Settings, networks: Any) -> None:
    assert found(settings, networks) == []


@pytest.mark.parametrize("networks", ["10.0.0.0/8", None, 10, [10], {"10.0.0.0/8": True}])
def test_what_is_no_list_of_networks_is_an_error(settings: Settings, networks: Any) -> None:
    assert found(settings, networks) == ["caching.E031"]


@pytest.mark.parametrize("network", ["10.0.0.1/8", "monitoring.example", "10.0.0.0/33", ""])
def test_what_is_no_network_is_an_error_that_names_it(settings: Settings, network: str) -> None:
    assert found(settings, ["10.0.0.0/8", network]) == ["caching.E032"]
    assert repr(network) in check_metrics()[0].msg


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_a_network_of_everybody_is_a_warning(settings: Settings, network: str) -> None:
    assert found(settings, ["10.0.0.0/8", network]) == ["caching.W026"]


@pytest.mark.parametrize("network", ["127.0.0.0/8", "127.0.0.1", "::1"])
def test_behind_a_proxy_so_is_this_machine(settings: Settings, network: str) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    assert found(settings, [network]) == ["caching.W026"]
    assert found(settings, ["10.0.0.0/8"]) == []


def test_networks_without_the_library_are_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry_checks, "find_spec", lambda name: None)

    assert found(settings, ["10.0.0.0/8"]) == ["caching.W025"]
    assert found(settings, []) == []


def test_settings_that_are_no_dictionary_are_complained_of_elsewhere(settings: Settings) -> None:
    settings.CACHING = ["METRICS_NETWORKS"]

    assert check_metrics() == []


def test_django_runs_them(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": None}

    assert "caching.E031" in [each.id for each in checks.run_checks(tags=[checks.Tags.caches])]
