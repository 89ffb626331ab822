"""A compiled query finds what the query that it was made of finds, now, and is made once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import CharField, F, QuerySet, UUIDField
from pytest_django import DjangoAssertNumQueries

from orders.models import Order, OrderLine
from restaurant.compiled import CompiledQuery
from tests.factories import OrderFactory, OrderLineFactory

pytestmark = pytest.mark.django_db

_ORDER = [field.attname for field in Order._meta.concrete_fields]
_LINE = [field.attname for field in OrderLine._meta.concrete_fields]


@pytest.fixture
def builds() -> list[str]:
    return []


@pytest.fixture
def of_status(builds: list[str]) -> CompiledQuery:
    def build(org_id: Any, status: Any) -> QuerySet[Any, Any]:
        builds.append("built")
        # A constant beside the parameters, which is none.
        orders = Order.objects.filter(status=status, number__gt=0, org_id=org_id)
        return orders.annotate(currency=F("org__currency")).values_list(*_ORDER, "currency")

    return CompiledQuery(Order, build, org_id=CharField(), status=CharField())


def test_it_finds_what_the_query_finds(of_status: CompiledQuery) -> None:
    first, second = OrderFactory(status="ready", number=1), OrderFactory(status="served", number=2)
    for order in (first, second):
        expected = Order.objects.filter(pk=order.pk).values_list(*_ORDER, "org__currency")
        assert of_status.rows(org_id=order.org_id, status=order.status) == list(expected)
    assert of_status.rows(org_id=first.org_id, status="served", using="default") == []


def test_values_are_turned_into_what_the_database_takes_and_back() -> None:
    lines = [OrderLineFactory(options=["without onions"], unit_price="9.50") for _ in range(2)]
    query = CompiledQuery(
        OrderLine,
        lambda order_id: OrderLine.objects.filter(order_id=order_id).values_list(*_LINE),
        order_id=UUIDField(),
    )
    for line in lines:
        for order_id in (line.order_id, str(line.order_id)):
            assert query.rows(order_id=order_id) == list(
                OrderLine.objects.filter(order_id=line.order_id).values_list(*_LINE)
            )


def test_a_value_is_a_value_whatever_it_says(of_status: CompiledQuery) -> None:
    order = OrderFactory()
    assert of_status.rows(org_id=order.org_id, status="' OR '1'='1") == []


@pytest.mark.sql
def test_it_is_made_once_and_asks_the_database_each_time(
    of_status: CompiledQuery, builds: list[str], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    order = OrderFactory(status="ready")
    with django_assert_num_queries(2):
        assert len(of_status.rows(org_id=order.org_id, status="ready")) == 1
        assert of_status.rows(org_id=order.org_id, status="served") == []
    Order.objects.filter(pk=order.pk).update(status="served")
    assert of_status.rows(org_id=order.org_id, status="ready") == []
    assert len(of_status.rows(org_id=order.org_id, status="served")) == 1
    assert builds == ["built"]


def test_a_database_without_sql_is_asked_as_ever(
    of_status: CompiledQuery, builds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = OrderFactory(status="ready")
    monkeypatch.setattr(connection, "vendor", "documents")
    monkeypatch.setattr(of_status, "_compile", None)
    for _ in range(2):
        found = of_status.rows(org_id=order.org_id, status="ready")
        assert [row[_ORDER.index("id")] for row in found] == [order.pk]
    assert builds == ["built", "built"]
