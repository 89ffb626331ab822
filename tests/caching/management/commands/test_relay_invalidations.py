"""`relay_invalidations` delivers what waits, once or until it is told to end."""

from __future__ import annotations

import json
import os
import signal
import threading
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from pytest_django.fixtures import Settings

from caching.keys import Key
from caching.outbox import Outbox, insert
from caching.relay import Relay
from caching.runtime import runtime
from tests.caching.outboxes import Broken, waiting

pytestmark = pytest.mark.django_db(transaction=True)


def put(*slugs: str) -> None:
    insert(connections["default"], [Key("shop", slug) for slug in slugs], commit_id="commit", writer="another")


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.usefixtures("redis")
def test_once_delivers_what_waits_and_says_how_much(settings: Settings, background: bool) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": background}
    put("corner", "rival")
    out = StringIO()
    call_command("relay_invalidations", "--once", stdout=out)
    assert out.getvalue() == "Delivered 2.\n"
    assert waiting() == []


@pytest.mark.usefixtures("redis")
def test_json_says_what_was_delivered_and_what_waits() -> None:
    put("corner", "rival")
    out = StringIO()
    call_command("relay_invalidations", "--once", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"delivered": 2, "waiting": 0}


@pytest.mark.usefixtures("redis_down")
def test_once_without_redis_is_an_error_that_says_what_waits() -> None:
    put("corner")
    with pytest.raises(CommandError, match=r"Not all was delivered: Redis did not answer.* Waiting: 1\.") as caught:
        call_command("relay_invalidations", "--once")
    assert caught.value.returncode == 1


@pytest.mark.usefixtures("redis")
def test_once_without_the_database_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(OperationalError("the database is away"))
    monkeypatch.setattr(Outbox, "deliver", broken)
    monkeypatch.setattr(Outbox, "waiting", broken)
    with pytest.raises(CommandError, match=r"Not all was delivered: OperationalError\. The outbox cannot be read\."):
        call_command("relay_invalidations", "--once")


def test_without_a_redis_there_is_nothing_to_tell() -> None:
    with pytest.raises(CommandError, match="No Redis is configured"):
        call_command("relay_invalidations", "--once")


@pytest.mark.parametrize("written", [[], ["--json"]])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_goes_on_until_it_is_told_to_end(
    redis: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, written: list[str]
) -> None:
    settings.CACHING = {**settings.CACHING, "RELAY_SECONDS": 0.01, "BACKGROUND": True}
    before = signal.getsignal(number)
    rounds: list[int] = []
    threads: set[str] = set()
    tick = Relay.tick

    def put_then_end(self: Relay) -> None:
        threads.update(thread.name for thread in threading.enumerate())
        tick(self)
        rounds.append(len(waiting()))
        if len(rounds) == 1:
            put("corner", "rival")
        if len(rounds) == 3:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Relay, "tick", put_then_end)
    out = StringIO()
    call_command("relay_invalidations", *written, stdout=out)
    assert rounds[:3] == [0, 0, 0]
    assert "caching-relay" not in threads, "it would be done twice"
    if written:
        assert json.loads(out.getvalue()) == {"delivered": 2, "waiting": 0}
    else:
        said = ["Delivering what Redis could not be told. Ctrl-C ends this.", "Ended. Delivered 2."]
        assert out.getvalue().splitlines() == said
    assert signal.getsignal(number) is before
    assert runtime.relay is not None
    assert not runtime.relay.describe()["is_relay"], "others may take over at once"
