"""Customers' accounts over HTTP."""

from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from billing.cached import customer_balance
from billing.models import Customer, LedgerEntry
from tests.api_clients import ROLES, member, problem, token_member, wrong_fields
from tests.factories import BusinessProfileFactory, CustomerFactory, LedgerEntryFactory, OrderFactory

pytestmark = pytest.mark.django_db

committed = pytest.mark.django_db(transaction=True)
"""For tests of what is cached: nothing is filled inside the transaction of an ordinary test."""


@pytest.fixture
def customer() -> Customer:
    """A customer who owes 10.00."""
    return LedgerEntryFactory().customer


def _address(customer: Customer, what: str = "transactions", query: str = "") -> str:
    return f"/api/v1/orgs/{customer.org_id}/customers/{customer.phone}/{what}/{query}"


def _key(key: str = "k") -> dict[str, str]:
    return {"Idempotency-Key": key}


class TestBalance:
    @committed
    def test_it_is_the_cached_bytes_or_304(self, customer: Customer) -> None:
        client = member(customer.org, "staff")
        response = client.get(_address(customer, "balance"))
        assert response.content == customer_balance.entry(customer.org_id, customer.phone).body
        assert (response.json()["balance"], response.json()["currency"]) == ("10.00", "GBP")
        again = client.get(_address(customer, "balance"), headers={"If-None-Match": response["ETag"]})
        assert again.status_code == 304

    @committed
    def test_a_hit_costs_sign_in_and_membership_alone(
        self, customer: Customer, tiers: str, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for client, queries in ((member(customer.org), 3), (token_member(customer.org), 1)):
            client.get(_address(customer, "balance"))
            with django_assert_num_queries(queries):
                assert client.get(_address(customer, "balance")).status_code == 200

    @pytest.mark.parametrize("what", ["balance", "transactions"])
    def test_the_kitchen_may_not_see_it_and_strangers_find_none(self, customer: Customer, what: str) -> None:
        problem(member(customer.org, "kitchen").get(_address(customer, what)), 403)
        problem(member(BusinessProfileFactory()).get(_address(customer, what)), 404)

    @pytest.mark.parametrize("what", ["balance", "transactions"])
    def test_a_number_nobody_has_is_not_found(self, customer: Customer, what: str) -> None:
        other = CustomerFactory()
        client = member(customer.org)
        assert client.get(_address(customer, what).replace(customer.phone, other.phone)).status_code == 404

    @pytest.mark.parametrize("phone", ["020 7946 0018", "nobody"])
    def test_a_number_without_its_country_is_refused(self, customer: Customer, phone: str) -> None:
        address = _address(customer, "balance").replace(customer.phone, phone)
        assert wrong_fields(member(customer.org).get(address)) == {"phone"}


class TestTransactions:
    def test_they_are_listed_newest_first_and_filtered(self, customer: Customer) -> None:
        order = OrderFactory(org=customer.org)
        LedgerEntryFactory(customer=customer, kind="payment", amount=Decimal("-4"), order=order, memo="thanks")
        LedgerEntryFactory()
        client = member(customer.org, "staff")
        body = client.get(_address(customer)).json()
        assert (body["count"], {each["amount"] for each in body["results"]}) == (2, {"10.00", "-4.00"})
        for query in ("?kind=payment", f"?order={order.pk}"):
            (found,) = client.get(_address(customer, query=query)).json()["results"]
            assert (found["memo"], found["order_number"]) == ("thanks", order.number)
        assert client.get(_address(customer, query="?created_from=2026-03-15")).json()["count"] == 0
        assert client.get(_address(customer, query="?created_to=2026-03-14")).json()["count"] == 2
        page = client.get(_address(customer, query="?page=2&page_size=1"))
        assert (len(page.json()["results"]), 'rel="prev"' in page["Link"]) == (1, True)

    @pytest.mark.parametrize("query", ["kind=tip", "order=7", "page_size=0", "created_from=once", "phone=1"])
    def test_a_query_that_makes_no_sense_is_refused(self, customer: Customer, query: str) -> None:
        assert wrong_fields(member(customer.org).get(_address(customer, query=f"?{query}"))) == {query.split("=")[0]}


class TestEntering:
    @pytest.mark.parametrize("role", ROLES)
    @pytest.mark.parametrize(("kind", "roles"), [("payment", 3), ("refund", 2), ("adjustment", 2)])
    def test_staff_take_payments_and_managers_the_rest(
        self, customer: Customer, role: str, kind: str, roles: int
    ) -> None:
        body = {"kind": kind, "amount": "-4"}
        response = member(customer.org, role).post(_address(customer), body, headers=_key())
        allowed = role in ["owner", "manager", "staff"][:roles]
        assert response.status_code == (201 if allowed else 403)
        assert LedgerEntry.objects.filter(kind=kind).exists() == allowed

    @committed
    def test_the_balance_follows_at_once(self, customer: Customer) -> None:
        client = member(customer.org)
        client.get(_address(customer, "balance"))
        response = client.post(_address(customer), {"kind": "payment", "amount": "-2.5", "memo": "m"}, headers=_key())
        assert (response.json()["amount"], response.json()["memo"]) == ("-2.50", "m")
        assert client.get(_address(customer, "balance")).json()["balance"] == "7.50"

    def test_a_repetition_with_the_same_key_enters_nothing(self, customer: Customer) -> None:
        client, body = member(customer.org), {"kind": "payment", "amount": "-4"}
        first, again = (client.post(_address(customer), body, headers=_key()) for _ in range(2))
        assert (again.status_code, again.json(), again["Idempotency-Replayed"]) == (201, first.json(), "true")
        other = client.post(_address(customer), body | {"amount": "-5"}, headers=_key())
        problem(other, 409, "idempotency-conflict")
        assert LedgerEntry.objects.filter(kind="payment").count() == 1

    @pytest.mark.parametrize(
        ("body", "wrong"),
        [
            ({}, {"kind", "amount"}),
            ({"kind": "charge", "amount": "1"}, {"kind"}),
            ({"kind": "payment", "amount": "much", "order_id": "7"}, {"amount", "order_id"}),
            ({"kind": "payment", "amount": "-1", "memo": "x" * 201}, {"memo"}),
        ],
    )
    def test_what_is_no_entry_is_refused(self, customer: Customer, body: dict[str, Any], wrong: set[str]) -> None:
        assert wrong_fields(member(customer.org).post(_address(customer), body, headers=_key())) == wrong

    def test_it_needs_a_key(self, customer: Customer) -> None:
        response = member(customer.org).post(_address(customer), {"kind": "payment", "amount": "-1"})
        assert wrong_fields(response) == {"Idempotency-Key"}

    def test_the_wrong_sign_is_explained(self, customer: Customer) -> None:
        response = member(customer.org).post(_address(customer), {"kind": "payment", "amount": "4"}, headers=_key())
        assert "negative" in problem(response, 422, "amount")["detail"]

    def test_another_organisations_order_is_not_found(self, customer: Customer) -> None:
        body = {"kind": "payment", "amount": "-4", "order_id": str(OrderFactory().pk)}
        problem(member(customer.org).post(_address(customer), body, headers=_key()), 404, "order-not-found")
