"""What a pooler takes from sessions of PostgreSQL is said before the site starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from django.db import connections
from environ import Env

from benchmarks.postgres import PostgresServer
from restaurant.postgresql import check_sessions, with_pool
from tests.databases import opened

pytestmark = pytest.mark.django_db(transaction=True)

PG = "postgresql"


@pytest.fixture
def open_(transactional_db: None, postgresql_server: PostgresServer) -> Iterator[Callable[..., None]]:
    """Open the database with an address that has this query."""
    with ExitStack() as stack:

        def opening(query: str = "") -> None:
            database: dict[str, Any] = {**Env.db_url_config(f"{postgresql_server.url}{query}")}
            with_pool(database, 2)
            stack.enter_context(opened(PG, database))

        yield opening


def said() -> list[str]:
    return [str(message.id) for message in check_sessions([PG])]


def stand_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the driver be told, as by a pooler, of another session than the one that the server has."""
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _: 1))


def test_the_sites_own_settings_give_no_reason_to_warn(open_: Callable[..., None]) -> None:
    open_()
    assert said() == []
    assert check_sessions() == []


def test_sessions_that_wait_for_ever_are_said(open_: Callable[..., None]) -> None:
    open_("?conn_max_age=0")
    assert said() == ["restaurant.W001"]


def test_cursors_of_the_server_behind_a_pooler_are_said(
    open_: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_between(monkeypatch)
    open_("?conn_max_age=0&options=-c%20lock_timeout=5s")
    assert said() == ["restaurant.W002"]


def test_behind_a_pooler_that_the_address_reckons_with_nothing_is_said(
    open_: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_between(monkeypatch)
    open_("?conn_max_age=0&disable_server_side_cursors=true&options=-c%20lock_timeout=5s")
    assert said() == []


def test_a_server_out_of_reach_is_nobodys_concern_here(open_: Callable[..., None]) -> None:
    open_("?conn_max_age=0")
    connections[PG].settings_dict["HOST"] = "/nowhere"
    assert said() == []
