"""What waits in the database for Redis: in which order it is delivered, and that nothing is removed before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from caching import outbox
from caching.epochs import guard_names, wide_names
from caching.errors import RedisUnavailable
from caching.keys import Key, Scope
from caching.marks import Clear, Item
from caching.models import PendingInvalidation
from caching.outbox import Outbox, Waiting, insert
from caching.runtime import runtime
from caching.tiers.redis import RedisTier

KEY = Key("shop", "corner")
pytestmark = pytest.mark.django_db(transaction=True)


def put(*items: Item, writer: str = "me") -> None:
    insert(connections["default"], items, commit_id="commit", writer=writer)


def names() -> list[str]:
    return list(PendingInvalidation.objects.values_list("name", flat=True))


@pytest.fixture
def tier(redis: Any) -> RedisTier:
    assert runtime.redis is not None
    return runtime.redis


@pytest.fixture
def told(tier: RedisTier, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What Redis was told: for each round trip, the first key of each command."""
    trips: list[list[str]] = []
    execute = tier.execute

    def noted(commands: Any, *, probe: bool = False) -> Any:
        trips.append([each.words[1] for each in commands])
        return execute(commands, probe=probe)

    monkeypatch.setattr(tier, "execute", noted)
    return trips


def value_of(key: Key) -> str:
    return guard_names(key)[0]


def test_a_row_says_all_that_a_relay_needs(settings: Settings) -> None:
    put(KEY, Scope("menu", "corner"), Clear(None, None), Clear("shop", "corner"))
    rows = PendingInvalidation.objects.order_by("kind", "name")
    assert [(row.kind, row.name, row.region) for row in rows] == [
        ("clear", "e:", ""),
        ("clear", "e:s:{corner}:shop", "shop"),
        ("key", "{corner}:shop", "shop"),
        ("scope", "{corner}:menu", "menu"),
    ]
    assert {(row.prefix, row.commit_id, row.writer) for row in rows} == {("fa:", "commit", "me")}
    assert timezone.now() - rows[0].created < timedelta(minutes=1)


def test_lists_are_told_after_the_items_they_are_made_of(tier: RedisTier, told: list[list[str]]) -> None:
    dishes = [Key("dish", "corner", (number,)) for number in range(50)]
    put(Key("menu", "corner"), *dishes, Scope("plan", "corner"))
    Outbox("default").deliver(tier)
    [[*items, menu, plan]] = told
    assert items == [value_of(key) for key in dishes]
    assert (menu, plan) == (value_of(Key("menu", "corner")), wide_names(Scope("plan", "corner"))[0])


def test_any_number_of_rows_is_inserted() -> None:
    many = [Key("shop", f"shop-{number}") for number in range(1000)]
    put(*many)
    assert set(names()) == {key.name for key in many}


def test_what_waits_is_delivered_and_removed(tier: RedisTier, redis: Any) -> None:
    redis.set(value_of(KEY), "old")
    put(KEY)
    assert Outbox("default").deliver(tier) == 1
    assert not redis.exists(value_of(KEY))
    assert names() == []
    assert Outbox("default").deliver(tier) == 0


def test_a_row_may_be_delivered_any_number_of_times(
    tier: RedisTier, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(KEY, Scope("menu", "corner"), Clear(None, None))
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "_remove", lambda self, rows: None)
        assert [Outbox("default").deliver(tier) for _ in range(2)] == [3, 3]
    assert Outbox("default").deliver(tier) == 3
    assert names() == []


