"""What the auditor calls old, and what it must not: changes on their way, writers about, values of no fixed kind."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError
from django.db.models import QuerySet

from caching.audit import Judge, Verdict
from caching.consistency import within_seconds
from caching.invalidation import Invalidation
from caching.keys import Key
from caching.runtime import runtime
from caching.stamps import region_slot
from caching.transactions import atomic
from tests.caching.auditing import TEA, counted, heard, named, settle
from tests.caching.operators import rename_unnoticed, shop_of
from tests.caching.stepping import forget_here
from tests.conftest import MovableClock
from tests.shop.cached import ShopCopy, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def tea(tiers: str, clock: MovableClock) -> Shop:
    """A shop whose name is cached, in both tiers."""
    row = shop_of("tea", "old")
    assert named() == "old"
    return row


@pytest.fixture
def judge() -> Judge:
    return Judge()


# --- what is old ------------------------------------------------------------------------------------------------------


def test_a_hit_that_is_what_the_database_has_is_consistent(judge: Judge) -> None:
    assert judge.look(TEA) is Verdict.CONSISTENT
    assert (counted(), judge.holds) == ((1, 0), 0)


def test_what_is_served_though_the_database_has_another_is_a_violation(judge: Judge, clock: MovableClock) -> None:
    rename_unnoticed()

    with heard() as alarms:
        assert judge.look(TEA) is Verdict.SUSPECT
        assert (counted(), alarms) == ((0, 0), [])
        assert settle(judge, clock) is Verdict.VIOLATION

    assert counted() == (1, 1)
    assert [(each.region, each.org, each.key, each.evicted) for each in alarms] == [("shop", "tea", TEA.name, True)]
    assert alarms[0].seconds > 0


def test_a_violation_is_evicted_and_the_next_read_is_fresh(judge: Judge, clock: MovableClock) -> None:
    rename_unnoticed()
    assert named() == "old"
    judge.look(TEA)
    settle(judge, clock)

    assert named() == "new"
    assert judge.look(TEA) is Verdict.CONSISTENT


def test_redis_alone_is_audited_where_nothing_is_kept_here(tiers: str, judge: Judge, clock: MovableClock) -> None:
    rename_unnoticed()
    forget_here()

    looked = judge.look(TEA)
    if tiers == "with Redis":
        assert looked is Verdict.SUSPECT
        assert settle(judge, clock) is Verdict.VIOLATION
    else:
        assert looked is Verdict.ABSENT


def test_a_row_that_was_not_there_and_is_now_is_found(judge: Judge, clock: MovableClock) -> None:
    assert named("cake") is None
    QuerySet(Shop).bulk_create([Shop(slug="cake", name="new")])

    judge.look(Key("shop", "cake"))

    assert settle(judge, clock, Key("shop", "cake")) is Verdict.VIOLATION
    assert named("cake") == "new"


def test_a_row_that_is_gone_is_found(judge: Judge, clock: MovableClock) -> None:
    QuerySet(Shop).filter(pk="tea")._raw_delete("default")

    judge.look(TEA)

    assert settle(judge, clock) is Verdict.VIOLATION
    assert named() is None


def test_a_list_is_audited_as_it_is_composed_and_evicted_with_its_items(
    tea: Shop, judge: Judge, clock: MovableClock, tiers: str
) -> None:
    Dish.objects.create(shop=tea, name="soup")
    key = Key("menu", "tea")
    assert [each.name for each in menu.get("tea").results] == ["soup"]  # type: ignore[union-attr]
    assert judge.look(key) is Verdict.CONSISTENT
    if tiers == "with Redis":
        forget_here()
        assert judge.look(key) is Verdict.CONSISTENT
        menu.get("tea")
    # Without another version: nothing but the bytes tells.
    QuerySet(Dish).update(name="stew")

    judge.look(key)

    assert settle(judge, clock, key) is Verdict.VIOLATION
    assert [each.name for each in menu.get("tea").results] == ["stew"]  # type: ignore[union-attr]
    assert counted(menu)[1] == 1


# --- what is not ------------------------------------------------------------------------------------------------------


def test_a_change_on_its_way_is_no_alarm(judge: Judge, clock: MovableClock) -> None:
    rename_unnoticed()
    judge.look(TEA)

    with heard() as alarms:
        # Its writer comes to the end of its commit.
        assert settle(judge, clock, before=lambda: shop.invalidate("tea")) is Verdict.CONSISTENT
    assert (counted(), alarms) == ((1, 0), [])


def test_a_change_that_was_cached_meanwhile_is_no_alarm(judge: Judge, clock: MovableClock) -> None:
    rename_unnoticed()
    judge.look(TEA)

    def arrive() -> None:
        shop.invalidate("tea")
        assert named() == "new"

    assert settle(judge, clock, before=arrive) is Verdict.CONSISTENT
    assert counted() == (1, 0)


def test_a_change_that_was_taken_back_is_no_alarm(judge: Judge, clock: MovableClock) -> None:
    rename_unnoticed(name="new")
    judge.look(TEA)

    assert settle(judge, clock, before=lambda: rename_unnoticed(name="old")) is Verdict.CONSISTENT
    assert counted() == (1, 0)


def test_there_and_back_and_there_again_is_looked_at_anew(tea: Shop, judge: Judge, clock: MovableClock) -> None:
    rename_unnoticed(name="new")
    judge.look(TEA)

    def flip() -> None:
        # By the time it looks, the same two values stand where they stood; but there was a writer.
        tea.save()
        assert named() == "old"
        rename_unnoticed(name="new")

    with heard() as alarms:
        assert settle(judge, clock, before=flip) is Verdict.UNDECIDED
    assert (counted(), alarms) == ((0, 0), [])


def test_what_stays_old_when_the_writers_are_gone_is_found_still(tea: Shop, judge: Judge, clock: MovableClock) -> None:
    rename_unnoticed(name="new")
    judge.look(TEA)
    flips = iter([True])

    def flip_once() -> None:
        if next(flips, False):
            tea.save()
            assert named() == "old"
            rename_unnoticed(name="new")

    assert settle(judge, clock, before=flip_once) is Verdict.VIOLATION


def test_a_region_whose_values_are_never_the_same_is_undecided(
    judge: Judge, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(range(100))
    monkeypatch.setattr(shop, "_load", lambda org, using: ShopCopy(slug=org, name=f"{next(names)}"))

    assert judge.look(TEA) is Verdict.SUSPECT
    assert settle(judge, clock) is Verdict.UNDECIDED
    assert (counted(), judge.holds) == ((0, 0), 0)


def test_a_verdict_that_comes_too_late_is_none(judge: Judge, clock: MovableClock) -> None:
    rename_unnoticed()
    judge.look(TEA)
    shop.invalidate("tea")
    clock.advance(within_seconds() + 0.1)

    assert judge.judge() == [(TEA, Verdict.UNDECIDED)]
    assert counted() == (0, 0)


def test_a_violation_is_one_however_late_it_is_found(judge: Judge, clock: MovableClock) -> None:
    rename_unnoticed()
    judge.look(TEA)
    clock.advance(within_seconds() + 60)

    assert settle(judge, clock) is Verdict.VIOLATION


def test_nothing_cached_is_nothing_to_judge(judge: Judge) -> None:
    shop.clear()

    assert judge.look(TEA) is Verdict.ABSENT
    assert (counted(), judge.reads) == ((0, 0), 0)


def test_a_key_under_a_writer_that_was_killed_is_no_hit(judge: Judge) -> None:
    # It dies behind its COMMIT, and before it could say so.
    Invalidation([TEA]).begin()
    rename_unnoticed()
    assert named() == "new"

    assert judge.look(TEA) is Verdict.ABSENT


def test_what_redis_has_is_no_hit_while_it_has_not_heard_of_a_write(judge: Judge) -> None:
    # As a writer does who cannot reach Redis: until what waits in the outbox is delivered, the host knows better.
    assert runtime.stamps is not None
    runtime.stamps.pend([region_slot("shop")])
    forget_here()
    rename_unnoticed()

    assert judge.look(TEA) is Verdict.ABSENT


def test_an_expired_value_that_stands_in_is_no_hit(judge: Judge, clock: MovableClock, settings: Any) -> None:
    options = {"local_ttl": 10, "redis_ttl": 10, "stale_for": 600}
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": options}, "LOCAL_TTL_WITHOUT_TRACKING": 3000}
    runtime.clock = clock
    shop.invalidate("tea")
    assert named() == "old"
    rename_unnoticed()

    clock.advance(11)

    assert judge.look(TEA) is Verdict.ABSENT


def test_inside_a_transaction_nothing_is_judged(judge: Judge) -> None:
    rename_unnoticed()

    with atomic():
        assert judge.look(TEA) is Verdict.UNDECIDED
    assert (judge.reads, judge.holds) == (0, 0)


@pytest.mark.parametrize("error", [DatabaseError("row of Jane Doe"), ZeroDivisionError("Jane Doe")])
def test_a_loader_that_fails_is_no_alarm_and_quotes_nobody(
    judge: Judge,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    rename_unnoticed()
    judge.look(TEA)

    def fail(*_: Any, using: str) -> None:
        raise error

    monkeypatch.setattr(shop, "_load", fail)

    assert settle(judge, clock) is Verdict.UNDECIDED
    assert judge.look(TEA) is Verdict.UNDECIDED
    assert counted() == (0, 0)
    assert type(error).__qualname__ in caplog.text
    assert "Jane" not in caplog.text


def test_one_key_is_one_suspect(judge: Judge) -> None:
    rename_unnoticed()
    judge.look(TEA)
    judge.look(TEA)

    assert judge.holds == 1
