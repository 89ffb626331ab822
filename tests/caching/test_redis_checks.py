"""Checks of the way to Redis: they say what cannot work, or is not safe, and never a password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage
from pytest_django.fixtures import Settings

from caching.redis_checks import check_redis
from tests.servers.certificates import Authority
from tests.servers.processes import Process
from tests.servers.sentinels import Trio
from tests.servers.tier import Lead, lead
from tests.servers.tls import TlsFront

__all__ = ["lead"]


@pytest.fixture
def trio() -> Iterator[Trio]:
    trio = Trio()
    yield trio
    trio.end()


def found() -> list[tuple[str | None, str]]:
    messages: list[CheckMessage] = check_redis()
    return [(each.id, each.msg) for each in messages]


def configure(settings: Settings, location: str, **options: Any) -> None:
    entry = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location}
    settings.CACHES = {**settings.CACHES, "redis": {**entry, "OPTIONS": {"CONNECTION_POOL_KWARGS": options}}}
    settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis"}


def test_without_redis_nothing_is_said() -> None:
    assert found() == []


def test_a_server_that_serves_is_nothing_to_speak_of(redis: Any, settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}
    assert found() == []


def test_a_server_that_is_away_is_nothing_for_a_check(lead: Lead) -> None:
    lead("redis://127.0.0.1:1/0", BACKGROUND=True, REDIS_BUDGET_SECONDS=0.05)
    assert found() == []


def test_options_that_make_no_connection_are_an_error_without_their_values(settings: Settings) -> None:
    configure(settings, "redis://127.0.0.1:3/0", pasword="secret")
    [(name, text)] = found()
    assert (name, "secret" in text, "TypeError" in text) == ("caching.E075", False, True)


def test_what_coroutines_could_not_verify_is_an_error(settings: Settings) -> None:
    configure(settings, "rediss://127.0.0.1:4/0", ssl_validate_ocsp=True)
    [(name, text)] = found()
    assert name == "caching.E075"
    assert "ssl_validate_ocsp" in text


def test_a_certificate_that_nobody_verifies_is_worth_a_warning(settings: Settings) -> None:
    configure(settings, "rediss://127.0.0.1:5/0", ssl_cert_reqs="none")
    assert [name for name, _ in found()] == ["caching.W075"]
    configure(settings, "rediss://127.0.0.1:6/0", ssl_cert_reqs="required")
    assert found() == []


def test_a_certificate_of_others_is_worth_a_warning_that_says_so(lead: Lead, tmp_path: Path) -> None:
    authority, another = Authority(tmp_path), Authority(tmp_path, "another")
    with Process() as server, TlsFront(server.port, authority) as front:
        lead(f"rediss://127.0.0.1:{front.port}/0?ssl_ca_certs={another.ca}", BACKGROUND=True)
        [(name, text)] = found()
    assert name == "caching.W076"
    assert "certificate is not accepted" in text


def test_a_user_who_is_refused_is_worth_a_warning_without_the_password(lead: Lead, redis: Any) -> None:
    port = redis.connection_pool.connection_kwargs["port"]
    lead(f"redis://fast-access:secret@127.0.0.1:{port}/0", BACKGROUND=True)
    [(name, text)] = found()
    assert (name, "refuses the user" in text, "secret" in text) == ("caching.W076", True, False)


def test_a_primary_under_sentinels_that_would_go_on_alone_is_worth_a_warning(lead: Lead, trio: Trio) -> None:
    lead(trio.url(), BACKGROUND=True)
    assert [name for name, _ in found()] == ["caching.W077"]
    for each in trio.servers:
        each.client.config_set("min-replicas-to-write", 1)
    assert found() == []
