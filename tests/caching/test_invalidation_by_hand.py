"""What is made stale without a COMMIT of its own reaches Redis in the end as well."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.db.models import QuerySet

from caching.invalidation import clear, invalidate
from caching.runtime import runtime
from tests.caching.conftest import Cable
from tests.caching.outboxes import (
    KEY,
    VALUE,
    is_bypassed,
    recover,
    shown,
    unnoticed_shop,
    waiting,
)
from tests.conftest import MovableClock
from tests.shop.cached import menu, shop, tally
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return unnoticed_shop()


def test_what_is_invalidated_by_hand_waits_in_the_outbox(clock: MovableClock, cable: Cable, redis: Any) -> None:
    shown()
    cable.unplug()
    QuerySet(Shop).update(name="raw")
    shop.invalidate("corner")
    assert waiting() == [("key", KEY.name)]
    assert shown() == "raw"
    recover(cable, clock)
    assert not redis.exists(VALUE)


def test_what_is_invalidated_inside_a_transaction_waits_for_its_commit(cable: Cable, redis: Any) -> None:
    assert shown() == "old"
    cable.unplug()
    with transaction.atomic():
        QuerySet(Shop).update(name="raw")
        invalidate([KEY])
        assert runtime.find(KEY.local) is None, "local copies are stale at once"
        assert waiting() == []
        assert not is_bypassed()
    assert waiting() == [("key", KEY.name)]


def test_what_is_invalidated_inside_a_transaction_that_is_rolled_back_is_not_heard_of(cable: Cable) -> None:
    cable.unplug()
    with transaction.atomic():
        invalidate([KEY])
        transaction.set_rollback(True)
    assert waiting() == []


def test_clears_wait_in_the_outbox_and_reach_redis_when_they_are_delivered(
    clock: MovableClock, cable: Cable, redis: Any
) -> None:
    def fill_unnoticed(name: str) -> None:
        QuerySet(Shop).update(name=name)

    for number, (region, org) in enumerate([(None, None), ("shop", None), (None, "corner"), ("shop", "corner")]):
        before = shown()
        assert redis.exists(VALUE)
        cable.unplug()
        fill_unnoticed(f"raw {number}")
        clear(region, org)
        assert shown() == f"raw {number}" != before, "on this host at once"
        assert [kind for kind, _ in waiting()] == ["clear"]
        recover(cable, clock)
        assert shown() == f"raw {number}"


def test_a_clear_inside_a_transaction_waits_for_its_commit(cable: Cable) -> None:
    cable.unplug()
    with transaction.atomic():
        clear("shop")
        assert waiting() == []
    assert waiting() == [("clear", "e:r:shop")]


def test_a_clear_of_all_regions_bypasses_all_of_them(clock: MovableClock, cable: Cable) -> None:
    cable.unplug()
    clear(None, "corner")
    assert all(is_bypassed(region.name) for region in (shop, menu, tally))
    recover(cable, clock)
    assert not is_bypassed("menu")
