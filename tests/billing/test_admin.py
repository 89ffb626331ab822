"""Operators keep customers and look into the books in the admin."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.models import Customer
from tests.factories import (
    BusinessProfileFactory,
    CustomerFactory,
    LedgerEntryFactory,
    OrderFactory,
    PaymentFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
NO_ENTRIES = {"ledger_entries-TOTAL_FORMS": 0, "ledger_entries-INITIAL_FORMS": 0}


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def test_a_customer_is_added(operator: Client) -> None:
    profile = BusinessProfileFactory()
    data = {"org": profile.pk, "phone": "+442079460018", "name": "Ann", **NO_ENTRIES}
    assert operator.post(reverse("admin:billing_customer_add"), data).status_code == 302
    assert Customer.objects.get().name == "Ann"


def test_a_changed_number_takes_unfinished_orders_along(operator: Client) -> None:
    customer = LedgerEntryFactory().customer
    order = OrderFactory(org=customer.org, customer_phone=customer.phone)
    url = reverse("admin:billing_customer_change", args=[customer.pk])
    assert operator.post(url, {"phone": "+442079460018", "name": "Ann", **NO_ENTRIES}).status_code == 302
    customer.refresh_from_db()
    order.refresh_from_db()
    assert (customer.phone, customer.name, order.customer_phone) == ("+442079460018", "Ann", "+442079460018")


def test_a_number_of_another_customer_is_an_error_beside_the_field(operator: Client) -> None:
    customer = CustomerFactory()
    other = CustomerFactory(org=customer.org)
    url = reverse("admin:billing_customer_change", args=[customer.pk])
    response = operator.post(url, {"phone": other.phone, "name": "Ann", **NO_ENTRIES})
    assert response.context["adminform"].form.errors == {
        "phone": ["Another customer of this organisation has that phone number."]
    }


@pytest.mark.parametrize("model", ["customer", "ledgerentry", "bill", "payment"])
def test_every_list_is_searchable_and_costs_the_same_however_long(
    operator: Client, model: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        PaymentFactory()
        LedgerEntryFactory()
    with django_assert_max_num_queries(9):
        response = operator.get(reverse(f"admin:billing_{model}_changelist"), {"q": "1"})
    assert response.status_code == 200


def test_a_bill_shows_its_payments(operator: Client) -> None:
    payment = PaymentFactory(method="voucher")
    response = operator.get(reverse("admin:billing_bill_change", args=[payment.bill.pk]))
    assert b"voucher" in response.content.lower()
