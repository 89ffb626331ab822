"""Secrets in names of keys that cannot work, are being changed, or are others elsewhere, are said at start."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pytest_django.fixtures import Settings

from caching.fleet import Fleet, HostFigures
from caching.key_secret_checks import check_key_secrets
from caching.key_secrets import secret_ids
from caching.runtime import runtime
from tests.conftest import MovableClock

GOOD, OTHER = "a secret of thirty-two characters", "another one of thirty-two characters"


def found(settings: Settings, **changed: Any) -> list[str | None]:
    settings.CACHING = {**settings.CACHING, **changed}
    return [message.id for message in check_key_secrets()]


@pytest.mark.parametrize("right", [None, [GOOD], (GOOD, OTHER)])
def test_what_is_right_is_not_complained_of(settings: Settings, right: Any) -> None:
    assert found(settings, KEY_SECRETS=right) == []


@pytest.mark.parametrize("wrong", [GOOD, [], [GOOD, "short"], [b"x" * 32], {GOOD: 1}, 5], ids=repr)
def test_what_is_wrong_is_said_without_the_secret(settings: Settings, wrong: Any) -> None:
    assert found(settings, KEY_SECRETS=wrong) == ["caching.E054"]
    assert all(GOOD not in message.msg for message in check_key_secrets())


def test_changing_the_secret_key_is_a_warning_unless_names_have_a_secret_of_their_own(
    redis: Any, settings: Settings
) -> None:
    settings.SECRET_KEY_FALLBACKS = ["the one before"]
    assert found(settings) == ["caching.W050"]
    assert found(settings, KEY_SECRETS=[GOOD]) == []
    assert found(settings, KEY_SECRETS=None, REDIS_ALIAS=None) == []


def told_by_another(redis: Any, *secrets: str, age: float = 0.0) -> None:
    figures = HostFigures(
        id="other", host="zoo", process=7, at=runtime.clock.wall() - age, numbers={}, secrets=tuple(secrets)
    )
    redis.hset("fa:fleet", "other", msgspec.json.encode(figures))


@pytest.mark.django_db(transaction=True)
def test_a_host_with_another_secret_is_an_error_while_it_is_at_work(redis: Any, settings: Settings) -> None:
    ours = secret_ids()[0]
    # The check asks Redis only where there may be threads, as those of Redis do.
    for secrets, age, expected in (
        (["another"], 0.0, ["caching.E054"]),
        (["another", ours], 0.0, ["caching.E054"]),
        ([ours, "another"], 0.0, []),
        ([ours], 0.0, []),
        ([], 0.0, []),
        (["another"], 20.0, []),
    ):
        told_by_another(redis, *secrets, age=age)
        assert found(settings, BACKGROUND=True) == expected, secrets
    runtime.reset()


@pytest.mark.django_db(transaction=True)
def test_a_running_process_says_so_once_a_minute(
    redis: Any, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    told_by_another(redis, "another")
    fleet = Fleet()
    for _ in range(3):
        fleet.lead()
        clock.advance(4)
        told_by_another(redis, "another")
    said = [(record.event, record.hosts) for record in caplog.records if record.levelname == "ERROR"]
    assert said == [("key_secrets_differ", "zoo")]
    clock.advance(60)
    told_by_another(redis, "another")
    fleet.lead()
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 2
    caplog.clear()
    told_by_another(redis, *secret_ids())
    clock.advance(60)
    fleet.lead()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
