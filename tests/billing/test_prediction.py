"""Who reads an order that is done finds its bill and the customer's balance loaded."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from billing.cached import bill_total, customer_balance
from caching.prefetch import Prefetcher
from caching.runtime import runtime
from orders.cached import order
from orders.models import Order
from orders.statuses import Status
from tests.conftest import MovableClock
from tests.factories import CustomerFactory, OrderFactory, OrderLineFactory

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = "+447700900123"


def read(status: Status, settings: Settings, phone: str = PHONE) -> Order:
    """Read an order in that status once, and let the observer look at it."""
    settings.CACHING = {**settings.CACHING, "PREFETCH": True, "HISTORY": None}
    row: Order = OrderFactory(status=status, customer_phone=phone)
    OrderLineFactory(order=row)
    CustomerFactory(org=row.org, phone=PHONE)
    order.get(row.org_id, row.pk)
    runtime.observer.consumer(Prefetcher).observe(runtime.activity.take())
    return row


@pytest.mark.parametrize("status", [Status.READY, Status.SERVED])
def test_bill_and_balance_of_an_order_that_can_be_paid_are_loaded_once_it_is_read(
    status: Status, settings: Settings, clock: MovableClock
) -> None:
    row = read(status, settings)

    assert bill_total.get(row.org_id, row.pk) is not None
    assert customer_balance.get(row.org_id, PHONE) is not None

    for region in (bill_total, customer_balance):
        assert (region.counters.prefetched, region.counters.prefetch_hits, region.counters.misses) == (1, 1, 0)


@pytest.mark.parametrize("status", [Status.PENDING, Status.PREPARING, Status.CANCELLED])
def test_nothing_is_loaded_for_what_nobody_pays_for_yet(
    status: Status, settings: Settings, clock: MovableClock
) -> None:
    read(status, settings)

    assert (bill_total.counters.prefetched, customer_balance.counters.prefetched) == (0, 0)


def test_who_gave_no_phone_number_has_no_balance_to_load(settings: Settings, clock: MovableClock) -> None:
    read(Status.READY, settings, phone="")

    assert (bill_total.counters.prefetched, customer_balance.counters.prefetched) == (1, 0)
