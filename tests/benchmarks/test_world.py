"""The benchmark's data has the sizes that its rows name."""

import pytest
from django.db import models

from benchmarks.world import LINES, ORG, orders_copy, organisations_create, world_create
from billing.models import Customer
from orders.cached import active_orders
from orders.models import Order, OrderLine
from orders.services import order_numbers_take
from restaurant.profiles.models import BusinessProfile


@pytest.mark.django_db
def test_of_many_active_orders_most_are_copies_with_numbers_of_their_own():
    world_create(active=25)

    listing = active_orders.get(ORG)
    assert [len(order.lines) for order in listing.results] == [LINES] * 25
    assert sorted(order.number for order in listing.results) == list(range(1, 26))
    assert order_numbers_take(org_id=ORG, count=1) == 26


@pytest.mark.usefixtures("restaurant")
def test_copies_of_orders_are_read_as_orders_of_their_organisation():
    first, second = organisations_create(2)

    orders_copy({first: 1, second: 5})

    assert active_orders.get(first).count == 1
    listing = active_orders.get(second)
    assert [len(order.lines) for order in listing.results] == [LINES] * 5
    assert {order.org_id for order in listing.results} == {second}
    assert sorted(order.number for order in listing.results) == [1, 2, 3, 4, 5]
    assert active_orders.get(ORG).count == 3


@pytest.mark.usefixtures("restaurant")
def test_all_text_fits_into_its_column_as_stricter_databases_want():
    organisations_create(1)

    for model in (BusinessProfile, Customer, Order, OrderLine):
        for field in model._meta.concrete_fields:
            if isinstance(field, models.CharField):
                longest = max(map(len, filter(None, model.objects.values_list(field.attname, flat=True))), default=0)
                assert longest <= field.max_length, f"{model.__name__}.{field.name}"
