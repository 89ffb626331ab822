"""Settings of Redis over REST that cannot work, or would send the token in the clear."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from caching import rest_checks
from caching.rest_checks import check_rest
from caching.runtime import runtime
from tests.shop.cached import shop

TOKEN = "a-token-that-nobody-may-see"


def found(settings: Settings, **caching: Any) -> list[CheckMessage]:
    settings.CACHING = {**settings.CACHING, "REST_URL": "https://name.upstash.io", "REST_TOKEN": TOKEN, **caching}
    return check_rest()


def test_without_rest_there_is_nothing_to_check(settings: Settings) -> None:
    assert found(settings, REST_URL=None, REST_TOKEN=None) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://name.upstash.io",
        "https://name.upstash.io/",
        "https://front.example:8443/redis",
        "http://127.0.0.1:8079",
        "http://localhost:8079",
        "http://[::1]:8079",
    ],
)
def test_https_and_this_machine_are_fine(settings: Settings, url: str) -> None:
    assert found(settings, REST_URL=url) == []


@pytest.mark.parametrize("missing", ["REST_URL", "REST_TOKEN"])
@pytest.mark.parametrize("value", [None, "", 5])
def test_one_without_the_other_is_an_error(settings: Settings, missing: str, value: Any) -> None:
    if value == 5 and missing == "REST_URL":
        value = b"https://name.upstash.io"
    [error] = found(settings, **{missing: value})
    assert error.id == "caching.E055"
    assert "UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN" in str(error.hint)
    with pytest.raises(ImproperlyConfigured, match="Set both"):
        _ = runtime.redis


def test_a_redis_besides_is_an_error(settings: Settings) -> None:
    [error] = found(settings, REDIS_ALIAS="redis")
    assert error.id == "caching.E056"
    with pytest.raises(ImproperlyConfigured, match="would not hear of each other"):
        _ = runtime.redis


def test_the_package_must_be_installed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_checks, "find_spec", lambda _: None)
    [error] = found(settings)
    assert error.id == "caching.E057"
    assert "pip install 'upstash-redis" in str(error.hint)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://name.upstash.io", "is not https"),
        ("http://10.0.0.7:8079", "is not https"),
        ("redis://name.upstash.io:6379", "is not https"),
        ("name.upstash.io", "names no server"),
        ("https://", "names no server"),
        ("https://name.upstash.io:port", "is no URL"),
        ("https://[name.upstash.io", "is no URL"),
        (f"https://default:{TOKEN}@name.upstash.io", "the token belongs into REST_TOKEN"),
        (f"https://name.upstash.io?_token={TOKEN}", "the token belongs into REST_TOKEN"),
        (f"https://name.upstash.io/#{TOKEN}", "the token belongs into REST_TOKEN"),
    ],
)
def test_the_url_must_be_https_and_no_more_than_a_place(settings: Settings, url: str, why: str) -> None:
    [error] = found(settings, REST_URL=url)
    assert error.id == "caching.E058"
    assert why in error.msg
    assert TOKEN not in f"{error.msg} {error.hint}"
    with pytest.raises(ImproperlyConfigured):
        _ = runtime.redis


def test_a_region_that_waits_for_replicas_is_an_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop, "wait_replicas", 1)
    [error] = found(settings)
    assert (error.id, error.msg) == (
        "caching.E059",
        "Region 'shop' waits for replicas (wait_replicas), which nobody can over REST.",
    )
