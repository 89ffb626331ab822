"""Every read can be made around the cache, and then says the same."""

import pytest

from billing.services import order_pay
from orders.statuses import Status
from restaurant.replay.reads import HABITS, TARGETS, Reads
from tests.factories import CustomerFactory, OrderFactory


@pytest.mark.django_db(transaction=True)
def test_through_the_cache_and_around_it_reads_agree(tiers: str) -> None:
    order = OrderFactory(lines=2, status=Status.SERVED)
    customer = CustomerFactory(org=order.org)
    order_pay(org_id=order.org_id, order_id=order.pk, method="cash", idempotency_key="1")
    reads = Reads(order.org_id, order.placed_on)
    every = [
        *(reads.profile(), reads.profile_lite(), reads.active_list(), reads.first_page(), reads.summary()),
        *(reads.order(order.pk), reads.bill(order.pk), reads.balance(customer.phone)),
    ]

    assert {read.group for read in every} == set(TARGETS)
    for read in every:
        assert read.cached() == read.stored() == read.cached()
        assert read.stored() is not None


def test_the_numbers_of_reads_are_told() -> None:
    text = " ".join(HABITS.describe())

    for number in (HABITS.kitchen_active_list, HABITS.till_order, HABITS.billing_summary, HABITS.billing_balances):
        assert str(number) in text
