"""A body nobody honest would send is refused, not a failure of the server."""

import pytest
from rest_framework.test import APIClient

from tests.api_clients import problem


@pytest.mark.django_db
def test_a_body_that_is_nested_too_deeply_is_refused() -> None:
    response = APIClient().post("/api/v1/token/", "[" * 100_000, content_type="application/json")
    assert "deeply" in problem(response, 400)["detail"]
