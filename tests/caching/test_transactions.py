"""What a transaction does to the cache: nothing before COMMIT, everything around it, nothing after a rollback."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import Error, OperationalError, connection, connections, transaction
from django.db.models import QuerySet
from django.db.utils import InterfaceError
from django.test import TestCase

from caching import outbox
from caching.epochs import guard_names, wide_names
from caching.errors import HostFileError, MarkFailed, RedisUnavailable
from caching.hostfile import host_file_path
from caching.invalidation import Invalidation
from caching.keys import Key
from caching.runtime import runtime
from caching.stamps import region_slot
from caching.transactions import note, open_notes, wrap_connection
from tests.shop.cached import dish, shop, tally
from tests.shop.models import Dish, Shop

KEY = Key("shop", "corner")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="old")


def test_until_the_commit_others_keep_their_copy(tiers: str, corner: Shop) -> None:
    shop.get("corner")
    seen: list[str] = []
    with transaction.atomic():
        corner.name = "new"
        corner.save()
        thread = threading.Thread(target=lambda: seen.append(shop.get("corner").name))
        thread.start()
        thread.join()
    assert seen == ["old"]
    assert shop.counters.local_hits == 1
    assert shop.get("corner").name == "new"


def test_a_rolled_back_write_leaves_no_trace(tiers: str, corner: Shop) -> None:
    shop.get("corner")
    invalidations = shop.counters.invalidations
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        corner.name = "new"
        corner.save()
        raise ZeroDivisionError
    assert shop.get("corner").name == "old"
    assert (shop.counters.local_hits, shop.counters.invalidations) == (1, invalidations)
    assert not open_notes


@pytest.mark.sql
def test_a_rolled_back_savepoint_invalidates_needlessly_and_nothing_worse(tiers: str, corner: Shop) -> None:
    shop.get("corner")
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            corner.name = "new"
            corner.save()
            raise ZeroDivisionError
        assert shop.get("corner").name == "old"
    assert shop.get("corner").name == "old"


def test_a_commit_hook_already_reads_the_new_value(tiers: str, corner: Shop) -> None:
    shop.get("corner")
    seen: list[str] = []
    with transaction.atomic():
        corner.name = "new"
        corner.save()
        transaction.on_commit(lambda: seen.append(shop.get("corner").name))
    assert seen == ["new"]


def test_a_commit_hook_that_raises_does_not_keep_the_cache_stale(tiers: str, corner: Shop) -> None:
    shop.get("corner")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        transaction.on_commit(lambda: 1 // 0)
        corner.name = "new"
        corner.save()
    assert shop.get("corner").name == "new"


def test_the_marks_stand_during_the_commit(redis: Any, corner: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    marks: list[int] = []
    commit = connection._commit
    monkeypatch.setattr(
        connections["default"], "_commit", lambda: (marks.append(redis.zcard(guard_names(KEY)[2])), commit())
    )
    corner.save()
    assert marks == [1]
    assert redis.zcard(guard_names(KEY)[2]) == 0


def test_a_commit_that_raises_leaves_the_marks_to_run_out(
    redis: Any, corner: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.get("corner")

    def broken() -> None:
        raise OperationalError("the connection broke in COMMIT")

    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(connections["default"], "_commit", broken)
        corner.save()
    assert redis.zcard(guard_names(KEY)[2]) == 1
    assert runtime.stamps is not None
    assert runtime.stamps.pending_slots()
    assert shop.get("corner").name == "old"
    assert not redis.exists(guard_names(KEY)[0])


def test_a_write_that_neither_redis_nor_the_outbox_can_be_told_of_fails_and_keeps_the_old_row(
    redis: Any, corner: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(commands: Any) -> None:
        raise RedisUnavailable("gone")

    def broken(*args: Any, **kwargs: Any) -> None:
        raise InterfaceError("the connection broke")

    with monkeypatch.context() as patch, pytest.raises(MarkFailed, match=r"gone, .* could not be used: InterfaceError"):
        patch.setattr(runtime.redis, "execute", silent)
        patch.setattr(outbox, "insert", broken)
        corner.name = "new"
        corner.save()
    assert Shop.objects.get().name == "old"
    assert shop.get("corner").name == "old"
    assert runtime.stamps is not None
    runtime.relay.tick()
    assert not runtime.stamps.pending_slots()


def test_a_full_table_of_writers_fails_the_write(corner: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(slots: Any) -> None:
        raise HostFileError("full")

    with monkeypatch.context() as patch, pytest.raises(MarkFailed, match="full"):
        patch.setattr(runtime.stamps, "pend", full)
        corner.name = "new"
        corner.save()
    assert Shop.objects.get().name == "old"


def test_an_interrupt_while_marking_rolls_back(corner: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Invalidation) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Invalidation, "begin", interrupted)
        corner.name = "new"
        corner.save()
    assert Shop.objects.get().name == "old", "Django commits when anything but a DatabaseError leaves commit()"


def test_marks_that_cannot_be_taken_off_at_all_run_out_and_the_write_stands(
    redis: Any, corner: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tier = runtime.redis
    assert tier is not None
    execute, calls = tier.execute, []

    def broken(*args: Any, **kwargs: Any) -> None:
        raise InterfaceError("the connection broke")

    def silent_after_the_mark(commands: Any) -> Any:
        calls.append(commands)
        if len(calls) > 1:
            raise RedisUnavailable("gone")
        return execute(commands)

    with monkeypatch.context() as patch:
        patch.setattr(tier, "execute", silent_after_the_mark)
        patch.setattr(outbox, "insert", broken)
        corner.name = "new"
        corner.save()
    assert "run out" in caplog.text
    assert "corner" not in caplog.text
    assert shop.get("corner").name == "new"
    assert not redis.exists(guard_names(KEY)[0]), "nobody fills while the mark stands"


def test_many_keys_of_one_organisation_become_one_wide_mark(
    redis: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "WIDE_MARK_ABOVE": 3}
    dishes = [Dish(shop_id="corner", name=f"dish {number}") for number in range(5)]
    sent: list[Any] = []
    tier = runtime.redis
    assert tier is not None
    execute = tier.execute
    monkeypatch.setattr(tier, "execute", lambda commands: (sent.append(commands), execute(commands))[1])
    Dish.objects.bulk_create(dishes)
    marks = [command for command in sent[0] if f"{{corner}}:{dish.name}" in str(command.words)]
    assert [command.words[1] for command in marks] == [wide_names(Key(dish.name, "corner").scope)[0]]
    for each in dishes:
        assert dish.get("corner", each.pk).name == each.name
    Dish.objects.update(kind="x")
    assert {each.version for each in dish.get_many([("corner", each.pk) for each in dishes]).values()} == set(
        Dish.objects.values_list("version", flat=True)
    )


def test_a_write_that_is_committed_already_invalidates_at_once(tiers: str, corner: Shop) -> None:
    shop.get("corner")
    QuerySet(Shop).update(name="raw")
    note("default", [KEY])
    assert shop.get("corner").name == "raw"


def test_invalidating_by_hand_inside_a_transaction_acts_again_at_its_commit(tiers: str, corner: Shop) -> None:
    shop.get("corner")
    with transaction.atomic():
        QuerySet(Shop).update(name="raw")
        shop.invalidate("corner")
        thread = threading.Thread(target=shop.get, args=("corner",))
        thread.start()
        thread.join()
        assert shop.get("corner").name == "raw"
    assert shop.get("corner").name == "raw"


def test_invalidating_an_organisation_by_hand_takes_all_its_keys(tiers: str) -> None:
    tally.get("corner", "soup")
    tally.get("corner", "tart")
    QuerySet(Shop).update(rate=7)
    tally.invalidate_org("corner")
    assert [tally.get("corner", kind).rate for kind in ("soup", "tart")] == [7, 7]


def test_async_to_sync_inside_a_transaction_sees_the_transactions_own_write(tiers: str, corner: Shop) -> None:
    shop.get("corner")
    with transaction.atomic():
        corner.name = "mine"
        corner.save()
        assert async_to_sync(shop.aget)("corner").name == "mine"
        transaction.set_rollback(True)
    assert async_to_sync(shop.aget)("corner").name == "old"


def test_a_connection_that_is_closed_forgets_its_notes(corner: Shop) -> None:
    transaction.set_autocommit(False)
    note("default", [KEY])
    assert open_notes
    connection.close()
    assert not open_notes


def test_a_reconnected_connection_is_wrapped_once(corner: Shop) -> None:
    connection.close()
    connection.connect()
    wrapped = connection.commit
    wrap_connection(connections["default"])
    assert connection.commit is wrapped


def test_an_error_of_the_rollback_itself_still_forgets_the_notes(corner: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise InterfaceError("gone")

    transaction.set_autocommit(False)
    note("default", [KEY])
    with monkeypatch.context() as patch, pytest.raises(Error):
        patch.setattr(connections["default"], "_rollback", broken)
        connection.rollback()
    assert not open_notes
    connection.rollback()
    transaction.set_autocommit(True)


# Where there are no savepoints it commits, and empties the tables behind each test.
@pytest.mark.sql
class InsideATestCase(TestCase):
    """Django's TestCase never commits, so the cache must neither fill nor be invalidated by what happens in it."""

    @classmethod
    def setUpTestData(cls) -> None:
        Shop.objects.create(slug="inside", name="old")

    def test_reads_see_the_tests_own_rows_and_nothing_is_kept(self) -> None:
        assert shop.get("inside").name == "old"
        Shop.objects.filter(slug="inside").update(name="new")
        assert shop.get("inside").name == "new"
        assert (runtime.local.entries if runtime.local else None) == {}
        assert shop.counters.invalidations == 0


