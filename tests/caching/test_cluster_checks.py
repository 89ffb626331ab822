"""A Redis Cluster that is configured wrongly is said so at start."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.cluster_checks import check_cluster
from tests.conftest import configure_redis


def ids(settings: Settings, location: Any, **options: Any) -> list[str | None]:
    configure_redis(settings, location, **options)
    return [message.id for message in check_cluster()]


def test_one_server_is_none_of_its_business(settings: Settings) -> None:
    assert ids(settings, "unix:///run/redis.sock?db=3") == []
    assert ids(settings, "redis://one/3", CLUSTER=False) == []


@pytest.mark.parametrize(
    "location", ["redis://one", "rediss://one:1/0,rediss://two:2", ["redis://u:p@one:1/0", "redis://[::1]:2"]]
)
def test_servers_of_a_cluster_are_right(settings: Settings, location: Any) -> None:
    assert ids(settings, location, CLUSTER=True) == []


@pytest.mark.parametrize(
    "location", ["redis://one/3", "unix:///run/redis.sock", [], None, ["redis://one", 7], "redis://one:port", "one:1"]
)
def test_what_names_no_servers_of_a_cluster_is_an_error(settings: Settings, location: Any) -> None:
    assert ids(settings, location, CLUSTER=True) == ["caching.E081"]


def test_a_switch_is_true_or_false(settings: Settings) -> None:
    assert ids(settings, "redis://one", CLUSTER="yes") == ["caching.E080"]


def test_a_cluster_that_django_uses_for_something_else_is_warned_of(settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.SESSION_CACHE_ALIAS = "redis"
    assert ids(settings, "redis://one", CLUSTER=True) == ["caching.W080"]
    settings.SESSION_CACHE_ALIAS = "default"
    assert ids(settings, "redis://one", CLUSTER=True) == []
    settings.CACHES = {**settings.CACHES, "default": settings.CACHES["redis"]}
    settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "default"}
    assert [message.id for message in check_cluster()] == ["caching.W080"]
