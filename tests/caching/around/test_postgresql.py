"""A real PostgreSQL, which another program writes to: the next read after each write was followed is fresh."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import OperationalError, connections

from benchmarks.postgres import PostgresServer
from caching.around import follower as following
from caching.around.checks import check_triggers
from caching.around.follower import Follower
from caching.around.postgresql import Listener, install, remove, states
from caching.errors import CachingError
from caching.registry import registry
from caching.transactions import atomic
from tests.caching.around.conftest import Program
from tests.faults.waiting import eventually
from tests.shop.cached import dish, labels, menu, section, shop, tagged, tally
from tests.shop.models import Dish, Label, Review, Seat, Shop, Tag, Waiter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql]

Follow = Callable[[int], None]


def _sessions_that_listened(pg: str) -> int:
    with connections[pg].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_backend_pid()'")
        (count,) = cursor.fetchone()
    return int(count)


def _dish(pg: str, org: str = "corner", name: str = "old", kind: str | None = "soup") -> UUID:
    return Dish.objects.using(pg).create(shop_id=org, name=name, kind=kind).pk


def _name(pg: str, slug: str = "corner") -> str:
    copy = shop.get(slug, using=pg)
    assert copy is not None
    return copy.name


def _menu(pg: str, org: str) -> list[str]:
    listing = menu.get(org, using=pg)
    return [each.name for each in listing.results]


def _count(pg: str, org: str, kind: str) -> int:
    copy = tally.get(org, kind, using=pg)
    assert copy is not None
    return copy.dishes


def test_an_update_makes_stale_its_row_and_no_other(
    tiers: str, pg: str, program: Program, follower: Follower, follow: Follow
) -> None:
    assert (_name(pg), _name(pg, "rival")) == ("old", "old")
    program("UPDATE shop_shop SET name = 'new' WHERE slug = 'corner'")
    assert _name(pg) == "old", "nobody has told the cache yet"
    follow(1)
    hits = shop.counters.local_hits
    assert _name(pg, "rival") == "old"
    assert shop.counters.local_hits == hits + 1
    assert _name(pg) == "new"


def test_a_row_that_moves_changes_the_lists_of_both_parents(
    tiers: str, pg: str, program: Program, follower: Follower, follow: Follow
) -> None:
    pk = _dish(pg)
    follow(1)
    assert (_menu(pg, "corner"), _menu(pg, "rival")) == (["old"], [])
    assert (_count(pg, "corner", "soup"), _count(pg, "rival", "soup")) == (1, 0)
    program("UPDATE shop_dish SET shop_id = 'rival' WHERE id = %s", pk)
    follow(1)
    assert (_menu(pg, "corner"), _menu(pg, "rival")) == ([], ["old"])
    assert (_count(pg, "corner", "soup"), _count(pg, "rival", "soup")) == (0, 1)


def test_a_key_that_a_row_leaves_is_stale_though_its_value_is_not_told(
    pg: str, program: Program, follower: Follower, follow: Follow
) -> None:
    pk = _dish(pg)
    follow(1)
    assert (_count(pg, "corner", "soup"), _count(pg, "corner", "cake")) == (1, 0)
    program("UPDATE shop_dish SET kind = 'cake' WHERE id = %s", pk)
    follow(1)
    assert (_count(pg, "corner", "soup"), _count(pg, "corner", "cake")) == (0, 1)


def test_writes_that_are_followed_late_are_all_seen(
    pg: str, program: Program, follower: Follower, follow: Follow
) -> None:
    assert (_count(pg, "corner", "soup"), _count(pg, "corner", "cake"), _count(pg, "rival", "cake")) == (0, 0, 0)
    pk = uuid4()
    insert = "INSERT INTO shop_dish (id, version, shop_id, name, kind) VALUES (%s, 1, 'corner', 'new', 'soup')"
    program(insert, pk)
    assert _count(pg, "corner", "cake") == 0
    program("UPDATE shop_dish SET kind = 'cake' WHERE id = %s", pk)
    program("UPDATE shop_dish SET shop_id = 'rival' WHERE id = %s", pk)
    follow(3)
    assert (_count(pg, "corner", "soup"), _count(pg, "corner", "cake"), _count(pg, "rival", "cake")) == (0, 0, 1)


def test_a_deleted_row_is_gone_from_all_that_showed_it(
    tiers: str, pg: str, program: Program, follower: Follower, follow: Follow
) -> None:
    pk = _dish(pg)
    Review.objects.using(pg).create(dish_id=pk, stars=3)
    follow(2)
    copy = dish.get("corner", pk, using=pg)
    assert copy is not None
    assert copy.stars == 3
    assert (_menu(pg, "corner"), _count(pg, "corner", "soup")) == (["old"], 1)
    program("DELETE FROM shop_review")
    follow(1)
    copy = dish.get("corner", pk, using=pg)
    assert copy is not None
    assert copy.stars == 0
    program("DELETE FROM shop_dish WHERE id = %s", pk)
    follow(1)
    assert dish.get("corner", pk, using=pg) is None
    assert (_menu(pg, "corner"), _count(pg, "corner", "soup")) == ([], 0)


def test_another_primary_key_is_another_row(pg: str, program: Program, follower: Follower, follow: Follow) -> None:
    assert (_name(pg), shop.get("renamed", using=pg)) == ("old", None)
    program("UPDATE shop_shop SET slug = 'renamed' WHERE slug = 'corner'")
    follow(1)
    assert (_name(pg, "renamed"), shop.get("corner", using=pg)) == ("old", None)


def test_rows_of_a_relation_are_followed(pg: str, program: Program, follower: Follower, follow: Follow) -> None:
    seat = Seat.objects.using(pg).create(shop_id="corner", number=7, waiter=None, second=None)
    tag = Tag.objects.using(pg).create(text="window")
    follow(2)
    assert tagged.get("corner", tag.pk, using=pg).texts == ()
    program("INSERT INTO shop_seat_tags (seat_id, tag_id) VALUES (%s, %s)", seat.pk, tag.pk)
    follow(1)
    assert tagged.get("corner", tag.pk, using=pg).texts == ("7",)
    program("DELETE FROM shop_seat_tags")
    follow(1)
    assert tagged.get("corner", tag.pk, using=pg).texts == ()


def test_an_update_of_other_fields_is_passed_over(
    pg: str, program: Program, follower: Follower, follow: Follow
) -> None:
    _count(pg, "corner", "soup")
    program("UPDATE shop_shop SET name = 'new'")
    follow(2)
    hits = tally.counters.local_hits
    _count(pg, "corner", "soup")
    assert tally.counters.local_hits == hits + 1
    program("UPDATE shop_shop SET rate = 5")
    follow(2)
    assert tally.get("corner", "soup", using=pg).rate == 5


def test_truncate_clears_what_depends_on_the_table(
    tiers: str, pg: str, program: Program, follower: Follower, follow: Follow
) -> None:
    Label.objects.using(pg).create(shop_id="corner", text="old")
    follow(1)
    assert labels.get("corner", using=pg).texts == ("old",)
    program("TRUNCATE shop_label")
    follow(1)
    assert labels.get("corner", using=pg).texts == ()


def test_what_is_too_long_to_be_told_clears_what_depends_on_the_table(
    pg: str, program: Program, follower: Follower, follow: Follow
) -> None:
    program("ALTER TABLE shop_waiter ALTER name TYPE text")
    program("ALTER TABLE shop_seat ALTER waiter_id TYPE text")
    Waiter.objects.using(pg).create(name="ann")
    seat = Seat.objects.using(pg).create(shop_id="corner", number=7, waiter_id="ann", second=None)
    follow(1)
    assert section.get("corner", "ann", using=pg).texts == ("7",)
    program("INSERT INTO shop_waiter (name) SELECT repeat('x', 9000)")
    program("UPDATE shop_seat SET waiter_id = repeat('x', 9000) WHERE id = %s", seat.pk)
    follow(1)
    assert section.get("corner", "ann", using=pg).texts == ()


def test_very_many_writes_at_once_clear_what_depends_on_the_table(
    pg: str, program: Program, follower: Follower, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_MOST_CHANGES", 1)
    monkeypatch.setattr(following, "stale", lambda *_: pytest.fail("each row was looked at"))
    assert (_name(pg), _name(pg, "rival")) == ("old", "old")
    program("UPDATE shop_shop SET name = 'new'")
    follow(2)
    assert (_name(pg), _name(pg, "rival")) == ("new", "new")


@pytest.mark.parametrize(
    "payload", ["not ours", '{"table": "shop_shop", "version": "another", "new": {"slug": "rival"}}']
)
def test_what_is_not_understood_clears(
    pg: str, program: Program, follower: Follower, follow: Follow, payload: str
) -> None:
    assert _name(pg) == "old"
    program("ALTER TABLE shop_shop DISABLE TRIGGER USER")
    program("UPDATE shop_shop SET name = 'new'")
    channel = _channel(pg)
    program("SELECT pg_notify(%s, %s)", channel, payload)
    follow(1)
    assert _name(pg) == "new"


def _channel(pg: str) -> str:
    with connections[pg].cursor() as cursor:
        cursor.execute("SELECT DISTINCT tgargs FROM pg_trigger WHERE tgname LIKE 'caching_%%_row'")
        return bytes(cursor.fetchone()[0]).split(b"\0")[0].decode()


def test_payloads_tell_keys_of_rows_and_nothing_else(pg: str, program: Program, follower: Follower) -> None:
    channel = _channel(pg)
    with psycopg.connect(
        host=connections[pg].settings_dict["HOST"], user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f'LISTEN "{channel}"')
        pk = _dish(pg, name="my name", kind="my phone")
        program("UPDATE shop_dish SET kind = 'my other phone'")
        payloads = [each.payload for each in connection.notifies(timeout=30, stop_after=2)]
    assert len(payloads) == 2
    for payload in payloads:
        assert str(pk) in payload
        assert "corner" in payload
        assert "my" not in payload


def test_lists_are_told_of_after_their_items(
    pg: str, program: Program, follower: Follower, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(following, "invalidate", lambda items, using: told.extend(item.region for item in items))
    follower.close()
    follower.step()
    assert {*told[-2:]} == {"menu", "plan"}
    assert "dish" in told


# --- losing the place -------------------------------------------------------------------------------------------------


def test_what_was_written_before_it_listens_is_cleared(tiers: str, pg: str, program: Program) -> None:
    assert _name(pg) == "old"
    install(pg)
    program("UPDATE shop_shop SET name = 'new'")
    assert _name(pg) == "old"
    follower = Follower(Listener(pg), pg)
    follower.step()
    follower.close()
    assert _name(pg) == "new"


def test_a_killed_server_clears_what_may_have_been_written_unheard(
    tiers: str, pg: str, program: Program, follower: Follower, follow: Follow, postgresql_server: PostgresServer
) -> None:
    assert _name(pg) == "old"
    postgresql_server.stop()
    try:
        for _ in range(2):
            with pytest.raises(OperationalError):
                follower.step()
    finally:
        postgresql_server.start()
    program("UPDATE shop_shop SET name = 'unheard'")
    assert _name(pg) == "old"
    follower.step()
    assert _name(pg) == "unheard"
    program("UPDATE shop_shop SET name = 'heard' WHERE slug = 'corner'")
    follow(1)
    assert _name(pg) == "heard"


def test_it_does_not_follow_inside_a_transaction(pg: str, follower: Follower) -> None:
    with atomic(pg), pytest.raises(CachingError, match="inside a transaction"):
        follower.step()


# --- triggers ---------------------------------------------------------------------------------------------------------


def test_behind_a_pooler_which_passes_nothing_on_it_refuses(
    pg: str, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower.close()
    # As a pooler does, of which the server has not heard.
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _: 1))
    with pytest.raises(CachingError, match="a DATABASE_URL that leads to the server itself"):
        follower.step()
    monkeypatch.undo()
    eventually(lambda: _sessions_that_listened(pg) == 0, "it should have closed its connection")
    assert follower.step() == 0


def test_triggers_may_be_installed_twice_and_are_told_of_once(
    pg: str, program: Program, follower: Follower, follow: Follow
) -> None:
    install(pg)
    assert set(states(pg).values()) == {"installed"}
    program("UPDATE shop_shop SET name = 'new' WHERE slug = 'corner'")
    follow(1)


def test_removed_triggers_leave_nothing_behind(pg: str, program: Program) -> None:
    install(pg)
    assert "shop_dish" in remove(pg)
    assert set(states(pg).values()) == {"missing"}
    assert remove(pg) == []
    with connections[pg].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'caching%%'")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM pg_proc WHERE proname LIKE 'caching%%'")
        assert cursor.fetchone() == (0,)
    program("UPDATE shop_shop SET name = 'new'")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE shop_shop DISABLE TRIGGER USER",
        'DROP TRIGGER "{}_truncate" ON shop_shop',
        'DROP TRIGGER "{}_row" ON shop_shop',
    ],
)
def test_triggers_that_do_not_tell_all_are_outdated(pg: str, program: Program, change: str) -> None:
    install(pg)
    program(change.format(_channel(pg)))
    assert {table for table, state in states(pg).items() if state == "outdated"} == {"shop_shop"}


def test_triggers_of_tables_that_nothing_depends_on_any_more_go(pg: str) -> None:
    install(pg)
    registry.remove(labels)
    try:
        install(pg)
        assert "shop_label" not in states(pg)
        assert set(states(pg).values()) == {"installed"}
        with connections[pg].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop_label'::regclass AND NOT tgisinternal"
            )
            # Its own foreign key's are internal.
            assert cursor.fetchone() == (0,)
    finally:
        registry.add(labels)
    assert states(pg)["shop_label"] == "missing"
    assert [each.id for each in check_triggers([pg])] == ["caching.W070"]
    install(pg)
    assert check_triggers([pg]) == []


def test_without_triggers_nobody_is_told_to_make_some(pg: str) -> None:
    assert check_triggers([pg]) == []


@pytest.mark.parametrize("name", ["default"])
def test_another_kind_of_database_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(connections[name], "vendor", "sqlite")
    with pytest.raises(CachingError, match="requirements-postgresql"):
        install(name)
    with pytest.raises(CachingError, match="requirements-postgresql"):
        states(name)


def test_shops_of_django_are_followed_too(pg: str, follow: Follow) -> None:
    Shop.objects.using(pg).filter(pk="corner").update(name="new")
    follow(1)
    assert _name(pg) == "new"
