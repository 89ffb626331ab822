"""Engines that cannot keep the cache's promises are refused, each with the way out."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.mongodb_checks import check_engines, check_transactions
from tests.caching.mongodb.conftest import connected
from tests.servers.mongod import Mongod

URL = "mongodb://127.0.0.1/shop?replicaSet=rs0"


def _found(settings: Settings, **database: Any) -> list[tuple[str, str]]:
    # Only looked at: nothing connects to it.
    databases = {"default": {"HOST": "", **database}}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("caching.mongodb_checks.settings", type("Settings", (), {"DATABASES": databases}))
        return [(each.id, f"{each.msg} {each.hint}") for each in check_engines()]


def test_djongo_is_refused_with_the_way_out(settings: Settings) -> None:
    ((id_, text),) = _found(settings, ENGINE="djongo")
    assert id_ == "caching.E065"
    assert "pip install django-mongodb-backend" in text
    assert "caching.mongodb" in text


def test_the_plain_backend_is_refused(settings: Settings) -> None:
    ((id_, text),) = _found(settings, ENGINE="django_mongodb_backend", HOST=URL)
    assert id_ == "caching.E066"
    assert "caching.mongodb" in text


@pytest.mark.parametrize(
    "database",
    [
        {"HOST": f"{URL}&readPreference=secondaryPreferred"},
        {"HOST": URL, "OPTIONS": {"readPreference": "nearest"}},
        {"HOST": f"{URL}&readpreference=primary", "OPTIONS": {"read_preference": "secondary"}},
    ],
    ids=["in the URL", "in OPTIONS", "OPTIONS come first"],
)
def test_a_database_that_is_written_to_is_read_from_its_primary(settings: Settings, database: dict[str, Any]) -> None:
    assert [id_ for id_, _ in _found(settings, ENGINE="caching.mongodb", **database)] == ["caching.E067"]


@pytest.mark.parametrize("url", [URL, f"{URL}&readPreference=primary", "mongodb+srv://cluster.example.com/shop"])
def test_a_primary_is_as_it_should_be(settings: Settings, url: str) -> None:
    assert _found(settings, ENGINE="caching.mongodb", HOST=url) == []


@pytest.mark.django_db(transaction=True)
def test_a_standalone_server_is_refused_and_a_replica_set_is_not() -> None:
    with Mongod(replica_set=False) as alone, connected(alone.url()) as connection:
        ((error),) = check_transactions(databases=["mongo", "default"])
        connection.close_pool()
    assert error.id == "caching.E068"
    assert "--replSet" in error.msg
    with Mongod() as server, connected(server.url()) as connection:
        assert check_transactions(databases=["mongo"]) == []
        connection.close_pool()
