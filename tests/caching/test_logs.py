"""Messages stay whole lines, and hold nothing of what errors, keys and rows say."""

from __future__ import annotations

import ast
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.db.models import QuerySet
from redis.exceptions import ResponseError

import caching
from caching import logs, warming
from caching.activity import Batch
from caching.errors import HostFileError, RedisUnavailable
from caching.invalidation import Invalidation
from caching.keys import Key
from caching.logs import described, escaped, logger
from caching.observer import Consumer, Observer
from caching.outbox import Outbox
from caching.refreshing import Refresher, _Job
from caching.runtime import runtime
from caching.stats import Statistics
from tests.caching.outboxes import Broken

PHONE = "+442079460958"
#: What an attacker, a customer or a driver of a database may put into whatever is passed on.
HOSTILE = f"tea\n2026-01-01 ERROR root forged\r\x1b[31mred\x00\u2028\u202etxt {PHONE}"


def database_error() -> OperationalError:
    error = OperationalError(f"duplicate key: Key (phone)=({PHONE}) already exists\nDETAIL: {HOSTILE}")
    error.__cause__ = sqlite3.OperationalError(HOSTILE)
    return error


def plain(record: logging.LogRecord) -> str:
    """All that any handler or formatter may make of a record: its line, its traceback, its fields."""
    line = logging.Formatter("%(message)s").format(record)
    return line + repr({name: each for name, each in vars(record).items() if name != "exc_info"})


# --- each kind of message ---------------------------------------------------------------------------------------------


class Complaining(Consumer):
    def observe(self, batch: Batch) -> None:
        raise database_error()


def breaker_opens(_: pytest.MonkeyPatch) -> None:
    runtime.breaker.trip(HOSTILE.replace(PHONE, ""))


def a_background_load_fails(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("caching.refreshing.drive", Broken(database_error()))
    refresher = Refresher()
    refresher._jobs.put(_Job(Key("shop", HOSTILE, (PHONE,)), lambda: iter(()), lambda: None))
    refresher._jobs.put(None)
    refresher._run()


def marks_cannot_be_taken_off(patch: pytest.MonkeyPatch) -> None:
    invalidation = Invalidation([Key("shop", HOSTILE, (PHONE,))], connection)
    patch.setattr(invalidation, "_insert", Broken(database_error()))
    assert not invalidation._into_outbox_after_commit()


def delivered_rows_cannot_be_removed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(QuerySet, "delete", Broken(database_error()))
    Outbox("default")._remove([])


def a_consumer_fails(_: pytest.MonkeyPatch) -> None:
    observer = Observer()
    observer.consumers = [Complaining()]
    observer.tick()


def statistics_cannot_be_shared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("caching.stats.HostFile", Broken(HostFileError(f"/shm\n{HOSTILE.replace(PHONE, '')}")))
    vars(runtime).pop("statistics", None)
    assert isinstance(runtime.statistics, Statistics)


def local_memory_is_off(_: pytest.MonkeyPatch) -> None:
    runtime._say_off(HostFileError(HOSTILE.replace(PHONE, "")))


def the_relay_fails(_: pytest.MonkeyPatch) -> None:
    from caching.relay import Relay

    Relay()._guarded(Broken(database_error()).__call__)


def the_outbox_cannot_be_read(patch: pytest.MonkeyPatch) -> None:
    from caching.relay import Relay

    relay = Relay()
    patch.setattr(relay.undelivered, "settle", Broken(database_error()))
    relay._settle()


def it_is_not_known_what_redis_was_not_told(patch: pytest.MonkeyPatch) -> None:
    from caching.relay import Relay

    relay = Relay()
    patch.setattr(relay, "_catch_up", Broken(database_error()))
    relay._look_first()


def the_listener_loses_redis(_: pytest.MonkeyPatch) -> None:
    from caching.listener import Listener

    Listener()._lose(ResponseError(HOSTILE))


def the_listener_fails(_: pytest.MonkeyPatch) -> None:
    from caching.listener import Listener

    try:
        raise ValueError(HOSTILE) from database_error()
    except ValueError as error:
        Listener()._lose(error)


def warming_fails(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("caching.operations.cache_load", Broken(database_error()))
    warming.warm_up._run()
    warming.warm_up.reset()


PROVOKED: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    breaker_opens: "redis_left_alone",
    a_background_load_fails: "refresh_failed",
    marks_cannot_be_taken_off: "marks_run_out",
    delivered_rows_cannot_be_removed: "outbox_not_emptied",
    a_consumer_fails: "consumer_failed",
    statistics_cannot_be_shared: "statistics_not_shared",
    local_memory_is_off: "local_memory_off",
    the_relay_fails: "relay_failed",
    the_outbox_cannot_be_read: "outbox_unreadable",
    it_is_not_known_what_redis_was_not_told: "redis_left_alone",
    the_listener_loses_redis: "listening_lost",
    the_listener_fails: "listening_lost",
    warming_fails: "warming_failed",
}


@pytest.mark.django_db
@pytest.mark.parametrize("provoke", PROVOKED, ids=lambda each: each.__name__)
def test_no_message_holds_a_line_end_or_what_an_error_says(
    redis: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, provoke: Any
) -> None:
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO, "caching"):
        provoke(patch)

    [record] = [each for each in caplog.records if each.name == "caching"]
    assert record.event == PROVOKED[provoke]
    assert record.getMessage().isprintable()
    assert PHONE not in plain(record)
    assert "\x1b" not in plain(record)
    assert "already exists" not in plain(record)


