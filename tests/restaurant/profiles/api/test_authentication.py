"""A token is as good as the database says at that moment, and no query is built to ask it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db.models.sql.compiler import SQLCompiler
from pytest_django import DjangoAssertNumQueries
from rest_framework.authtoken.models import Token
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from restaurant.profiles.api.authentication import TokenAuthentication, role_of
from restaurant.profiles.models import BusinessProfile, Membership, User
from tests.api_clients import problem, token_member
from tests.factories import BusinessProfileFactory, MembershipFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> BusinessProfile:
    return BusinessProfileFactory()


@pytest.fixture
def client(org: BusinessProfile) -> APIClient:
    """A client with a token, to whom the profile has been sent once."""
    client = token_member(org)
    assert client.get(_address(org)).status_code == 200
    return client


def _address(org: BusinessProfile) -> str:
    return f"/api/v1/orgs/{org.org_id}/profile/"


# Reads inside a transaction fill no cache.
@pytest.mark.sql
@pytest.mark.django_db(transaction=True)
def test_a_cached_answer_costs_one_query_that_nobody_builds(
    client: APIClient,
    org: BusinessProfile,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(SQLCompiler, "as_sql")
    with django_assert_num_queries(1):
        assert client.get(_address(org)).status_code == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda: Token.objects.all().delete(), 401),
        (lambda: User.objects.update(is_active=False), 401),
        (lambda: Membership.objects.all().delete(), 404),
    ],
    ids=["revoked", "blocked", "no member any more"],
)
def test_what_is_taken_away_is_gone_with_the_next_request(
    client: APIClient, org: BusinessProfile, change: Callable[[], object], status: int
) -> None:
    change()
    problem(client.get(_address(org)), status)


def test_a_role_that_changed_counts_with_the_next_request(client: APIClient, org: BusinessProfile) -> None:
    Membership.objects.update(role="kitchen")
    problem(client.patch(_address(org), {"name": "New"}), 403)
    Membership.objects.update(role="manager")
    assert client.patch(_address(org), {"name": "New"}).status_code == 200


def test_a_token_has_its_role_in_each_organisation(client: APIClient, org: BusinessProfile) -> None:
    second, others = BusinessProfileFactory(), BusinessProfileFactory()
    Membership.objects.create(user=Membership.objects.get(org=org).user, org=second, role="kitchen")
    assert client.patch(_address(org), {"name": "New"}).status_code == 200
    problem(client.patch(_address(second), {"name": "New"}), 403)
    problem(client.get(_address(others)), 404)


def test_only_the_role_in_the_organisation_that_is_asked_for_counts(org: BusinessProfile) -> None:
    membership = MembershipFactory(org=org, role="owner")
    request = Request(APIRequestFactory().get("/"))
    request.user = membership.user
    request._authenticator = TokenAuthentication()
    request._authenticator.org_id, request._authenticator.role = "another", "kitchen"
    assert role_of(request, org.org_id) == "owner"


@pytest.mark.parametrize("header", ["Token", "Token nobody's", "Token two words", "Token \x00"])
def test_what_is_no_token_signs_nobody_in(org: BusinessProfile, header: str) -> None:
    refused = APIClient(headers={"Authorization": header}).get(_address(org))
    problem(refused, 401)
    assert refused["WWW-Authenticate"] == "Token"
