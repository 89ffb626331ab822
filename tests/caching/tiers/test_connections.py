"""Connections to servers of every shape: TLS, unix sockets, users, and classes of a project's own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings
from redis.asyncio.sentinel import SentinelManagedSSLConnection as AsyncManagedSSLConnection
from redis.connection import Connection
from redis.sentinel import SentinelManagedSSLConnection

from caching.breaker import Breaker
from caching.clock import Clock
from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.scripts import command
from caching.tiers.connections import Connections
from caching.tiers.redis import RedisTier
from tests.caching.hearing import listen, write_elsewhere
from tests.caching.stepping import KEY
from tests.caching.test_listener_thread import stamp
from tests.faults.waiting import eventually
from tests.servers.certificates import Authority
from tests.servers.processes import Process
from tests.servers.tier import Lead, lead
from tests.servers.tls import TlsFront

__all__ = ["lead"]

_ECHO = "what was asked"
_USER = "user site on >its%2Fword ~* &* +@all".replace("%2F", "/")


class Named(Connection):
    """A class of a project's own."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server() -> Iterator[Process]:
    with Process(_USER) as server:
        yield server


@pytest.fixture
def secure_url(server: Process, authority: Authority) -> Iterator[str]:
    """The address of that server behind TLS, which asks clients for a certificate."""
    certificate, key = authority.give("client")
    files = f"ssl_ca_certs={authority.ca}&ssl_certfile={certificate}&ssl_keyfile={key}"
    with TlsFront(server.port, authority) as front:
        yield f"rediss://site:its%2Fword@127.0.0.1:{front.port}/0?{files}"


def tier() -> RedisTier:
    assert runtime.redis is not None
    return runtime.redis


def echo() -> object:
    return tier().execute([command("ECHO", _ECHO)]).values[0]


def aecho() -> object:
    async def ask() -> object:
        return (await tier().aexecute([command("ECHO", _ECHO)])).values[0]

    return asyncio.run(ask())


def test_tls_is_spoken_by_threads_and_loops_with_a_certificate_of_ones_own(lead: Lead, secure_url: str) -> None:
    lead(secure_url)
    assert (echo(), aecho()) == (_ECHO.encode(), _ECHO.encode())
    assert tier().execute([command("ACL", "WHOAMI")]).values == [b"site"]


def test_much_comes_through_tls_in_one_piece(lead: Lead, secure_url: str) -> None:
    lead(secure_url)
    big = b"x" * 3_000_000
    tier().execute([command("SET", "big", big)])
    assert tier().execute([command("GET", "big")] * 2).values == [big, big]

    async def ask() -> list[object]:
        return (await tier().aexecute([command("GET", "big")] * 2)).values

    assert asyncio.run(ask()) == [big, big]


def test_changes_are_heard_through_tls(lead: Lead, secure_url: str, server: Process) -> None:
    lead(secure_url)
    listen()
    before = stamp()
    write_elsewhere(server.client, KEY)
    eventually(lambda: stamp() != before)


@pytest.mark.parametrize("ask", [echo, aecho])
def test_a_server_whose_certificate_is_of_others_is_left_alone_and_the_log_says_why_once(
    ask: object, lead: Lead, secure_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lead(secure_url.replace("authority.pem", "another.pem"))
    Authority(tmp_path, "another")
    assert callable(ask)
    with pytest.raises(RedisUnavailable, match="certificate is not accepted"), caplog.at_level(logging.WARNING):
        ask()
    with pytest.raises(RedisUnavailable, match="left alone"):
        ask()
    assert not runtime.breaker.closed
    (said,) = [each for each in caplog.records if each.name == "caching"]
    assert "its certificate is not accepted" in said.getMessage()


def test_a_client_without_a_certificate_where_one_is_asked_for_is_refused(lead: Lead, secure_url: str) -> None:
    lead(secure_url.partition("&")[0])
    with pytest.raises(RedisUnavailable):
        echo()


@pytest.mark.parametrize("ask", [echo, aecho])
def test_a_wrong_password_is_said_and_not_repeated(ask: object, lead: Lead, server: Process) -> None:
    lead(f"redis://site:another-word@127.0.0.1:{server.port}/0")
    assert callable(ask)
    with pytest.raises(RedisUnavailable, match="refuses the user or the password") as caught:
        ask()
    assert "another-word" not in str(caught.value)


def test_a_socket_of_the_machine_serves_threads_loops_and_the_listener(lead: Lead, tmp_path: Path) -> None:
    with Process(f"unixsocket {tmp_path / 'redis.sock'}", _USER) as server:
        lead(f"unix://site:its%2Fword@{tmp_path / 'redis.sock'}?db=3")
        assert (echo(), aecho()) == (_ECHO.encode(), _ECHO.encode())
        tier().execute([command("SET", "here", "1")])
        assert server.client.info("keyspace")["db3"]["keys"] == 1
        listen()
        before = stamp()
        write_elsewhere(server.client, KEY)
        eventually(lambda: stamp() != before)


def configure(settings: Settings, location: str, **options: object) -> Connections:
    entry = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}
    settings.CACHES = {**settings.CACHES, "redis": entry}
    return Connections("redis")


def test_a_connection_class_and_options_of_a_projects_own_are_kept(settings: Settings) -> None:
    connections = configure(
        settings,
        "redis://127.0.0.1:1/7?client_name=till",
        USERNAME="site",
        PASSWORD="word",
        CONNECTION_POOL_KWARGS={"connection_class": Named, "socket_keepalive": True, "retry_on_timeout": True},
    )
    connection, twin = connections.blocking(), connections.asynchronous()
    assert type(connection) is Named
    for each in (connection, twin):
        assert (each.username, each.password, each.db, each.client_name) == ("site", "word", 7, "till")
        assert each.socket_keepalive
        assert each.retry.get_retries() == 0


def test_sentinels_with_tls_in_the_address_get_connections_that_ask_them(settings: Settings) -> None:
    connections = configure(
        settings,
        "rediss://service/0",
        CLIENT_CLASS="django_redis.client.SentinelClient",
        CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory",
        SENTINELS=[("127.0.0.1", 1)],
    )
    assert type(connections.blocking()) is SentinelManagedSSLConnection
    assert type(connections.asynchronous()) is AsyncManagedSSLConnection


def test_what_only_threads_could_verify_is_not_left_out_by_loops(settings: Settings) -> None:
    settings.CACHES = {
        **settings.CACHES,
        "redis": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "rediss://127.0.0.1:2/0",
            "OPTIONS": {"CONNECTION_POOL_KWARGS": {"ssl_validate_ocsp": True}},
        },
    }

    async def ask() -> None:
        await RedisTier("redis", Breaker(Clock())).aexecute([])

    with pytest.raises(RedisUnavailable, match="ssl_validate_ocsp"):
        asyncio.run(ask())