# --- how that is done -------------------------------------------------------------------------------------------------


@pytest.fixture
def record(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., logging.LogRecord]]:
    """Log, and return the record."""

    def logged(*arguments: Any, **options: Any) -> logging.LogRecord:
        caplog.clear()
        logger.warning(*arguments, **options)
        return caplog.records[0]

    return logged


def test_named_values_are_fields_of_the_record(record: Callable[..., logging.LogRecord]) -> None:
    said = record("%(count)d of %(what)s", {"count": 3, "what": "a\nb"}, extra={"event": "counted"})

    assert said.getMessage() == "3 of a\\nb"
    assert (said.event, said.count, said.what) == ("counted", 3, "a\\nb")


def test_a_field_does_not_take_the_place_of_what_a_record_is(record: Callable[..., logging.LogRecord]) -> None:
    said = record("%(name)s %(levelname)s", {"name": "root", "levelname": "CRITICAL"})

    assert (said.name, said.levelname) == ("caching", "WARNING")
    assert said.getMessage() == "root CRITICAL"


def test_values_by_position_and_the_message_itself_are_safe(record: Callable[..., logging.LogRecord]) -> None:
    assert record("%s and %d", database_error(), 3).getMessage() == "OperationalError and 3"
    assert record("all of it:\n%s", ["a\nb"]).getMessage() == "all of it:\\n['a\\nb']"
    assert record("100 %").getMessage() == "100 %"


def test_a_traceback_shows_where_and_not_what(record: Callable[..., logging.LogRecord]) -> None:
    try:
        raise IntegrityError(HOSTILE) from database_error()
    except IntegrityError as error:
        written = logging.Formatter().format(record("failed", exc_info=error))

    assert "test_logs.py" in written
    assert written.endswith("Failure: IntegrityError")
    assert PHONE not in written


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain, with spaces and Ümläuts: 茶", "plain, with spaces and Ümläuts: 茶"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x85\u2028\u2029", "\\x85\\u2028\\u2029"),
        ("\u202egpj", "\\u202egpj"),
        ("\ud800", "\\ud800"),
        ("x" * 501, "x" * 500 + "..."),
        ("\n" * 600, "\\n" * 250 + "..."),
    ],
)
def test_what_is_not_printed_is_escaped_and_what_is_endless_is_cut(text: str, safe: str) -> None:
    assert escaped(text) == safe
    assert escaped(safe[:500]) == safe[:500]


def test_errors_are_described_by_their_class_and_code() -> None:
    busy = OperationalError("database is locked")
    busy.__cause__ = sqlite3.OperationalError()
    busy.__cause__.sqlite_errorname = "SQLITE_BUSY"
    unique = IntegrityError(HOSTILE)
    unique.__cause__ = type("UniqueViolation", (Exception,), {"sqlstate": "23505"})(HOSTILE)

    assert described(busy) == "OperationalError (SQLITE_BUSY)"
    assert described(unique) == "IntegrityError (23505)"
    assert described(ConnectionRefusedError(111, "Connection refused")) == "ConnectionRefusedError (ECONNREFUSED)"
    assert described(ValueError(HOSTILE)) == "ValueError"
    assert described(ResponseError("BUSY Valkey is busy running a script.")) == "ResponseError (BUSY)"
    assert described(ResponseError(f"ERR unknown command, with args {HOSTILE}")) == "ResponseError (ERR)"
    assert described(ResponseError(HOSTILE)) == "ResponseError"
    assert described(RedisUnavailable("Redis did not answer: TimeoutError")) == "Redis did not answer: TimeoutError"


# --- all calls --------------------------------------------------------------------------------------------------------

METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(Path(caching.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "logger"
                and node.func.attr in METHODS
            ):
                yield f"{path.name}:{node.lineno}", node


def test_every_message_has_an_event_and_named_values() -> None:
    found = list(calls())

    assert len(found) > 10
    for where, call in found:
        [extra] = [each.value for each in call.keywords if each.arg == "extra"] or [None]
        assert isinstance(extra, ast.Dict), f"{where} has no extra={{'event': ...}}"
        assert [getattr(key, "value", None) for key in extra.keys] == ["event"], where
        [event] = extra.values
        assert not isinstance(event, ast.Constant) or re.fullmatch(r"[a-z]+(_[a-z]+)*", str(event.value)), where
        message = call.args[1 if call.func.attr == "log" else 0]  # type: ignore[attr-defined]
        assert not isinstance(message, ast.JoinedStr), f"{where} puts values into the message itself"
        if isinstance(message, ast.Constant):
            assert not re.search(r"%[^(%]", str(message.value)), f"{where} has values without a name"


def test_all_modules_log_through_the_safe_logger() -> None:
    for path in Path(caching.__file__).parent.rglob("*.py"):
        assert path == Path(logs.__file__) or "getLogger" not in path.read_text(), path.name
