"""Orders name themselves, know whether they are open, and keep their numbers apart."""

from decimal import Decimal

import pytest
from django.db import IntegrityError
from django.db.models import ProtectedError

from orders.models import Order, OrderLine
from orders.statuses import ACTIVE, Status
from tests.factories import (
    BusinessProfileFactory,
    MenuItemFactory,
    OrderFactory,
    OrderLineFactory,
    OrderSequenceFactory,
)


@pytest.mark.parametrize("status", Status)
def test_an_order_is_active_until_it_is_paid_or_cancelled(status: Status) -> None:
    assert Order(status=status).is_active == (status in ACTIVE)


@pytest.mark.django_db
def test_two_orders_of_one_organisation_never_share_a_number() -> None:
    order = OrderFactory()
    OrderFactory(number=order.number)
    with pytest.raises(IntegrityError):
        OrderFactory(org=order.org, number=order.number)


@pytest.mark.django_db
def test_orders_without_idempotency_key_do_not_collide() -> None:
    profile = BusinessProfileFactory()
    OrderFactory(org=profile)
    OrderFactory(org=profile)
    assert Order.objects.filter(org=profile, idempotency_key=None).count() == 2


@pytest.mark.django_db
def test_every_save_gives_an_order_another_version() -> None:
    order = OrderFactory()
    before = order.version
    order.save()
    order.refresh_from_db()
    assert order.version != before


@pytest.mark.django_db
def test_a_dish_that_was_sold_cannot_be_deleted() -> None:
    line = OrderLineFactory()
    with pytest.raises(ProtectedError):
        line.item.delete()


@pytest.mark.django_db
def test_lines_come_in_their_order_and_go_with_the_order() -> None:
    order = OrderFactory(lines=3)
    assert [line.position for line in order.lines.all()] == [0, 1, 2]
    order.delete()
    assert not OrderLine.objects.exists()


def test_rows_name_themselves_without_personal_data() -> None:
    profile = BusinessProfileFactory.build(org_id="one")
    order = OrderFactory.build(org=profile, number=7, customer_name="Somebody")
    item = MenuItemFactory.build(org=profile, name="Soup", price=Decimal(3))
    assert str(order) == "Order 7 of one"
    assert str(item) == "Soup"
    assert str(OrderLineFactory.build(order=order, item=item, quantity=2)) == "2 x Soup"
    assert str(OrderSequenceFactory.build(org=profile, next_number=8)) == "one: 8"
