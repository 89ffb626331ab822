"""A NUL reaches no database: not from the path, the query string, a cookie or a form."""

import pytest
from django.test import Client
from django.test.client import MULTIPART_CONTENT

from tests.factories import BusinessProfileFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/orgs/%00/profile/",
        "/api/v1/profiles/?org=a%00b",
        "/api/v1/orgs/corner/customers/%00/balance/",
        "/admin/profiles/businessprofile/%00/change/",
        "/admin/profiles/businessprofile/?pk=%00",
        "/admin/orders/order/?status__exact=%00",
        "/admin/orders/order/?q=a%00",
    ],
)
def test_in_an_address_it_is_refused(operator: Client, address: str) -> None:
    assert operator.get(address).status_code == 400


def test_the_api_refuses_it_with_a_problem(operator: Client) -> None:
    refused = operator.get("/api/v1/profiles/?org=%00")
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")


def test_in_the_cookie_of_the_session_it_is_refused(client: Client) -> None:
    client.cookies.load(r'sessionid="abcdefghijkl\000"')
    assert client.get("/admin/").status_code == 400


def test_the_cookie_of_a_session_is_otherwise_read_as_ever(operator: Client) -> None:
    BusinessProfileFactory()
    assert operator.get("/admin/profiles/businessprofile/?q=%20").status_code == 200


@pytest.mark.parametrize(
    ("address", "kind", "status"),
    [("/admin/login/", MULTIPART_CONTENT, 200), ("/api/v1/token/", "application/json", 400)],
    ids=["form", "JSON"],
)
def test_nobody_signs_in_by_a_name_with_one(client: Client, address: str, kind: str, status: int) -> None:
    refused = client.post(address, {"username": "a\x00b", "password": "x"}, content_type=kind)
    assert refused.status_code == status
