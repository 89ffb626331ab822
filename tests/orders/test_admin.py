"""Operators look orders up and correct words in the admin; prices and moves stay with the services."""

from decimal import Decimal

import pytest
from django.contrib import admin
from django.db import OperationalError
from django.test import Client, RequestFactory
from django.urls import reverse
from pymongo.errors import OperationFailure
from pytest_django import DjangoAssertNumQueries

from caching.retrying import TRANSIENT
from orders.admin import OrderAdmin
from orders.models import Order
from orders.statuses import Status
from tests.factories import NOON, OrderFactory, OrderSequenceFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def test_notes_are_corrected_and_what_has_a_rule_is_not(operator: Client) -> None:
    order = OrderFactory(lines=2)
    url = reverse("admin:orders_order_change", args=[order.pk])
    assert b"Dish" in operator.get(url).content
    data = {"notes": "no nuts", "status": "paid", "discount": "5", "lines-TOTAL_FORMS": 0, "lines-INITIAL_FORMS": 0}
    assert operator.post(url, data).status_code == 302
    version = order.version
    order.refresh_from_db()
    assert (order.notes, order.status, order.discount) == ("no nuts", Status.PENDING, Decimal(0))
    assert order.version != version


def test_a_move_made_while_the_page_was_open_is_kept(rf: RequestFactory) -> None:
    order = OrderFactory(status=Status.PENDING)
    Order.objects.filter(pk=order.pk).update(status=Status.CONFIRMED)
    page = admin.site.get_model_admin(Order)
    request = rf.post("/")
    request.user = UserFactory(is_superuser=True)
    form = page.get_form(request, order)({"notes": "no nuts"}, instance=order)
    assert form.is_valid()
    page.save_model(request, order, form, change=True)
    order.refresh_from_db()
    assert (order.notes, order.status) == ("no nuts", Status.CONFIRMED)


def test_orders_are_neither_added_nor_deleted(operator: Client) -> None:
    order = OrderFactory()
    assert operator.get(reverse("admin:orders_order_add")).status_code == 403
    assert operator.post(reverse("admin:orders_order_delete", args=[order.pk]), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", ["order", "orderline", "menuitem", "ordersequence"])
def test_every_list_is_searchable_and_costs_the_same_however_long(
    operator: Client, model: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        OrderSequenceFactory(org=OrderFactory(lines=2, placed_at=NOON).org)
    with django_assert_max_num_queries(9):
        response = operator.get(reverse(f"admin:orders_{model}_changelist"), {"q": "1"})
    assert response.status_code == 200


@pytest.mark.django_db(transaction=True)
def test_what_another_writer_aborted_is_written_again(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    order = OrderFactory()
    save, attempts = OrderAdmin.save_model, []

    def aborted_once(*given: object) -> None:
        save(*given)
        attempts.append(given)
        if len(attempts) == 1:
            aborted = OperationFailure("WriteConflict", details={"errorLabels": [TRANSIENT]})
            raise OperationalError("aborted") from aborted

    monkeypatch.setattr(OrderAdmin, "save_model", aborted_once)
    data = {"notes": "no nuts", "lines-TOTAL_FORMS": 0, "lines-INITIAL_FORMS": 0}
    answer = operator.post(reverse("admin:orders_order_change", args=[order.pk]), data)

    order.refresh_from_db()
    assert (answer.status_code, len(attempts), order.notes) == (302, 2, "no nuts")