def test_the_oldest_goes_first_many_in_a_round_trip(
    tier: RedisTier, told: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_BATCH", 2)
    keys = [Key("shop", f"shop-{number}") for number in range(5)]
    put(*keys)
    now = timezone.now()
    # Two of one moment: their ids decide, and none is left out.
    for key, age in zip(keys, (1, 3, 2, 3, 3), strict=True):
        PendingInvalidation.objects.filter(name=key.name).update(created=now - timedelta(seconds=age))
    assert Outbox("default").deliver(tier) == 5
    assert [len(trip) for trip in told] == [2, 2, 1]
    said = [name for trip in told for name in trip]
    assert set(said[:3]) == {value_of(keys[1]), value_of(keys[3]), value_of(keys[4])}
    assert said[3:] == [value_of(keys[2]), value_of(keys[0])]
    assert names() == []


def test_what_redis_has_not_heard_stays(tier: RedisTier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_BATCH", 2)
    put(*(Key("shop", f"shop-{number}") for number in range(5)))
    execute, trips = tier.execute, []

    def dying(commands: Any, *, probe: bool = False) -> Any:
        trips.append(commands)
        if len(trips) == 2:
            raise RedisUnavailable("gone")
        return execute(commands, probe=probe)

    with monkeypatch.context() as patch, pytest.raises(RedisUnavailable):
        patch.setattr(tier, "execute", dying)
        Outbox("default").deliver(tier)
    assert len(names()) == 3
    assert Outbox("default").deliver(tier) == 3


def test_what_goes_on_coming_holds_nobody_up(tier: RedisTier, monkeypatch: pytest.MonkeyPatch) -> None:
    execute, trips = tier.execute, []

    def another_comes(commands: Any, *, probe: bool = False) -> Any:
        trips.append(commands)
        assert len(trips) < 5, "it would never end"
        put(KEY)
        return execute(commands, probe=probe)

    put(KEY)
    monkeypatch.setattr(tier, "execute", another_comes)
    assert Outbox("default").deliver(tier) == 1


def test_what_cannot_be_removed_is_delivered_all_the_same_and_complained_of_once(
    tier: RedisTier, told: list[list[str]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox, "_BATCH", 2)
    put(*(Key("shop", f"shop-{number}") for number in range(3)))
    box = Outbox("default")

    def refused(self: Any) -> None:
        raise OperationalError("deadlock detected")

    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "delete", refused)
        assert [box.deliver(tier) for _ in range(3)] == [3, 3, 3]
    assert caplog.text.count("could not be removed: OperationalError") == 1
    assert box.deliver(tier) == 3
    assert names() == []


def test_another_project_in_the_same_database_delivers_its_own(tier: RedisTier, redis: Any, settings: Settings) -> None:
    put(KEY)
    PendingInvalidation.objects.update(prefix="theirs:")
    box = Outbox("default")
    assert (box.deliver(tier), box.waiting(), box.holds("me", "shop")) == (0, Waiting(0, None), False)
    assert names() == [KEY.name]


def test_it_has_much_when_it_has_more_than_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_BATCH", 2)
    put(KEY, KEY)
    assert not Outbox("default").has_much()
    put(KEY)
    assert Outbox("default").has_much()


def test_a_writer_is_told_whether_its_own_rows_wait() -> None:
    put(KEY, writer="me")
    put(Key("menu", "corner"), writer="other")
    box = Outbox("default")
    assert [box.holds("me", region) for region in ("shop", "menu")] == [True, False]
    put(Clear(None, "corner"), writer="me")
    assert box.holds("me", "menu"), "a clear of all regions is of this one, too"


def test_it_tells_how_much_waits_and_since_when() -> None:
    box = Outbox("default")
    assert box.waiting() == Waiting(0, None)
    put(KEY, Key("menu", "corner"))
    first = PendingInvalidation.objects.earliest("created").created
    assert box.waiting() == Waiting(2, first)


def test_a_database_that_is_not_migrated_yet_holds_nothing_and_is_asked_for_no_rows(
    tier: RedisTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Outbox("default")
    with monkeypatch.context() as patch, CaptureQueriesContext(connection) as queries:
        patch.setattr(connection.introspection, "table_names", lambda *_, **__: ["other"])
        assert (box.deliver(tier), box.waiting(), box.holds("me", "shop")) == (0, Waiting(0, None), False)
    assert len(queries) == 0
    put(KEY)
    assert box.deliver(tier) == 1
    with CaptureQueriesContext(connection) as queries:
        box.deliver(tier)
    assert len(queries) == 1, "the table is looked for until it is there"


def test_rows_go_into_the_transaction_that_is_open_and_leave_it_usable() -> None:
    connection.set_autocommit(False)
    put(KEY)
    assert connection.needs_rollback is connection.in_atomic_block is False
    connection.rollback()
    connection.set_autocommit(True)
    assert names() == []


def test_rows_go_through_the_connection_that_commits_even_if_it_is_not_the_thread_s_own() -> None:
    another = connections["default"].copy()
    try:
        another.set_autocommit(False)
        insert(another, [KEY], commit_id="commit", writer="me")
        assert names() == [], "seen before the COMMIT it would be delivered too early"
        another.commit()
        assert names() == [KEY.name]
    finally:
        another.close()


def test_a_database_to_which_the_routers_do_not_let_the_table_has_no_outbox(settings: Settings) -> None:
    assert outbox.aliases() == ["default"]
    settings.DATABASE_ROUTERS = [f"{__name__}.NoTable"]
    assert outbox.aliases() == []


class NoTable:
    """Keeps the outbox out of every database."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return app_label != "caching"
