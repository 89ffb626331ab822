"""Bills, payments and summaries over HTTP."""

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from billing.api import views
from billing.cached import bill_total, billing_summary
from billing.models import Payment
from orders.models import Order
from orders.statuses import Status
from restaurant.profiles.models import BusinessProfile
from tests.api_clients import ROLES, member, problem, token_member, wrong_fields
from tests.factories import BusinessProfileFactory, OrderFactory

pytestmark = pytest.mark.django_db

committed = pytest.mark.django_db(transaction=True)
"""For tests of what is cached: nothing is filled inside the transaction of an ordinary test."""


@pytest.fixture
def org() -> BusinessProfile:
    return BusinessProfileFactory(tax_rate=Decimal(17))


@pytest.fixture
def order(org: BusinessProfile) -> Order:
    """A served order of 20.00, discounted by 1.00; with the tax on the subtotal 22.40."""
    return OrderFactory(org=org, status=Status.SERVED, discount=Decimal(1), lines=2)


def _address(order: Order, action: str) -> str:
    return f"/api/v1/orgs/{order.org_id}/orders/{order.pk}/{action}/"


def _key(key: str = "k") -> dict[str, str]:
    return {"Idempotency-Key": key}


@committed
class TestBill:
    def test_it_is_the_cached_bytes(self, order: Order) -> None:
        response = member(order.org, "staff").get(_address(order, "bill"))
        assert response.content == bill_total.entry(order.org_id, order.pk).body
        assert response.json() == {"subtotal": "20.00", "discount": "1.00", "tax": "3.40", "total": "22.40"}

    def test_a_hit_costs_sign_in_and_membership_alone(
        self, order: Order, tiers: str, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for client, queries in ((member(order.org), 3), (token_member(order.org), 1)):
            etag = client.get(_address(order, "bill"))["ETag"]
            with django_assert_num_queries(queries):
                response = client.get(_address(order, "bill"), headers={"If-None-Match": etag})
            assert response.status_code == 304

    def test_it_follows_the_tax_rate_of_the_profile(self, order: Order) -> None:
        client = member(order.org)
        client.get(_address(order, "bill"))
        client.patch(f"/api/v1/orgs/{order.org_id}/profile/", {"tax_rate": "0"})
        assert client.get(_address(order, "bill")).json()["total"] == "19.00"

    def test_the_kitchen_may_not_see_it_and_strangers_find_none(self, order: Order) -> None:
        problem(member(order.org, "kitchen").get(_address(order, "bill")), 403)
        problem(member(BusinessProfileFactory()).get(_address(order, "bill")), 404)

    def test_an_order_that_is_none_has_no_bill(self, order: Order) -> None:
        order.pk = uuid4()
        problem(member(order.org).get(_address(order, "bill")), 404)


class TestPaying:
    @pytest.mark.parametrize("role", ROLES)
    def test_all_but_the_kitchen_may(self, order: Order, role: str) -> None:
        response = member(order.org, role).post(_address(order, "pay"), {"method": "cash"}, headers=_key())
        assert response.status_code == (403 if role == "kitchen" else 201)
        assert Payment.objects.exists() == (role != "kitchen")

    @committed
    def test_several_payments_settle_the_bill(self, order: Order) -> None:
        client = member(order.org)
        client.get(f"/api/v1/orgs/{order.org_id}/orders/{order.pk}/")
        part = client.post(_address(order, "pay"), {"method": "card", "amount": "20.4"}, headers=_key("1")).json()
        rest = client.post(_address(order, "pay"), {"method": "cash"}, headers=_key("2")).json()
        assert (part["amount"], part["outstanding"], part["order_status"]) == ("20.40", "2.00", "served")
        assert (rest["amount"], rest["outstanding"], rest["order_status"]) == ("2.00", "0.00", "paid")
        assert (rest["bill_total"], rest["currency"]) == ("22.40", "GBP")
        assert client.get(f"/api/v1/orgs/{order.org_id}/orders/{order.pk}/").json()["status"] == "paid"

    @committed
    def test_a_repetition_with_the_same_key_pays_nothing(self, order: Order) -> None:
        client = member(order.org)
        first, again = (client.post(_address(order, "pay"), {"method": "cash"}, headers=_key()) for _ in range(2))
        assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
        assert ("Idempotency-Replayed" in first, again["Idempotency-Replayed"]) == (False, "true")
        assert Payment.objects.count() == 1

    def test_the_same_key_for_another_payment_is_a_conflict(self, order: Order) -> None:
        client = member(order.org)
        client.post(_address(order, "pay"), {"method": "cash", "amount": "1"}, headers=_key())
        other = client.post(_address(order, "pay"), {"method": "cash", "amount": "2"}, headers=_key())
        problem(other, 409, "idempotency-conflict")
        assert Payment.objects.count() == 1

    def test_a_payment_without_a_key_is_refused(self, order: Order) -> None:
        assert wrong_fields(member(order.org).post(_address(order, "pay"), {"method": "cash"})) == {"Idempotency-Key"}
        assert not Payment.objects.exists()

    @pytest.mark.parametrize(
        ("body", "wrong"),
        [
            ({}, {"method"}),
            ({"method": "gold"}, {"method"}),
            ({"method": "cash", "amount": "much"}, {"amount"}),
            ({"method": "cash", "amonut": "1"}, {"amonut"}),
        ],
    )
    def test_what_is_no_payment_is_refused(self, order: Order, body: dict[str, str], wrong: set[str]) -> None:
        assert wrong_fields(member(order.org).post(_address(order, "pay"), body, headers=_key())) == wrong

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            ({"method": "cash", "amount": "22.41"}, "amount"),
            ({"method": "cash", "amount": "-1"}, "amount"),
            ({"method": "account"}, "no-customer"),
        ],
    )
    def test_what_breaks_a_rule_of_the_books_is_422(self, order: Order, body: dict[str, str], kind: str) -> None:
        problem(member(order.org).post(_address(order, "pay"), body, headers=_key()), 422, kind)

    def test_an_order_that_is_not_ready_cannot_be_paid(self, org: BusinessProfile) -> None:
        order = OrderFactory(org=org, status=Status.PREPARING, lines=1)
        response = member(org).post(_address(order, "pay"), {"method": "cash"}, headers=_key())
        assert "ready or served" in problem(response, 409, "not-payable")["detail"]


