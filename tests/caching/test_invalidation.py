"""A writer that Redis does not hear commits all the same: its rows wait beside what it wrote, and its host knows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.test import TestCase

from caching import budget, outbox
from caching.errors import HostFileError, MarkFailed, RedisUnavailable
from caching.models import PendingInvalidation
from caching.runtime import runtime
from tests.caching.conftest import Cable
from tests.caching.outboxes import (
    KEY,
    MARK_SECONDS,
    PENDING,
    VALUE,
    Broken,
    is_bypassed,
    recover,
    relay,
    save,
    shown,
    unnoticed_shop,
    waiting,
)
from tests.conftest import MovableClock
from tests.servers.acl import NAME
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return unnoticed_shop()


# --- before the COMMIT ------------------------------------------------------------------------------------------------


def test_a_writer_cut_off_from_redis_commits_and_leaves_word_in_the_outbox(
    clock: MovableClock, cable: Cable, redis: Any
) -> None:
    assert shown() == "old"
    cable.unplug()
    save("new")
    assert Shop.objects.get().name == "new"
    assert waiting() == [("key", KEY.name)]
    assert redis.exists(VALUE), "other hosts are served the old value until a relay delivers"
    recover(cable, clock)
    assert not redis.exists(VALUE)
    assert waiting() == []
    assert runtime.breaker.closed


def test_until_it_is_delivered_the_host_reads_around_a_redis_that_is_well_again(
    clock: MovableClock, cable: Cable, redis: Any
) -> None:
    shown()
    cable.unplug()
    save("new")
    cable.plug()
    runtime.breaker.close()
    assert redis.exists(VALUE)
    for _ in range(2):
        assert shown() == "new"
    assert shop.counters.local_hits == 0, "nothing is kept either: another host may fill with the old value"
    recover(cable, clock)
    assert not is_bypassed()
    assert [shown(), shown()] == ["new", "new"]
    assert shop.counters.local_hits == 1


def test_records_stand_for_as_long_as_redis_is_away(clock: MovableClock, cable: Cable) -> None:
    cable.unplug()
    save("new")
    for _ in range(5):
        clock.advance(MARK_SECONDS - 1)
        relay().tick()
        assert is_bypassed()


def test_copies_of_other_keys_stay_valid(clock: MovableClock, cable: Cable) -> None:
    Shop.objects.bulk_create([Shop(slug="rival", name="rival")])
    shop.get("rival")
    cable.unplug()
    Shop.objects.filter(slug="corner").update(name="new")
    hits = shop.counters.local_hits
    shop.get("rival")
    assert shop.counters.local_hits == hits + 1


def test_a_writer_waits_for_redis_once_at_most(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    relay()
    asked: list[Any] = []
    assert runtime.redis is not None
    link = type(runtime.redis._link())
    execute = link.execute
    monkeypatch.setattr(link, "execute", lambda *args: (asked.append(args), execute(*args))[1])
    cable.unplug()
    save("new")
    assert len(asked) == 1
    save("newer")
    assert len(asked) == 1, "an open breaker is not even tried"
    assert len(waiting()) == 2


def test_writers_do_not_put_the_next_probe_off(clock: MovableClock, cable: Cable) -> None:
    cable.unplug()
    save("new")
    clock.advance(0.09)
    save("newer")
    clock.advance(0.02)
    assert runtime.breaker.probe_is_due


def test_a_redis_that_refuses_the_mark_is_trusted_no_more_until_it_took_what_waits(
    clock: MovableClock, redis: Any
) -> None:
    shown()
    redis.execute_command("ACL", "SETUSER", NAME, "-zadd")
    try:
        save("new")
        assert not runtime.breaker.closed
        for _ in range(3):
            clock.advance(10)
            relay().tick()
            assert not runtime.breaker.closed, "it answers, and yet cannot be told"
        assert waiting() == [("key", KEY.name)]
    finally:
        redis.execute_command("ACL", "SETUSER", NAME, "+zadd")
    clock.advance(10)
    relay().tick()
    assert runtime.breaker.closed
    assert (waiting(), redis.exists(VALUE)) == ([], 0)


def test_a_refusal_that_is_no_outage_opens_the_breaker_too(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    relay()
    with monkeypatch.context() as patch:
        patch.setattr(runtime.redis, "execute", Broken(RedisUnavailable("a script failed")))
        save("new")
    assert not runtime.breaker.closed


def test_a_request_that_has_waited_in_vain_opens_no_breaker_that_was_closed_meanwhile(redis: Any) -> None:
    relay()
    with budget.request_budget():
        budget.spend()
        save("new")
    assert waiting() == [("key", KEY.name)]
    assert runtime.breaker.closed
    relay().tick()
    assert waiting() == []


def test_a_full_redis_takes_marks(redis: Any) -> None:
    shown()
    redis.config_set("maxmemory", 1)
    try:
        save("new")
    finally:
        redis.config_set("maxmemory", 0)
    assert waiting() == []
    assert shown() == "new"


def test_a_rolled_back_write_leaves_no_row_and_no_bypass(cable: Cable) -> None:
    cable.unplug()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        save("new")
        raise ZeroDivisionError
    assert waiting() == []
    assert not is_bypassed()


def test_a_commit_that_fails_takes_its_rows_with_it_and_may_appear_for_as_long_as_marks_last(
    clock: MovableClock, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    cable.unplug()
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(connections["default"], "_commit", Broken(OperationalError("broken")))
        save("new")
    assert (waiting(), Shop.objects.get().name) == ([], "old")
    relay().tick()
    assert is_bypassed()
    clock.advance(MARK_SECONDS)
    relay().tick()
    assert not is_bypassed()


def test_a_commit_that_arrived_and_broke_the_connection_is_delivered(
    clock: MovableClock, cable: Cable, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown()
    cable.unplug()
    commit = connection._commit

    def commit_and_break() -> None:
        commit()
        raise OperationalError("the connection broke in COMMIT")

    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(connections["default"], "_commit", commit_and_break)
        save("new")
    assert (waiting(), Shop.objects.get().name) == ([("key", KEY.name)], "new")
    recover(cable, clock)
    assert not redis.exists(VALUE)


def test_a_full_table_of_the_host_refuses_the_write_when_redis_is_away(
    cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay()
    cable.unplug()
    monkeypatch.setattr(relay().undelivered, "begin", Broken(HostFileError("full")))
    with pytest.raises(MarkFailed, match=r"refused.*full"):
        save("new")
    assert Shop.objects.get().name == "old"
    assert waiting() == []


def test_an_interrupt_while_the_rows_are_inserted_rolls_back_and_is_forgotten(
    clock: MovableClock, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    cable.unplug()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(outbox, "insert", Broken(KeyboardInterrupt()))
        save("new")
    assert Shop.objects.get().name == "old"
    clock.advance(MARK_SECONDS)
    relay().tick()
    assert not is_bypassed(), "nobody would ever end a commit that is no longer under way"


async def test_an_asynchronous_writer_is_heard_in_the_end_too(clock: MovableClock, cable: Cable, redis: Any) -> None:
    row = await Shop.objects.aget()
    assert (await shop.aget("corner")).name == "old"
    await sync_to_async(cable.unplug)()
    row.name = "new"
    await row.asave()
    assert (await shop.aget("corner")).name == "new"
    assert await sync_to_async(waiting)() == [("key", KEY.name)]
    await sync_to_async(recover)(cable, clock)
    assert not redis.exists(VALUE)


# Where there are no savepoints it commits, and empties the tables behind each test.
@pytest.mark.sql
class InsideATestCase(TestCase):
    """There is no COMMIT in Django's TestCase, and so nothing to tell."""

    @pytest.fixture(autouse=True)
    def without_redis(self, redis_down: None) -> None:
        pass

    def test_nothing_is_put_into_the_outbox(self) -> None:
        save("new")
        assert waiting() == []


