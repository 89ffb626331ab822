"""Whatever goes wrong, the client gets a problem that says what and what to do."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from caching import MarkFailed, RedisUnavailable, UnknownRegion
from restaurant.api.problems import exception_handler
from restaurant.errors import ConflictError, DomainError, NotFoundError, UnacceptableError
from tests.api_clients import problem


def _handled(exc: Exception) -> Any:
    response = exception_handler(exc, {"request": Request(APIRequestFactory().get("/"))})
    assert response is not None
    return response


@pytest.mark.parametrize(
    ("exc", "status", "kind"),
    [
        (NotFoundError("No."), 404, "not-found"),
        (ConflictError("No."), 409, "conflict"),
        (UnacceptableError("No."), 422, "unacceptable"),
        (DomainError("No."), 400, "refused"),
        (Http404(), 404, "about:blank"),
        (PermissionDenied(), 403, "about:blank"),
        (UnknownRegion("menu", ["order"]), 404, "unknown-region"),
        (MarkFailed("x"), 503, "cache-unavailable"),
        (RedisUnavailable("x"), 503, "cache-unavailable"),
        (OperationalError("database is locked"), 503, "database-busy"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "about:blank"),
    ],
)
def test_each_kind_of_refusal_has_its_status_and_type(exc: Exception, status: int, kind: str) -> None:
    response = _handled(exc)
    assert response.status_code == response.data["status"] == status
    assert response.data["type"].rpartition("fast-access:")[2] == kind
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("exc", [MarkFailed("x"), OperationalError("database is locked"), exceptions.Throttled(wait=1)])
def test_who_may_try_again_is_told_when(exc: Exception) -> None:
    assert _handled(exc)["Retry-After"] == "1"


@pytest.mark.parametrize("exc", [OperationalError("no such table"), RuntimeError("bug")])
def test_what_nobody_expected_is_left_to_the_log_and_the_500_page(exc: Exception) -> None:
    assert exception_handler(exc, {"request": None}) is None


@pytest.mark.parametrize(
    ("detail", "fields"),
    [
        ({"lines": [{}, {"quantity": ["Too few."]}]}, {"lines.1.quantity"}),
        ({"name": ["Too long.", "Too dull."]}, {"name"}),
        ({"non_field_errors": ["No object."]}, {""}),
        (["Nothing of that."], {""}),
        ({"\ud800": ["There is no such field."]}, {"?"}),
    ],
)
def test_a_wrong_field_is_named_by_its_path(detail: Any, fields: set[str]) -> None:
    body = _handled(exceptions.ValidationError(detail)).data
    assert {error["field"] for error in body["errors"]} == fields
    assert all(field in body["detail"] for field in fields)


@pytest.mark.parametrize(
    ("exc", "fields"),
    [(ValidationError({"phone": "No number."}), {"phone"}), (ValidationError("Nothing of that."), {""})],
)
def test_what_services_find_wrong_is_reported_like_what_serializers_do(exc: Exception, fields: set[str]) -> None:
    assert {error["field"] for error in _handled(exc).data["errors"]} == fields


@pytest.mark.django_db
class TestOverHttp:
    def test_a_stranger_is_asked_to_sign_in(self, client: Any) -> None:
        response = client.get("/api/v1/orgs/")
        problem(response, 401)
        assert response["WWW-Authenticate"] == "Token"

    def test_a_method_that_is_none_is_refused(self, admin_client: Any) -> None:
        problem(admin_client.put("/api/v1/orgs/"), 405)

    def test_a_version_that_is_none_is_not_found(self, admin_client: Any) -> None:
        problem(admin_client.get("/api/v9/orgs/"), 404)

    def test_a_format_nobody_speaks_is_refused(self, admin_client: Any) -> None:
        problem(admin_client.get("/api/v1/orgs/", headers={"Accept": "application/xml"}), 406)

    def test_bodies_that_are_no_json_are_refused(self) -> None:
        client = APIClient()
        problem(client.post("/api/v1/token/", "{", content_type="application/json"), 400)
        problem(client.post("/api/v1/token/", "a=b", content_type="text/plain"), 415)

    def test_a_body_that_is_too_long_is_not_read(self, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 20
        problem(APIClient().post("/api/v1/token/", {"username": "x" * 20}), 413)

    def test_the_browsable_page_shows_a_problem_as_a_page(self, admin_client: Any) -> None:
        response = admin_client.get("/api/v1/orgs/nowhere/profile/", headers={"Accept": "text/html"})
        assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")
