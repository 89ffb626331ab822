"""A token stands for its user until it is revoked."""

import pytest
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from tests.api_clients import problem, wrong_fields
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def _obtain(**credentials: str) -> str:
    response = APIClient().post("/api/v1/token/", credentials)
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    return str(response.json()["token"])


def test_name_and_password_give_the_same_token_each_time() -> None:
    UserFactory(username="ada", password="secret")
    token = _obtain(username="ada", password="secret")
    assert _obtain(username="ada", password="secret") == token
    client = APIClient(headers={"Authorization": f"Token {token}"})
    assert client.get("/api/v1/orgs/").status_code == 200


def test_a_revoked_token_is_worth_nothing() -> None:
    UserFactory(username="ada", password="secret")
    token = _obtain(username="ada", password="secret")
    client = APIClient(headers={"Authorization": f"Token {token}"})
    assert client.delete("/api/v1/token/").status_code == 204
    assert not Token.objects.exists()
    problem(client.get("/api/v1/orgs/"), 401)
    assert _obtain(username="ada", password="secret") != token


@pytest.mark.parametrize("is_active", [True, False])
def test_wrong_passwords_and_blocked_users_get_none(is_active: bool) -> None:
    UserFactory(username="ada", password="secret", is_active=is_active)
    password = "guess" if is_active else "secret"
    response = APIClient().post("/api/v1/token/", {"username": "ada", "password": password})
    assert wrong_fields(response) == {""}
    assert not Token.objects.exists()


def test_both_name_and_password_are_needed() -> None:
    assert wrong_fields(APIClient().post("/api/v1/token/", {"username": "ada", "pass": "x"})) == {"pass"}
    assert wrong_fields(APIClient().post("/api/v1/token/", {})) == {"username", "password"}


def test_who_is_signed_out_has_none_to_revoke() -> None:
    problem(APIClient().delete("/api/v1/token/"), 401)
