"""Every page says what it may load; a view that says so itself is left alone."""

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from restaurant.csp import POLICY, ContentSecurityPolicyMiddleware


@pytest.mark.django_db
def test_pages_may_load_from_this_site_alone(client: Client) -> None:
    assert client.get("/admin/login/")["Content-Security-Policy"] == POLICY
    assert "script-src" not in POLICY, "scripts fall under default-src 'self'"


def test_a_policy_of_a_views_own_stays() -> None:
    def view(_: object) -> HttpResponse:
        return HttpResponse(headers={"Content-Security-Policy": "default-src 'none'"})

    response = ContentSecurityPolicyMiddleware(view)(RequestFactory().get("/"))
    assert response["Content-Security-Policy"] == "default-src 'none'"
