"""A server warms itself behind its first requests, and serves even if it cannot."""

from __future__ import annotations

import logging

import pytest
from django.db import DatabaseError, connections
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from caching import operations
from caching.models import CacheEvent
from caching.warming import warm_in_background
from tests.caching.operators import shop_of
from tests.shop import cached


@pytest.fixture
def at_start(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "WARM_AT_START": True}


def finish() -> None:
    thread = warm_in_background()
    assert thread is not None
    assert thread.daemon
    thread.join(60)
    assert not thread.is_alive()


def test_nothing_is_warmed_unless_the_setting_says_so() -> None:
    assert warm_in_background() is None


@pytest.mark.usefixtures("at_start")
@pytest.mark.django_db(transaction=True)
def test_hot_keys_are_loaded_counted_and_not_recorded(
    caplog: pytest.LogCaptureFixture, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    shop_of()
    caplog.set_level(logging.INFO, "caching")

    finish()

    with django_assert_num_queries(0):
        assert cached.shop.get("tea") is not None
    assert "Warmed 1 values" in caplog.text
    assert "'shop': 1" in caplog.text
    assert not CacheEvent.objects.exists()


@pytest.mark.usefixtures("at_start")
@pytest.mark.parametrize("failure", [None, DatabaseError("no such table")])
def test_the_thread_closes_its_connections_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: Exception | None
) -> None:
    closed = []
    monkeypatch.setattr(connections, "close_all", lambda: closed.append(True))

    def load() -> dict[str, int]:
        if failure is not None:
            raise failure
        return {}

    monkeypatch.setattr(operations, "cache_load", load)

    finish()

    assert closed == [True]
    assert ("The cache was not warmed." in caplog.text) is (failure is not None)


@pytest.mark.usefixtures("redis_down", "at_start")
def test_without_redis_the_server_says_so_and_goes_on(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.CACHING = {**settings.CACHING, "WARM_AT_START": True}

    finish()

    assert "The cache was not warmed: Nothing was warmed: Redis did not answer" in caplog.text
