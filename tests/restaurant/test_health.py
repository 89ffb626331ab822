"""What load balancers are told: cheaply, of what counts, and nothing that strangers should not know."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import AsyncClient, Client
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from caching import health
from caching.hostfile import host_file_path
from caching.runtime import runtime
from caching.warming import WarmUpState, warm_up
from tests.caching.outboxes import Broken
from tests.conftest import MovableClock

pytestmark = pytest.mark.django_db
GOOD = {"database": "ok", "migrations": "ok", "writes": "ok", "warm-up": "ok"}


def ready(client: Client) -> tuple[int, Any]:
    answer = client.get("/health/ready")
    return answer.status_code, answer.json()


def test_a_process_that_answers_lives_and_asks_nobody(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for way in ("ensure_connection", "cursor", "is_usable"):
        monkeypatch.setattr(connection, way, Broken(OperationalError("gone")))

    answer = client.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


def test_a_process_that_can_work_is_ready(client: Client) -> None:
    assert ready(client) == (200, {"status": "ready", "checks": GOOD, "redis": "not configured"})


def test_a_second_look_asks_no_tables(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    ready(client)

    # SQLite's way to say that it is usable is no query at all.
    with django_assert_num_queries(0):
        assert ready(client)[0] == 200


def test_without_its_database_it_is_not(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "is_usable", lambda: False)

    code, told = ready(client)

    assert (code, told["status"]) == (503, "not ready")
    assert told["checks"] == {**GOOD, "database": "failed"}


def test_with_migrations_to_come_it_is_not(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", set())
    monkeypatch.setattr("caching.health.MigrationExecutor.migration_plan", lambda self, targets: [(object(), False)])

    assert ready(client)[1]["checks"] == {**GOOD, "migrations": "failed"}


def test_while_it_must_refuse_writes_it_is_not(client: Client) -> None:
    host_file_path("stamps").symlink_to("/dev/null")

    assert ready(client)[1]["checks"] == {**GOOD, "writes": "failed"}


def test_without_local_memory_it_is_all_the_same(client: Client, settings: Settings, tmp_path: Any) -> None:
    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(tmp_path / "missing")}

    assert ready(client)[0] == 200


def test_while_it_warms_itself_it_is_not_until_that_has_taken_too_long(
    client: Client, settings: Settings, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "WARM_BOUND_SECONDS": 30}
    runtime.clock = clock
    monkeypatch.setattr(warm_up, "state", WarmUpState.WARMING)
    monkeypatch.setattr(warm_up, "_began", clock.now())
    assert ready(client) == (
        503,
        {"status": "not ready", "checks": {**GOOD, "warm-up": "failed"}, "redis": "not configured"},
    )

    clock.advance(31)

    assert ready(client)[0] == 200


def test_redis_is_told_of_and_does_not_count(client: Client, redis: object) -> None:
    assert ready(client) == (200, {"status": "ready", "checks": GOOD, "redis": "in use"})

    runtime.breaker.trip("a test")

    assert ready(client) == (200, {"status": "ready", "checks": GOOD, "redis": "left alone"})


@pytest.mark.parametrize("address", ["/health/live", "/health/ready"])
def test_strangers_learn_no_names_and_no_reasons(client: Client, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(connection, "ensure_connection", Broken(OperationalError("no route to db.internal")))

    answer = client.get(address)

    told = answer.content.decode() + str(dict(answer.headers))
    for secret in ("db.internal", socket.gethostname(), "Error", str(host_file_path("stamps").parent)):
        assert secret not in told
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies


@pytest.mark.parametrize("address", ["/health/live", "/health/ready"])
@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/rss+xml", "nonsense"])
def test_the_answer_is_json_whatever_is_asked_for(client: Client, address: str, accept: str) -> None:
    answer = client.get(f"{address}?format=rss", headers={"Accept": accept})

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert client.head(address).status_code == 200
    assert client.post(address).status_code == 405


@pytest.mark.parametrize("address", ["/health/live", "/health/ready"])
def test_load_balancers_may_ask_by_plain_http(client: Client, settings: Settings, address: str) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert client.get(address).status_code == 200
    assert client.get("/api/docs/").status_code == 301


def test_nobody_is_throttled(client: Client) -> None:
    assert {client.get("/health/live").status_code for _ in range(200)} == {200}


@pytest.mark.django_db(transaction=True)
async def test_coroutines_are_answered_too(async_client: AsyncClient) -> None:
    assert (await async_client.get("/health/live")).status_code == 200
    assert (await async_client.get("/health/ready")).json()["checks"] == GOOD