def test_a_commit_of_very_many_keys_announces_whole_regions(
    tiers: str, corner: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caching.invalidation._MAX_RECORDS", 1)
    write = Invalidation([KEY, Key("shop", "rival"), Key("menu", "corner")])
    write.begin()
    assert runtime.stamps is not None
    assert runtime.stamps.pending_slots() == {region_slot("shop"), region_slot("menu")}
    shop.get("corner")
    assert runtime.local is not None
    assert not runtime.local.entries
    write.finish()
    assert not runtime.stamps.pending_slots()


def test_nothing_is_filled_while_a_query_of_this_thread_is_unfinished(tiers: str, corner: Shop) -> None:
    Dish.objects.bulk_create([Dish(shop_id="corner", name=f"dish {number}") for number in range(300)])
    unfinished = Dish.objects.iterator(chunk_size=1)
    next(unfinished)
    writer = threading.Thread(target=lambda: (Shop.objects.update(name="new"), connection.close()))
    writer.start()
    writer.join()
    shop.get("corner")
    assert len(list(unfinished)) == 299
    assert shop.get("corner").name == "new"
    hits = shop.counters.local_hits
    shop.get("corner")
    assert shop.counters.local_hits == hits + 1, "after the query, reads fill again"


@pytest.mark.parametrize("what", ["a readable file", "a link"])
def test_a_foreign_file_in_the_place_of_the_stamps_refuses_writes_and_leaves_reads_right(
    tiers: str, corner: Shop, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop.get("corner")
    path = host_file_path("stamps")
    path.unlink()
    if what == "a link":
        path.symlink_to("/dev/null")
    else:
        path.write_bytes(b"x")
        path.chmod(0o644)
    corner.name = "new"
    for _ in range(2):
        with pytest.raises(MarkFailed, match="refused"):
            corner.save()
    assert Shop.objects.get().name == shop.get("corner").name == "old"
    assert "Local memory is off" in caplog.text
    path.unlink()
    corner.save()
    assert Shop.objects.get().name == shop.get("corner").name == "new"
    shop.get("corner")
    assert shop.counters.local_hits > 0
