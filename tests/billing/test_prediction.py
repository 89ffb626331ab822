"""Who reads an order finds its bill and the customer's balance loaded."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from billing.cached import bill_total, customer_balance
from billing.models import Customer
from caching.prefetch import Prefetcher
from caching.runtime import runtime
from orders.cached import order
from orders.models import Order
from orders.statuses import Status
from tests.conftest import MovableClock
from tests.factories import BusinessProfileFactory, CustomerFactory, OrderFactory, OrderLineFactory

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = "+447700900123"


def look() -> None:
    """Let the observer look at what was read."""
    runtime.observer.consumer(Prefetcher).observe(runtime.activity.take())


def read(status: Status, settings: Settings, phone: str = PHONE, **more: Any) -> Order:
    """Read an order in that status once, and let the observer look at it."""
    if not settings.CACHING.get("PREFETCH"):
        settings.CACHING = {**settings.CACHING, "PREFETCH": True, "HISTORY": None}
    row: Order = OrderFactory(status=status, customer_phone=phone, **more)
    OrderLineFactory(order=row)
    if not Customer.objects.filter(org=row.org, phone=PHONE).exists():
        CustomerFactory(org=row.org, phone=PHONE)
    order.get(row.org_id, row.pk)
    look()
    return row


def test_bill_and_balance_of_an_order_are_loaded_once_it_is_read(settings: Settings, clock: MovableClock) -> None:
    row = read(Status.READY, settings)

    assert bill_total.get(row.org_id, row.pk) is not None
    assert customer_balance.get(row.org_id, PHONE) is not None

    for region in (bill_total, customer_balance):
        assert (region.counters.prefetched, region.counters.prefetch_hits, region.counters.misses) == (1, 1, 0)


def test_in_which_status_nobody_asks_for_bills_is_learnt(settings: Settings, clock: MovableClock) -> None:
    org = BusinessProfileFactory()
    for _ in range(3):
        read(Status.PREPARING, settings, org=org)
        clock.advance(bill_total.local_ttl + 1)
        look()
    assert bill_total.counters.prefetched == 1

    read(Status.READY, settings, org=org)
    assert bill_total.counters.prefetched == 2


def test_who_gave_no_phone_number_has_no_balance_to_load(settings: Settings, clock: MovableClock) -> None:
    read(Status.READY, settings, phone="")

    assert (bill_total.counters.prefetched, customer_balance.counters.prefetched) == (1, 0)
