"""Orders over HTTP: placed, read, changed and moved on by those whose role may."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from caching import MarkFailed
from caching.registry import registry
from orders.models import Order
from orders.statuses import Status
from restaurant.profiles.models import BusinessProfile
from tests.api_clients import ROLES, member, problem, token_member, wrong_fields
from tests.factories import BusinessProfileFactory, MenuItemFactory, OrderFactory

pytestmark = pytest.mark.django_db

committed = pytest.mark.django_db(transaction=True)
"""For tests of what is cached: nothing is filled inside the transaction of an ordinary test."""


@pytest.fixture
def org() -> BusinessProfile:
    return BusinessProfileFactory()


def _orders(org: BusinessProfile, rest: str = "") -> str:
    return f"/api/v1/orgs/{org.org_id}/orders/{rest}"


def _draft(org: BusinessProfile, **changes: Any) -> dict[str, Any]:
    item = MenuItemFactory(org=org, price=Decimal("4.50"))
    return {"service": "takeaway", "lines": [{"item_id": str(item.pk), "quantity": 2}]} | changes


@committed
class TestCachedReads:
    @pytest.fixture(params=["page", "status", "active", "one"])
    def read(self, request: pytest.FixtureRequest, org: BusinessProfile) -> tuple[str, str, tuple[Any, ...]]:
        """An address, its region, and the parts of its key."""
        order = OrderFactory(org=org, status=Status.READY, lines=2)
        OrderFactory(org=org, status=Status.PAID)
        reads: dict[str, tuple[str, str, tuple[Any, ...]]] = {
            "page": (_orders(org, "?page=1&page_size=5"), "orders_page", (1, 5)),
            "status": (_orders(org, "?status=ready"), "orders_by_status", ("ready",)),
            "active": (_orders(org, "active/"), "active_orders", ()),
            "one": (_orders(org, f"{order.pk}/"), "order", (order.pk,)),
        }
        return reads[request.param]

    def test_a_hit_costs_sign_in_and_membership_alone(
        self, read: Any, org: BusinessProfile, tiers: str, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for client, queries in ((member(org), 3), (token_member(org), 1)):
            client.get(read[0])
            with django_assert_num_queries(queries):
                assert client.get(read[0]).status_code == 200

    def test_the_cached_bytes_are_sent_unchanged_or_not_at_all(self, read: Any, org: BusinessProfile) -> None:
        address, region, parts = read
        client = member(org)
        response = client.get(address)
        entry = registry.get(region).entry(org.org_id, *parts)
        assert (response.content, response["ETag"]) == (entry.body, entry.etag)
        assert client.get(address, headers={"If-None-Match": f"W/{entry.etag}"}).status_code == 304

    @pytest.mark.parametrize("role", ROLES)
    def test_every_member_may_read_and_nobody_else(self, read: Any, org: BusinessProfile, role: str) -> None:
        assert member(org, role).get(read[0]).status_code == 200
        problem(member(BusinessProfileFactory(), role).get(read[0]), 404)
        problem(APIClient().get(read[0]), 401)

    def test_a_change_is_seen_at_once(self, read: Any, org: BusinessProfile) -> None:
        client = member(org)
        etag = client.get(read[0])["ETag"]
        Order.objects.filter(org=org).update(notes="hurry")
        response = client.get(read[0], headers={"If-None-Match": etag})
        assert response.status_code == 200
        assert b"hurry" in response.content


class TestLists:
    def test_pages_come_newest_first_with_links_to_the_others(self, org: BusinessProfile) -> None:
        numbers = [OrderFactory(org=org).number for _ in range(3)]
        response = member(org).get(_orders(org, "?page_size=2"))
        assert response.json()["count"] == 3
        assert [each["number"] for each in response.json()["results"]] == numbers[:0:-1]
        assert 'page=2&page_size=2>; rel="next"' in response["Link"]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("status=paid", {"paid"}),
            ("status=ready&page_size=1", {"ready"}),
            ("placed_on=2026-03-14", {"paid", "ready"}),
            ("placed_from=2026-03-15", set()),
            ("placed_to=2026-03-14&service=delivery", set()),
            ("number=0100&page=1", None),
        ],
    )
    def test_filters_choose_in_the_database(self, org: BusinessProfile, query: str, found: set[str] | None) -> None:
        for status in (Status.PAID, Status.READY):
            OrderFactory(org=org, status=status, lines=1)
        OrderFactory(status=Status.READY)
        body = member(org).get(_orders(org, f"?{query}")).json()
        assert {each["status"] for each in body["results"]} == (found or set())
        assert body["count"] == len(found or ())

    @committed
    def test_a_filtered_order_looks_like_any_other(self, org: BusinessProfile) -> None:
        order = OrderFactory(org=org, lines=2)
        client = member(org)
        listed = client.get(_orders(org, f"?number={order.number}")).json()["results"]
        assert listed == [client.get(_orders(org, f"{order.pk}/")).json()]

    @pytest.mark.parametrize(
        ("query", "wrong"),
        [
            ("page=0", "page"),
            ("page_size=101", "page_size"),
            ("page=x&status=paid", "page"),
            ("status=eaten", "status"),
            ("placed_on=yesterday", "placed_on"),
            ("number=9999999999999999999999", "number"),
            ("customer_phone=1", "customer_phone"),
        ],
    )
    def test_a_query_that_makes_no_sense_is_refused(self, org: BusinessProfile, query: str, wrong: str) -> None:
        assert wrong_fields(member(org).get(_orders(org, f"?{query}"))) == {wrong}

    def test_an_order_of_another_organisation_is_not_found(self, org: BusinessProfile) -> None:
        client = member(org)
        problem(client.get(_orders(org, f"{OrderFactory().pk}/")), 404)
        problem(client.get(_orders(org, f"{uuid4()}/")), 404)
        problem(client.get(_orders(org, "17/")), 404)


class TestMenu:
    def test_it_is_listed_in_pages_and_filtered(self, org: BusinessProfile) -> None:
        MenuItemFactory(org=org, name="Soup", category="Starters", price=Decimal(4))
        MenuItemFactory(org=org, name="Soup of the day", is_available=False)
        MenuItemFactory(name="Soup elsewhere")
        client, address = member(org, "kitchen"), f"/api/v1/orgs/{org.org_id}/menu/"
        names = {
            query: [each["name"] for each in client.get(f"{address}?{query}").json()["results"]]
            for query in ("", "name=OF", "category=Starters", "is_available=false", "is_available=true")
        }
        assert names == {
            "": ["Soup of the day", "Soup"],
            "name=OF": ["Soup of the day"],
            "category=Starters": ["Soup"],
            "is_available=false": ["Soup of the day"],
            "is_available=true": ["Soup"],
        }
        response = client.get(f"{address}?page_size=1&page=2")
        assert (response.json()["count"], response.json()["results"][0]["price"]) == (2, "4.00")
        assert 'rel="prev"' in response["Link"]
        assert wrong_fields(client.get(f"{address}?is_available=maybe")) == {"is_available"}


class TestPlacing:
    @pytest.mark.parametrize(("role", "status"), [("owner", 201), ("manager", 201), ("staff", 201), ("kitchen", 403)])
    def test_all_but_the_kitchen_may(self, org: BusinessProfile, role: str, status: int) -> None:
        assert member(org, role).post(_orders(org), _draft(org)).status_code == status
        assert Order.objects.count() == (status == 201)

    @committed
    def test_the_answer_is_the_order_and_where_it_is(self, org: BusinessProfile) -> None:
        client = member(org)
        client.get(_orders(org, "active/"))
        draft = _draft(org, customer_phone="020 7946 0018", discount="1", notes="ring twice")
        response = client.post(_orders(org), draft)
        body = response.json()
        assert (body["number"], body["status"], body["subtotal"], body["discount"]) == (1, "pending", "9.00", "1.00")
        assert body["customer_phone"] == "+442079460018"
        assert client.get(response["Location"]).content == response.content
        assert client.get(_orders(org, "active/")).json()["results"] == [body]
        assert "Idempotency-Replayed" not in response

    @committed
    def test_a_repetition_with_the_same_key_places_nothing(self, org: BusinessProfile) -> None:
        client, draft = member(org), _draft(org)
        first, again = (client.post(_orders(org), draft, headers={"Idempotency-Key": "k"}) for _ in range(2))
        assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
        assert again["Idempotency-Replayed"] == "true"
        assert Order.objects.count() == 1

    def test_the_same_key_with_another_order_is_a_conflict(self, org: BusinessProfile) -> None:
        client, draft = member(org), _draft(org)
        client.post(_orders(org), draft, headers={"Idempotency-Key": "k"})
        other = client.post(_orders(org), draft | {"notes": "other"}, headers={"Idempotency-Key": "k"})
        assert "new key" in problem(other, 409, "idempotency-conflict")["detail"]
        assert Order.objects.count() == 1

    def test_a_malformed_key_is_refused(self, org: BusinessProfile) -> None:
        response = member(org).post(_orders(org), _draft(org), headers={"Idempotency-Key": "x" * 256})
        assert wrong_fields(response) == {"Idempotency-Key"}

    @pytest.mark.parametrize(
        ("changes", "wrong"),
        [
            ({"lines": []}, {"lines"}),
            ({"lines": [{"item_id": "soup"}]}, {"lines.0.item_id"}),
            ({"lines": [{"item_id": str(uuid4()), "quantity": 0, "size": 1}]}, {"lines.0.size"}),
            ({"lines": [{"item_id": str(uuid4()), "quantity": 0}]}, {"lines.0.quantity"}),
            ({"lines": "soup"}, {"lines"}),
            ({"service": "drone"}, {"service"}),
            ({"service": "table"}, {"table"}),
            ({"service": "delivery"}, {"delivery_address"}),
            ({"discount": "-1"}, {"discount"}),
            ({"discount": "0.001"}, {"discount"}),
            ({"discount": "NaN"}, {"discount"}),
            ({"customer_phone": "call me"}, {"customer_phone"}),
            ({"customer_name": "x" * 201, "status": "paid"}, {"status"}),
            ({"customer_name": "x" * 201, "notes": "\x00"}, {"customer_name", "notes"}),
        ],
    )
    def test_what_is_unacceptable_is_named_and_places_nothing(
        self, org: BusinessProfile, changes: dict[str, Any], wrong: set[str]
    ) -> None:
        assert wrong_fields(member(org).post(_orders(org), _draft(org, **changes))) == wrong
        assert not Order.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "kind"),
        [
            ({"discount": "9.01"}, "discount"),
            ({"lines": [{"item_id": str(uuid4())}]}, "item-unavailable"),
            ({"service": "table", "table": "7"}, "service-refused"),
        ],
    )
    def test_what_breaks_a_rule_of_the_house_is_422(self, changes: dict[str, Any], kind: str) -> None:
        org = BusinessProfileFactory(accepts_table_service=False)
        problem(member(org).post(_orders(org), _draft(org, **changes)), 422, kind)

    def test_an_order_nobody_would_see_is_refused_for_now(
        self, org: BusinessProfile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(**_: Any) -> None:
            raise MarkFailed("Redis did not answer.")

        monkeypatch.setattr("orders.api.views.order_create", fail)
        response = member(org).post(_orders(org), _draft(org))
        problem(response, 503, "cache-unavailable")
        assert response["Retry-After"] == "1"


class TestChanging:
    @committed
    def test_fields_and_lines_change_together(self, org: BusinessProfile) -> None:
        order = OrderFactory(org=org, lines=1)
        client, address = member(org, "staff"), _orders(org, f"{order.pk}/")
        client.get(address)
        added = {"item_id": str(MenuItemFactory(org=org, name="Tea").pk), "options": ["no milk"]}
        body = client.patch(address, {"notes": "hurry", "lines_added": [added]}).json()
        assert (body["notes"], [line["options"] for line in body["lines"]]) == ("hurry", [[], ["no milk"]])
        body = client.patch(address, {"lines": [added]}).json()
        assert [line["item_name"] for line in body["lines"]] == ["Tea"]
        assert client.get(address).json() == body

    def test_the_kitchen_may_not(self, org: BusinessProfile) -> None:
        address = _orders(org, f"{OrderFactory(org=org, lines=1).pk}/")
        problem(member(org, "kitchen").patch(address, {"notes": "x"}), 403)

    def test_what_cannot_be_changed_is_named(self, org: BusinessProfile) -> None:
        address = _orders(org, f"{OrderFactory(org=org, lines=1).pk}/")
        assert wrong_fields(member(org).patch(address, {"status": "paid", "number": 3})) == {"status", "number"}

    def test_a_closed_order_stays_as_it_is(self, org: BusinessProfile) -> None:
        address = _orders(org, f"{OrderFactory(org=org, status=Status.CANCELLED, lines=1).pk}/")
        problem(member(org).patch(address, {"notes": "x"}), 409, "order-closed")

    def test_an_order_of_another_organisation_is_not_found(self, org: BusinessProfile) -> None:
        problem(member(org).patch(_orders(org, f"{OrderFactory().pk}/"), {"notes": "x"}), 404, "order-not-found")


class TestMovingOn:
    @pytest.mark.parametrize(
        ("before", "wanted", "roles"),
        [
            ("pending", "confirmed", set(ROLES)),
            ("confirmed", "preparing", set(ROLES)),
            ("preparing", "ready", set(ROLES)),
            ("ready", "served", set(ROLES) - {"kitchen"}),
            ("pending", "cancelled", set(ROLES) - {"kitchen"}),
        ],
    )
    def test_the_kitchen_cooks_and_the_others_serve(
        self, org: BusinessProfile, before: str, wanted: str, roles: set[str]
    ) -> None:
        for role in ROLES:
            order = OrderFactory(org=org, status=before, lines=1)
            response = member(org, role).post(_orders(org, f"{order.pk}/status/"), {"status": wanted})
            order.refresh_from_db()
            if role in roles:
                assert (response.status_code, response.json()["status"], order.status) == (200, wanted, wanted)
            else:
                problem(response, 403)
                assert order.status == before

    def test_an_illegal_move_is_refused_with_the_allowed_ones(self, org: BusinessProfile) -> None:
        order = OrderFactory(org=org, status=Status.PENDING)
        refusal = problem(
            member(org).post(_orders(org, f"{order.pk}/status/"), {"status": "ready"}), 409, "illegal-move"
        )
        assert refusal["detail"] == (
            "An order that is pending cannot become ready: it may become confirmed or cancelled."
        )

    @pytest.mark.parametrize("body", [{"status": "paid"}, {"status": "eaten"}, {}])
    def test_a_status_nobody_can_ask_for_is_refused(self, org: BusinessProfile, body: dict[str, str]) -> None:
        order = OrderFactory(org=org, status=Status.SERVED)
        assert wrong_fields(member(org).post(_orders(org, f"{order.pk}/status/"), body)) == {"status"}
