"""The script of a day has every step of every order, in order of time, and nobody's true name."""

from datetime import timedelta
from decimal import Decimal

import pytest

from orders.statuses import Status
from restaurant.replay.script import SETTINGS, Dish, script_write
from tests.factories import NOON, BusinessProfileFactory, OrderFactory
from tests.restaurant.replay.days import DAY, day_make

pytestmark = pytest.mark.django_db


def test_each_order_goes_through_every_status_and_the_settings_change_once() -> None:
    script = script_write(org_id=day_make().pk, day=DAY)

    kinds = [event.kind for event in script.events]
    assert [kinds.count(kind) for kind in (Status.PENDING, Status.READY, Status.PAID, SETTINGS)] == [3, 3, 3, 1]
    assert len(kinds) == 3 * 6 + 1
    assert kinds.index(SETTINGS) == 9


def test_events_are_in_order_of_time_and_name_the_one_before_of_their_order() -> None:
    events = script_write(org_id=day_make().pk, day=DAY).events

    assert [event.index for event in events] == list(range(len(events)))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert events[0].at == timedelta(0)
    for event in events:
        before = [each for each in events[: event.index] if each.order == event.order]
        assert event.previous == (before[-1].index if before else None)


def test_a_cancelled_order_is_cancelled_again() -> None:
    order = OrderFactory(lines=1, status=Status.CANCELLED)

    events = script_write(org_id=order.org_id, day=order.placed_on).events

    assert [event.kind for event in events if event.order == 0] == ["pending", "confirmed", "cancelled"]


def test_dishes_and_discounts_are_copied_and_customers_are_made_up() -> None:
    script = script_write(org_id=day_make(9).pk, day=DAY)

    assert [price for (_, price), _ in script.orders[0].dishes] == [Decimal("10.00")] * 2
    assert isinstance(script.orders[0].dishes[0][0], Dish)
    assert script.orders[2].discount == 2
    assert script.phones
    assert all(phone.startswith("+44770090") for phone in script.phones)


def test_the_same_day_gives_the_same_script() -> None:
    org = day_make(9)

    assert script_write(org_id=org.pk, day=DAY) == script_write(org_id=org.pk, day=DAY)


def test_other_days_other_organisations_and_orders_without_lines_are_left_out() -> None:
    org = day_make(1)
    day_make(1, org_id="another")
    OrderFactory(org=org, lines=1, placed_at=NOON - timedelta(days=1))
    OrderFactory(org=org)

    assert len(script_write(org_id=org.pk, day=DAY).orders) == 1


def test_a_day_without_orders_has_no_events() -> None:
    script = script_write(org_id=BusinessProfileFactory().pk, day=DAY)

    assert (script.orders, script.events) == ((), ())