class TestRefunding:
    @pytest.mark.parametrize("role", ROLES)
    def test_owners_and_managers_may(self, order: Order, role: str) -> None:
        member(order.org).post(_address(order, "pay"), {"method": "cash"}, headers=_key("pay"))
        body = {"method": "cash", "amount": "5", "reason": "cold"}
        response = member(order.org, role).post(_address(order, "refund"), body, headers=_key("back"))
        if role in {"owner", "manager"}:
            assert (response.status_code, response.json()["amount"]) == (201, "-5.00")
        else:
            problem(response, 403)

    def test_it_needs_a_key_and_an_amount(self, order: Order) -> None:
        client = member(order.org)
        assert wrong_fields(client.post(_address(order, "refund"), {})) == {"Idempotency-Key"}
        assert wrong_fields(client.post(_address(order, "refund"), {}, headers=_key())) == {"method", "amount"}


@committed
class TestSummary:
    def test_it_is_the_cached_bytes_and_fresh_after_each_payment(self, order: Order) -> None:
        client, address = member(order.org, "manager"), f"/api/v1/orgs/{order.org_id}/billing/summary/"
        assert client.get(address).json()["payments"] == "0.00"
        client.post(_address(order, "pay"), {"method": "card"}, headers=_key())
        response = client.get(address)
        today = date.fromisoformat(response.json()["day"])
        assert response.content == billing_summary.entry(order.org_id, today).body
        assert response.json()["payments_by_method"]["card"] == "22.40"

    @pytest.mark.parametrize("query", ["", "?day=2026-03-14"])
    def test_a_hit_costs_sign_in_and_membership_alone(
        self, org: BusinessProfile, query: str, tiers: str, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        address = f"/api/v1/orgs/{org.org_id}/billing/summary/{query}"
        for client, queries in ((member(org), 3), (token_member(org), 1)):
            client.get(address)
            with django_assert_num_queries(queries):
                assert client.get(address).status_code == 200

    def test_without_a_day_it_is_today_where_the_restaurant_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        org = BusinessProfileFactory(time_zone="Asia/Karachi")
        monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2026, 3, 14, 20, tzinfo=UTC))
        response = member(org).get(f"/api/v1/orgs/{org.org_id}/billing/summary/")
        assert response.json()["day"] == "2026-03-15"

    @pytest.mark.parametrize(("role", "status"), [("owner", 200), ("manager", 200), ("staff", 403), ("kitchen", 403)])
    def test_owners_and_managers_may(self, org: BusinessProfile, role: str, status: int) -> None:
        assert member(org, role).get(f"/api/v1/orgs/{org.org_id}/billing/summary/").status_code == status

    def test_a_day_that_is_none_is_refused(self, org: BusinessProfile) -> None:
        address = f"/api/v1/orgs/{org.org_id}/billing/summary/?day=today"
        assert wrong_fields(member(org).get(address)) == {"day"}

    def test_an_organisation_removed_meanwhile_is_not_found(
        self, org: BusinessProfile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(views, "business_settings", SimpleNamespace(get=lambda _: None))
        problem(member(org).get(f"/api/v1/orgs/{org.org_id}/billing/summary/"), 404)
