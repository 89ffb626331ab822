"""Profiles over HTTP: cached bytes for members, changes for those who may make them."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from caching import MarkFailed
from caching.registry import registry
from restaurant.profiles import services
from restaurant.profiles.models import BusinessProfile
from tests.api_clients import ROLES, member, problem, token_member, wrong_fields
from tests.factories import BusinessProfileFactory, MembershipFactory, UserFactory

_READS = [("profile/", "profile"), ("profile/lite/", "profile_lite"), ("settings/", "business_settings")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("path", "region"), _READS)
class TestCachedReads:
    def test_a_hit_costs_sign_in_and_membership_alone(
        self, path: str, region: str, tiers: str, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        org = BusinessProfileFactory()
        for client, queries in ((member(org), 3), (token_member(org), 1)):
            client.get(f"/api/v1/orgs/{org.org_id}/{path}")
            with django_assert_num_queries(queries):
                response = client.get(f"/api/v1/orgs/{org.org_id}/{path}")
            assert response.status_code == 200

    def test_the_cached_bytes_are_sent_unchanged(self, path: str, region: str) -> None:
        org = BusinessProfileFactory(name="Café")
        response = member(org).get(f"/api/v1/orgs/{org.org_id}/{path}")
        entry = registry.get(region).entry(org.org_id)
        assert (response.content, response["ETag"]) == (entry.body, entry.etag)

    def test_a_client_that_has_them_gets_304_until_they_change(self, path: str, region: str) -> None:
        org = BusinessProfileFactory()
        client, address = member(org), f"/api/v1/orgs/{org.org_id}/{path}"
        etag = client.get(address)["ETag"]
        assert client.get(address, headers={"If-None-Match": etag}).status_code == 304
        assert client.patch(f"/api/v1/orgs/{org.org_id}/profile/", {"currency": "EUR"}).status_code == 200
        changed = client.get(address, headers={"If-None-Match": etag})
        assert (changed.status_code, changed.json()["currency"]) == (200, "EUR")

    @pytest.mark.parametrize("role", ROLES)
    def test_every_member_may_read(self, path: str, region: str, role: str) -> None:
        org = BusinessProfileFactory()
        assert member(org, role).get(f"/api/v1/orgs/{org.org_id}/{path}").status_code == 200

    def test_parameters_that_mean_nothing_are_refused(self, path: str, region: str) -> None:
        org = BusinessProfileFactory()
        assert wrong_fields(member(org).get(f"/api/v1/orgs/{org.org_id}/{path}?fresh=1")) == {"fresh"}

    def test_the_browsable_page_shows_it(self, path: str, region: str) -> None:
        org = BusinessProfileFactory()
        page = member(org).get(f"/api/v1/orgs/{org.org_id}/{path}", headers={"Accept": "text/html"})
        assert page["Content-Type"] == "text/html; charset=utf-8"
        assert org.org_id.encode() in page.content

    def test_reads_fill_the_cache_under_atomic_requests_too(
        self, path: str, region: str, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.db import connection

        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        org = BusinessProfileFactory()
        client = token_member(org)
        client.get(f"/api/v1/orgs/{org.org_id}/{path}")
        with django_assert_num_queries(1):
            client.get(f"/api/v1/orgs/{org.org_id}/{path}")


@pytest.mark.django_db
class TestUpdating:
    @pytest.mark.parametrize(("role", "status"), [("owner", 200), ("manager", 200), ("staff", 403), ("kitchen", 403)])
    def test_owners_and_managers_may(self, role: str, status: int) -> None:
        org = BusinessProfileFactory(name="Old")
        response = member(org, role).patch(f"/api/v1/orgs/{org.org_id}/profile/", {"name": "New"})
        assert response.status_code == status
        assert BusinessProfile.objects.get(pk=org.pk).name == ("New" if status == 200 else "Old")

    @pytest.mark.django_db(transaction=True)
    def test_the_answer_is_what_the_next_read_gets(self) -> None:
        org = BusinessProfileFactory()
        client, address = member(org), f"/api/v1/orgs/{org.org_id}/profile/"
        client.get(address)
        changes = {"phone": "020 7946 0018", "tax_rate": "17.5", "opening_hours": {"sun": [["12:00", "22:00"]]}}
        response = client.patch(address, changes)
        assert response.content == client.get(address).content
        body = response.json()
        assert (body["phone"], body["tax_rate"], body["opening_hours"]["mon"]) == ("+442079460018", "17.50", [])

    @pytest.mark.django_db(transaction=True)
    def test_holidays_are_shown_in_the_profile_and_the_settings(self) -> None:
        org = BusinessProfileFactory()
        client, address = member(org), f"/api/v1/orgs/{org.org_id}"
        holidays = [{"first": "2026-12-25", "last": "2026-12-26", "name": "Christmas"}]
        assert client.patch(f"{address}/profile/", {"holidays": holidays}).status_code == 200
        for page in ("profile", "settings"):
            assert client.get(f"{address}/{page}/").json()["holidays"] == [{**holidays[0], "hours": []}]

    @pytest.mark.parametrize(
        ("changes", "wrong"),
        [
            ({"nmae": "x"}, {"nmae"}),
            ({"org_id": "other"}, {"org_id"}),
            ({"name": ""}, {"name"}),
            ({"name": None, "currency": "pounds"}, {"name", "currency"}),
            ({"tax_rate": "101"}, {"tax_rate"}),
            ({"phone": "call me"}, {"phone"}),
            ({"opening_hours": {"mon": [["12:00", "11:00"]]}}, {"opening_hours"}),
            ({"opening_hours": []}, {"opening_hours"}),
            ({"holidays": [{"first": "2026-12-26", "last": "2026-12-25"}]}, {"holidays"}),
            ({"holidays": {}}, {"holidays"}),
            ({"holidays": None}, {"holidays"}),
            ({"tax_on": "profit"}, {"tax_on"}),
            (["name"], {""}),
        ],
    )
    def test_what_is_unacceptable_is_named_and_changes_nothing(self, changes: Any, wrong: set[str]) -> None:
        org = BusinessProfileFactory()
        client, address = member(org), f"/api/v1/orgs/{org.org_id}/profile/"
        before = client.get(address).content
        assert wrong_fields(client.patch(address, changes)) == wrong
        assert client.get(address).content == before

    def test_a_change_nobody_would_see_is_refused_for_now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(**_: Any) -> None:
            raise MarkFailed("Redis did not answer.")

        org = BusinessProfileFactory()
        monkeypatch.setattr("restaurant.profiles.api.views.profile_update", fail)
        response = member(org).patch(f"/api/v1/orgs/{org.org_id}/profile/", {"name": "New"})
        assert "Try again" in problem(response, 503, "cache-unavailable")["detail"]
        assert response["Retry-After"] == "1"

    def test_a_session_needs_the_csrf_token_to_write(self) -> None:
        org = BusinessProfileFactory(name="Old")
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(MembershipFactory(org=org, role="owner").user)
        address = f"/api/v1/orgs/{org.org_id}/profile/"
        assert "CSRF" in problem(client.patch(address, {"name": "New"}), 403)["detail"]
        client.get("/api/login/login/")
        token = client.cookies["csrftoken"].value
        assert client.patch(address, {"name": "New"}, headers={"X-CSRFToken": token}).status_code == 200


@pytest.mark.django_db(transaction=True)
class TestManyProfiles:
    def test_those_of_the_members_organisations_come_in_the_order_asked_for(self) -> None:
        mine, other, strange = (BusinessProfileFactory() for _ in range(3))
        client = member(mine)
        MembershipFactory(org=other, user=mine.memberships.get().user, role="kitchen")
        ids = [other.org_id, strange.org_id, "nowhere", mine.org_id, other.org_id]
        body = client.get("/api/v1/profiles/", {"org": ids}).json()
        assert body["count"] == 2
        assert [each["org_id"] for each in body["results"]] == [other.org_id, mine.org_id]
        assert body["results"][1] == client.get(f"/api/v1/orgs/{mine.org_id}/profile/").json()

    def test_a_hit_costs_sign_in_and_membership_alone(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        org = BusinessProfileFactory()
        client = member(org)
        first = client.get("/api/v1/profiles/", {"org": [org.org_id]})
        with django_assert_num_queries(3):
            again = client.get("/api/v1/profiles/", {"org": [org.org_id]}, headers={"If-None-Match": first["ETag"]})
        assert again.status_code == 304

    @pytest.mark.parametrize("count", [0, 101])
    def test_a_batch_has_limits(self, count: int) -> None:
        client = member(BusinessProfileFactory())
        assert wrong_fields(client.get("/api/v1/profiles/", {"org": [f"org-{n}" for n in range(count)]})) == {"org"}


@pytest.mark.django_db
def test_my_organisations_are_listed_with_my_role() -> None:
    user = UserFactory()
    for org_id, role in (("b", "kitchen"), ("a", "owner")):
        MembershipFactory(user=user, org=BusinessProfileFactory(org_id=org_id, name=org_id.upper()), role=role)
    BusinessProfileFactory()
    client = APIClient()
    client.force_login(user)
    assert client.get("/api/v1/orgs/").json() == {
        "count": 2,
        "results": [
            {"org_id": "a", "name": "A", "role": "owner"},
            {"org_id": "b", "name": "B", "role": "kitchen"},
        ],
    }


def test_what_may_be_updated_is_what_the_service_accepts() -> None:
    from restaurant.profiles.api.serializers import ProfileUpdateSerializer

    assert tuple(ProfileUpdateSerializer().fields) == services.UPDATABLE
