"""A real mongod beside the database of the run, with the corner shop in it under the alias `mongo`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from caching.mongodb.base import DatabaseWrapper
from tests.servers.mongod import Mongod
from tests.shop.models import Dish, Guest, HeadWaiter, Label, Review, Room, Shop, Waiter

ALIAS = "mongo"


@pytest.fixture(scope="session")
def mongod() -> Iterator[Mongod]:
    with Mongod() as server:
        yield server


def opened(url: str, alias: str = ALIAS, **options: Any) -> DatabaseWrapper:
    """Make a connection of this thread's own; Django wants connections that tests make to be made like this."""
    database = {"ENGINE": "caching.mongodb", "HOST": url, "NAME": "", "OPTIONS": options}
    return DatabaseWrapper(connections.configure_settings({"default": {}, alias: database})[alias], alias)


@contextmanager
def connected(url: str) -> Iterator[DatabaseWrapper]:
    """Open the database under its alias in this thread."""
    connections[ALIAS] = connection = opened(url)
    try:
        yield connection
    finally:
        connection.close()
        del connections[ALIAS]


@pytest.fixture(scope="session")
def collections(mongod: Mongod, django_db_blocker: DjangoDbBlocker) -> list[str]:
    """The corner shop's collections, with their indexes."""
    connection = opened(mongod.url("shop"), alias="schema")
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            for model in (Shop, Dish, Review, Label, Room, Waiter, HeadWaiter, Guest):
                editor.create_model(model)
        names: list[str] = connection.introspection.table_names()
        connection.close_pool()
    return names


@pytest.fixture
def mongo(mongod: Mongod, collections: list[str], transactional_db: None) -> Iterator[DatabaseWrapper]:
    """The connection; at the end of the test nothing is left of what it wrote."""
    with connected(mongod.url("shop")) as connection:
        yield connection
        connection.close()
        connection.ops.execute_sql_flush(collections)
        connection.close_pool()


@pytest.fixture
def elsewhere(mongod: Mongod, mongo: DatabaseWrapper) -> Callable[[Callable[[], Any]], Any]:
    """Runs a function in another thread, which has a connection of its own, and returns what it returned."""

    def run(function: Callable[[], Any]) -> Any:
        returned: list[Any] = []

        def body() -> None:
            with connected(mongod.url("shop")):
                returned.append(function())

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        return returned[0]

    return run
