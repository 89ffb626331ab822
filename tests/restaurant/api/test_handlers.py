"""Errors outside the views are problems under /api/, and pages elsewhere."""

import json
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.test import Client, RequestFactory

from restaurant.api import handlers
from restaurant.profiles.api.views import OrganisationsView
from tests.api_clients import problem

_HANDLERS = [
    (handlers.bad_request, (SuspiciousOperation(),), 400),
    (handlers.permission_denied, (PermissionError(),), 403),
    (handlers.not_found, (LookupError(),), 404),
    (handlers.server_error, (), 500),
]


@pytest.mark.parametrize(("handler", "args", "status"), _HANDLERS)
def test_under_api_it_is_a_problem(handler: Any, args: Any, status: int) -> None:
    response = handler(RequestFactory().get("/api/v1/x"), *args)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(response.content)["status"] == status


@pytest.mark.django_db
@pytest.mark.parametrize(("handler", "args", "status"), _HANDLERS)
def test_elsewhere_it_is_a_page(handler: Any, args: Any, status: int) -> None:
    response = handler(RequestFactory().get("/x"), *args)
    assert (response.status_code, response["Content-Type"].split(";")[0]) == (status, "text/html")


def test_an_address_that_leads_nowhere_is_a_problem(client: Client) -> None:
    assert "/api/docs/" in problem(client.get("/api/v1/nothing"), 404)["detail"]


@pytest.mark.django_db
def test_a_failure_nobody_expected_is_a_problem_that_tells_nothing(
    admin_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(OrganisationsView, "get", fail)
    client = Client(raise_request_exception=False)
    client.force_login(admin_user)
    response = client.get("/api/v1/orgs/")
    problem(response, 500)
    assert b"secret" not in response.content
