"""The documents describe the API completely, and say how each read is cached."""

from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

from caching import On
from caching.registry import registry
from orders.models import Order
from restaurant.api.openapi import cached_note
from restaurant.profiles.models import BusinessProfile

_CACHED = {
    "/orgs/{org}/profile/": ["profile"],
    "/orgs/{org}/profile/lite/": ["profile_lite"],
    "/orgs/{org}/settings/": ["business_settings"],
    "/profiles/": ["profile"],
    "/orgs/{org}/orders/": ["orders_page", "orders_by_status"],
    "/orgs/{org}/orders/active/": ["active_orders"],
    "/orgs/{org}/orders/{order_id}/": ["order"],
    "/orgs/{org}/orders/{order_id}/bill/": ["bill_total"],
    "/orgs/{org}/billing/summary/": ["billing_summary"],
    "/orgs/{org}/customers/{phone}/balance/": ["customer_balance"],
}


@pytest.fixture(scope="module")
def schema() -> Any:
    written = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=written)
    return yaml.safe_load(written.getvalue())


@pytest.mark.parametrize(("path", "regions"), _CACHED.items())
def test_each_cached_read_says_how_long_it_is_kept_and_what_makes_it_fresh(
    schema: Any, path: str, regions: list[str]
) -> None:
    told = " ".join(schema["paths"][f"/api/v1{path}"]["get"]["description"].split())
    for name in regions:
        region = registry.get(name)
        assert f"{region.local_ttl:g} s in local memory and {region.redis_ttl:g} s in Redis" in told
        assert all(str(on.model._meta.verbose_name) in told for on in region.fresh_on)


def test_every_region_of_the_site_is_read_by_some_address() -> None:
    site = {
        name
        for name, region in registry.regions.items()
        if not any(on.model.__module__.startswith("tests.") for on in region.fresh_on)
    }
    assert {name for names in _CACHED.values() for name in names} == site


def test_every_operation_may_answer_with_a_problem(schema: Any) -> None:
    assert "Problem" in schema["components"]["schemas"]
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_snapshots_are_described_with_what_they_hold(schema: Any) -> None:
    order = schema["components"]["schemas"]["Order"]["properties"]
    assert order["lines"]["items"]["$ref"].endswith("/OrderLine")
    assert order["placed_at"]["format"] == "date-time"
    assert order["subtotal"] == {"type": "string", "format": "decimal"}
    assert "quantity" in schema["components"]["schemas"]["OrderLine"]["properties"]


def test_filters_are_described_with_what_they_take(schema: Any) -> None:
    told = {each["name"]: each["schema"] for each in schema["paths"]["/api/v1/orgs/{org}/orders/"]["get"]["parameters"]}
    assert "ready" in told["status"]["enum"]
    assert (told["placed_on"]["format"], told["number"]["type"]) == ("date", "integer")
    assert told["page_size"]["maximum"] == 100


def test_a_note_tells_rows_of_the_key_from_rows_of_the_organisation() -> None:
    class Declared:
        local_ttl = 1.5
        redis_ttl = 60.0
        fresh_on = (
            On(Order, org="org_id", parts=("pk",), fields=("discount", "status")),
            On(BusinessProfile, org="org_id"),
        )

    note = cached_note(Declared())
    assert "1.5 s in local memory and 60 s in Redis" in note
    assert "its order (discount, status), any business profile of the organisation." in note


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/api/"])
def test_the_site_leads_to_the_documents(client: Client, path: str) -> None:
    assert client.get(path)["Location"] == "/api/docs/"


@pytest.mark.django_db
def test_the_browsable_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert b"https://" not in page.content
    assert b"/static/drf_spectacular_sidecar/" in page.content
    assert client.get("/api/schema/").status_code == 200
