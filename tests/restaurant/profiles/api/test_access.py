"""Membership is checked before anything is read, and one table says what each role may do."""

from itertools import pairwise

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from restaurant.profiles.api.access import ALLOWED, Action, Role
from tests.api_clients import member, problem
from tests.factories import BusinessProfileFactory, UserFactory


def test_each_role_may_do_all_that_the_one_below_may() -> None:
    ranks = [ALLOWED[role] for role in (Role.KITCHEN, Role.STAFF, Role.MANAGER, Role.OWNER)]
    assert set(ALLOWED) == set(Role)
    assert all(lower <= higher for lower, higher in pairwise(ranks))
    assert ranks[-1] == set(Action)


@pytest.mark.django_db
class TestMembership:
    def test_a_stranger_cannot_tell_an_organisation_from_none(self) -> None:
        client = member(BusinessProfileFactory())
        answers = [
            problem(client.get(f"/api/v1/orgs/{org}/profile/"), 404)
            for org in (BusinessProfileFactory().org_id, "nowhere")
        ]
        assert answers[0] == answers[1]

    def test_a_superuser_without_membership_is_a_stranger(self, admin_client: Client) -> None:
        problem(admin_client.get(f"/api/v1/orgs/{BusinessProfileFactory().org_id}/profile/"), 404)

    def test_a_role_that_may_not_is_told_so(self) -> None:
        org = BusinessProfileFactory()
        refusal = problem(member(org, "kitchen").patch(f"/api/v1/orgs/{org.org_id}/profile/", {"name": "x"}), 403)
        assert refusal["detail"] == "In this organisation you are kitchen, who may not change the profile."

    def test_a_member_is_told_of_a_method_that_is_none_and_a_stranger_is_not(self) -> None:
        org = BusinessProfileFactory()
        problem(member(org, "kitchen").delete(f"/api/v1/orgs/{org.org_id}/profile/"), 405)
        problem(member(BusinessProfileFactory()).delete(f"/api/v1/orgs/{org.org_id}/profile/"), 404)

    def test_asking_for_the_headers_alone_is_reading(self) -> None:
        org = BusinessProfileFactory()
        assert member(org, "kitchen").head(f"/api/v1/orgs/{org.org_id}/profile/").status_code == 200
        assert member(org, "kitchen").head(f"/api/v1/orgs/{org.org_id}/billing/summary/").status_code == 403

    def test_who_is_signed_out_is_asked_to_sign_in(self) -> None:
        problem(APIClient().get(f"/api/v1/orgs/{BusinessProfileFactory().org_id}/profile/"), 401)

    def test_a_stranger_costs_the_queries_of_sign_in_and_membership(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        client = APIClient()
        client.force_login(UserFactory())
        with django_assert_num_queries(3):
            client.get(f"/api/v1/orgs/{BusinessProfileFactory.build().org_id}/profile/")