# --- after the COMMIT -------------------------------------------------------------------------------------------------


@pytest.fixture
def cut_in_commit(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The cable is pulled while the row is committed; returns what commits have done since."""
    relay()
    commit = connection._commit
    commits: list[str] = []

    def cut() -> None:
        if not commits:
            cable.unplug()
        commits.append("commit")
        commit()

    with monkeypatch.context() as patch:
        patch.setattr(connections["default"], "_commit", cut)
        yield commits


def test_a_mark_that_cannot_be_taken_off_leaves_word_in_the_outbox(
    clock: MovableClock, cable: Cable, redis: Any, cut_in_commit: list[str]
) -> None:
    save("new")
    assert waiting() == [("key", KEY.name)]
    assert redis.zcard(PENDING) == 1
    assert is_bypassed()
    recover(cable, clock)
    assert redis.zcard(PENDING) == 0, "taken off, and not left to run out"
    assert (waiting(), is_bypassed()) == ([], False)


def test_rows_after_the_commit_are_committed_and_disturb_nothing(cut_in_commit: list[str]) -> None:
    called: list[str] = []
    with transaction.atomic():
        transaction.on_commit(lambda: called.append("on_commit"))
        save("new")
    assert cut_in_commit == ["commit", "commit"], "one of their own"
    assert called == ["on_commit"]
    assert connection.get_autocommit()
    assert not connection.in_atomic_block
    seen: list[int] = []

    def look() -> None:
        seen.append(PendingInvalidation.objects.count())
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [1]


def test_rows_that_cannot_be_inserted_after_the_commit_leave_the_marks_to_run_out(
    cut_in_commit: list[str], redis: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[str] = []
    monkeypatch.setattr(outbox, "insert", Broken(DatabaseError("no such table")))
    with transaction.atomic():
        transaction.on_commit(lambda: called.append("on_commit"))
        save("new")
    assert called == ["on_commit"], "a rollback would have forgotten it"
    assert Shop.objects.get().name == "new"
    assert "run out" in caplog.text
    assert "corner" not in caplog.text
    assert redis.zcard(PENDING) == 1
    assert is_bypassed(), "as long as the marks stand"
