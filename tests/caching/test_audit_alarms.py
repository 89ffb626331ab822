"""What happens when the auditor has found an old value: who is told, and who is not named."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.models import QuerySet

from caching import audit
from caching.audit import Judge, Verdict, Violation, violation_found
from caching.errors import MarkFailed
from caching.keys import Key
from caching.models import CacheEvent
from tests.caching.auditing import TEA, heard, named, settle
from tests.caching.operators import rename_unnoticed, shop_of
from tests.conftest import MovableClock
from tests.shop.cached import tally
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def tea(clock: MovableClock) -> Shop:
    """A shop whose name is cached."""
    row = shop_of("tea", "old")
    assert named() == "old"
    return row


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture
def alarms() -> Iterator[list[Violation]]:
    with heard() as violations:
        yield violations


def test_the_log_names_the_key_and_no_user_text(
    tea: Shop, judge: Judge, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    key = Key("tally", "tea", ("Jane's secret",))
    tally.get("tea", "Jane's secret")
    Dish.objects.bulk_create([Dish(shop=tea, name="soup")])
    QuerySet(Dish).update(kind="Jane's secret")
    judge.look(key)
    settle(judge, clock, key)

    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "tally" in record.getMessage()
    assert key.name in record.getMessage()
    assert "Jane" not in caplog.text


def test_a_receiver_that_raises_keeps_nobody_from_anything(
    judge: Judge, clock: MovableClock, alarms: list[Violation]
) -> None:
    def fail(**_: Any) -> None:
        raise ZeroDivisionError

    violation_found.connect(fail)
    try:
        rename_unnoticed()
        judge.look(TEA)
        assert settle(judge, clock) is Verdict.VIOLATION
    finally:
        violation_found.disconnect(fail)
    assert len(alarms) == 1


def test_an_eviction_that_fails_is_said(
    judge: Judge,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
    alarms: list[Violation],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MarkFailed("No.")

    rename_unnoticed()
    judge.look(TEA)
    monkeypatch.setattr(audit, "invalidate", fail)
    settle(judge, clock)

    assert [each.evicted for each in alarms] == [False]
    assert "could not be evicted" in caplog.text


def test_evictions_are_recorded_one_a_minute_for_each_region(judge: Judge, clock: MovableClock) -> None:
    def violate() -> None:
        rename_unnoticed(name=f"at {clock.now()}")
        judge.look(TEA)
        assert settle(judge, clock) is Verdict.VIOLATION
        named()

    violate()
    violate()
    (event,) = CacheEvent.objects.all()
    assert (event.action, event.region, event.org_id, event.key) == ("evict", "shop", "tea", TEA.name)

    clock.advance(60)
    named()
    violate()
    assert CacheEvent.objects.count() == 2


def test_a_record_that_cannot_be_made_costs_no_alarm(
    judge: Judge, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, alarms: list[Violation]
) -> None:
    def fail(**_: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr(CacheEvent.objects, "create", fail)
    rename_unnoticed()
    judge.look(TEA)

    assert settle(judge, clock) is Verdict.VIOLATION
    assert len(alarms) == 1
