"""Clients that are signed in as members, and what every answer of the API must look like."""

from __future__ import annotations

from typing import Any

from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from restaurant.profiles.models import BusinessProfile, Membership
from tests.factories import MembershipFactory

ROLES = [role.value for role in Membership.Role]


def member(org: BusinessProfile, role: str = "owner") -> APIClient:
    """Return a client with the session of a new member."""
    client = APIClient()
    client.force_login(MembershipFactory(org=org, role=role).user)
    return client


def token_member(org: BusinessProfile, role: str = "owner") -> APIClient:
    """Return a client that sends the token of a new member."""
    token = Token.objects.create(user=MembershipFactory(org=org, role=role).user)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token.key}")
    return client


def problem(response: Any, status: int, kind: str = "about:blank") -> dict[str, Any]:
    """Check that the response is a problem of that status and kind (the end of its type); return its body."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"].rpartition("fast-access:")[2] == kind
    assert body["title"]
    assert body["detail"]
    return body


def wrong_fields(response: Any) -> set[str]:
    """Return the fields that a 400 complains of."""
    return {error["field"] for error in problem(response, 400, "invalid-request")["errors"]}
