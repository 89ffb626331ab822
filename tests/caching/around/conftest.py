"""A PostgreSQL with the shop's tables, a program that writes there around Django, and what follows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import connections
from environ import Env
from pytest_django.fixtures import Settings

from benchmarks.postgres import PostgresServer
from caching.around.follower import Follower
from caching.around.postgresql import Listener, install
from tests.caching.around.steps import follow_writes
from tests.databases import opened
from tests.shop.models import Dish, Guest, Label, Review, Room, Seat, Shop, Tag, Waiter

PG = "postgresql"

_MODELS = (Shop, Dish, Review, Label, Room, Waiter, Tag, Seat, Guest)


class OnlyTheShop:
    """The database of these tests has no other tables."""

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return app_label == "shop" if db == PG else None


class Program:
    """Another program, which signs in anew for each statement."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __call__(self, statement: str, *values: object) -> None:
        with psycopg.connect(host=self._folder, user="postgres", dbname="postgres") as connection:
            connection.execute(statement, values or None)


@pytest.fixture
def pg(transactional_db: None, postgresql_server: PostgresServer, settings: Settings) -> Iterator[str]:
    """The alias of the database, with the shops `corner` and `rival` in it."""
    settings.DATABASE_ROUTERS = [OnlyTheShop()]
    with opened(PG, dict(Env.db_url_config(postgresql_server.url))):
        with connections[PG].schema_editor() as editor:
            for model in _MODELS:
                editor.create_model(model)
        for slug in ("corner", "rival"):
            Shop.objects.using(PG).create(slug=slug, name="old")
        yield PG
        connections[PG].close()
        with connections[PG].cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


@pytest.fixture
def program(pg: str, postgresql_server: PostgresServer) -> Program:
    return Program(connections[pg].settings_dict["HOST"])


@pytest.fixture
def follower(pg: str) -> Iterator[Follower]:
    """Follows, from now on, by the triggers."""
    install(pg)
    follower = Follower(Listener(pg), pg)
    follower.step()
    yield follower
    follower.close()


@pytest.fixture
def follow(follower: Follower) -> Callable[[int], None]:
    """Return a function that follows so many writes, and fails when fewer are told."""

    return partial(follow_writes, follower)
