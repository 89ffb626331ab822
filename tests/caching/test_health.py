"""What is wrong is found: each finding is right, and the worst one counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from caching import health
from caching.health import Finding, assess, database, host_file, migrations
from caching.hostfile import host_file_path
from caching.models import PendingInvalidation
from caching.outbox import Outbox
from caching.runtime import runtime
from tests.caching.outboxes import Broken
from tests.conftest import MovableClock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_seen_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", set())


def found(name: str) -> Finding:
    [finding] = [each for each in assess().findings if each.name == name]
    return finding


def test_all_is_fine_without_redis() -> None:
    assert [(each.name, each.state) for each in assess().findings] == [
        ("local memory", "fine"),
        ("database", "fine"),
        ("migrations", "fine"),
    ]
    assert assess().state == "fine"


def test_all_is_fine_with_redis(redis: Any) -> None:
    assert {(each.name, each.state) for each in assess().findings} >= {("redis", "fine"), ("outbox", "fine")}
    assert assess().state == "fine"
    assert found("outbox").text == "Nothing waits."


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_a_database_that_does_not_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "refused":
        monkeypatch.setattr(connection, "ensure_connection", Broken(OperationalError("no route to db.internal")))
    else:
        monkeypatch.setattr(connection, "is_usable", lambda: False)

    assert database("default").state == assess().state == "failed"
    assert "db.internal" not in database("default").text


def test_migrations_that_wait_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda self, targets: [(object(), False)] * 2)

    assert migrations("default").state == assess().state == "failed"
    assert migrations("default").text == "2 migrations wait for default: run manage.py migrate --database default."


def test_migrations_that_cannot_be_read_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", Broken(OperationalError("gone")))

    assert migrations("default").text == "Migrations of default cannot be read: OperationalError."


def test_migrations_are_looked_for_until_all_are_there(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(MigrationExecutor, "migration_plan", lambda self, targets: [(object(), False)])
        assert migrations("default").state == "failed"
    assert migrations("default").state == "fine"

    with django_assert_num_queries(0):
        assert migrations("default").state == "fine"


def test_a_foreign_file_fails_for_writes_are_refused() -> None:
    assert host_file().state == "fine"
    path = host_file_path("stamps")
    path.unlink()
    path.symlink_to("/dev/null")

    assert host_file().state == assess().state == "failed"
    assert host_file().text.startswith("Writes are refused: ")

    path.unlink()
    assert host_file().state == "fine"


def test_a_foreign_file_from_the_start_fails_too() -> None:
    host_file_path("stamps").symlink_to("/dev/null")

    assert host_file().state == "failed"


def test_without_a_file_the_rest_works(settings: Settings, tmp_path: Path) -> None:
    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(tmp_path / "missing")}

    assert (host_file().state, assess().state) == ("degraded", "degraded")


def test_a_redis_that_is_away_makes_it_slower(redis_down: None) -> None:
    assert found("redis").state == assess().state == "degraded"
    assert found("redis").text.startswith("Redis is left alone: ")


def test_what_waits_for_redis_makes_it_slower(redis: Any) -> None:
    assert runtime.relay is not None
    PendingInvalidation.objects.create(prefix="fa:", kind="key", name="shop:tea", region="shop", commit_id="1")

    assert found("outbox").state == assess().state == "degraded"
    assert found("outbox").text.startswith("1 invalidation waits for Redis")


def test_an_outbox_that_cannot_be_read_is_a_failure(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "waiting", Broken(OperationalError("gone")))

    assert found("outbox").state == assess().state == "failed"


class Hearing:
    """A listener that begins to listen after so many looks."""

    tracking, heard_until = True, 0.0

    def __init__(self, state: str, looks: int = 0) -> None:
        self._state = state
        self._looks = looks

    def describe(self) -> dict[str, Any]:
        self._looks -= 1
        state = self._state if self._looks < 0 else "connecting"
        return {"state": state, "lag_ms": 1.0, "heard": 0, "reconnects": 0}

    def stop(self) -> None:
        """Nothing runs."""


@pytest.mark.parametrize(
    ("listener", "state"),
    [
        (Hearing("listening"), "fine"),
        (Hearing("without tracking"), "degraded"),
        (Hearing("connecting"), "degraded"),
        (Hearing("listening", looks=20), "fine"),
    ],
)
def test_who_does_not_hear_other_hosts_is_slower_after_a_second_in_which_to_begin(
    redis: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, listener: Hearing, state: str
) -> None:
    monkeypatch.setitem(vars(runtime), "listener", listener)
    began = clock.now()

    assert found("listener").state == state
    assert clock.now() - began <= 1.1
