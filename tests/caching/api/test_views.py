"""Who may watch, clear and warm over HTTP, what they send, and what they get."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from caching.models import CacheEvent, PendingInvalidation
from caching.runtime import runtime
from caching.stats import describe
from restaurant.profiles.models import User
from tests.caching.operators import CLEAR, VIEW, WARM, operator, rename_unnoticed, shop_of
from tests.shop import cached
from tests.shop.models import Dish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shops")]

CACHES = "/api/v1/caches/"
REQUESTS: list[tuple[str, str, dict[str, Any] | None, str]] = [
    ("get", CACHES, None, VIEW),
    ("get", CACHES + "shop/", None, VIEW),
    ("post", CACHES + "clear/", {"region": "shop"}, CLEAR),
    ("post", CACHES + "shop/clear/", {}, CLEAR),
    ("post", CACHES + "warm/", {"region": "shop"}, WARM),
    ("post", CACHES + "shop/warm/", {}, WARM),
    ("get", "/admin/cache-stats", None, VIEW),
    ("get", "/admin/cache-stats/", None, VIEW),
    ("post", "/admin/cache-clear", {"region": "shop"}, CLEAR),
    ("post", "/admin/cache-clear/", {"region": "shop"}, CLEAR),
]
every_request = pytest.mark.parametrize(("method", "address", "body", "permission"), REQUESTS)


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def send(client: APIClient, method: str, address: str, body: dict[str, Any] | None = None) -> Any:
    return getattr(client, method)(address, body) if body is not None else getattr(client, method)(address)


@every_request
def test_each_request_needs_its_own_permission_and_no_other(
    method: str, address: str, body: dict[str, Any] | None, permission: str
) -> None:
    others = {VIEW, CLEAR, WARM} - {permission}

    assert send(client_of(operator(permission)), method, address, body).status_code == 200
    assert send(client_of(operator(*others)), method, address, body).status_code == 403
    assert send(APIClient(), method, address, body).status_code == 401


@every_request
def test_tokens_are_as_good_as_sessions(
    method: str, address: str, body: dict[str, Any] | None, permission: str
) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=operator(permission)).key}")

    assert send(client, method, address, body).status_code == 200


@every_request
def test_sessions_need_a_csrf_token_to_change_anything(
    method: str, address: str, body: dict[str, Any] | None, permission: str
) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(operator(permission))

    response = send(client, method, address, body)

    assert response.status_code == (403 if method == "post" else 200)
    assert not CacheEvent.objects.exists()


@pytest.mark.parametrize("address", [CACHES + "clear/", CACHES + "shop/warm/", "/admin/cache-clear"])
def test_clearing_and_warming_are_post_only(address: str) -> None:
    response = client_of(operator(VIEW, CLEAR, WARM)).put(address, {})

    assert response.status_code == 405
    assert "POST" in response["Allow"]


@pytest.mark.django_db(transaction=True)
def test_the_report_holds_the_statistics() -> None:
    shop_of()
    for _ in range(3):
        cached.shop.get("tea")

    report = client_of(operator(VIEW)).get(CACHES).json()

    assert (report["scope"], report["redis"], report["local_memory"]) == ("host", False, True)
    figures = {region["name"]: region["statistics"] for region in report["regions"]}
    assert figures == {name: describe(numbers) for name, numbers in runtime.statistics.host().items()}
    assert (figures["shop"]["requests"], figures["shop"]["misses"], figures["shop"]["entries"]) == (3, 1, 1)


def test_a_report_of_the_process_alone_is_marked_as_such() -> None:
    client = client_of(operator(VIEW))

    assert client.get(CACHES + "?scope=process").json()["scope"] == "process"
    assert client.get(CACHES + "?scope=galaxy").status_code == 400


def test_one_region_is_shown_with_what_it_declares() -> None:
    client = client_of(operator(VIEW))

    region = client.get(CACHES + "shop/").json()

    assert (region["name"], region["label"], region["local_ttl"], region["redis_ttl"]) == ("shop", "Shop", 300, None)
    response = client.get(CACHES + "shap/")
    assert response.status_code == 404
    assert "Regions: " in response.json()["detail"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("tiers")
@pytest.mark.parametrize(
    ("address", "body"),
    [
        (CACHES + "clear/", {"all": True}),
        (CACHES + "clear/", {"org": "tea"}),
        (CACHES + "clear/", {"region": "shop", "org": "tea"}),
        (CACHES + "clear/", {"region": "shop", "org": "tea", "key": []}),
        (CACHES + "shop/clear/", {}),
        (CACHES + "shop/clear/", {"org": "tea"}),
        (CACHES + "shop/clear/", {"org": "tea", "key": []}),
        ("/admin/cache-clear", {"all": True}),
    ],
)
def test_what_was_cleared_is_read_anew_and_recorded(address: str, body: dict[str, Any]) -> None:
    shop_of()
    cached.shop.get("tea")
    rename_unnoticed()
    user = operator(CLEAR)

    response = client_of(user).post(address, body)

    assert response.status_code == 200
    assert cached.shop.get("tea") == cached.ShopCopy(slug="tea", name="new")
    event = CacheEvent.objects.get()
    assert (event.action, event.user, event.org_id) == ("clear", user, body.get("org", ""))
    found = {"found": True} if "key" in body else {}
    assert response.json() == {"region": event.region or None, "org": event.org_id or None, **found}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("tiers")
@pytest.mark.parametrize("address", ["clear/", "shop/clear/"])
def test_whether_a_cleared_key_was_there_is_told(address: str) -> None:
    shop_of()
    body = {"region": "shop", "org": "tea", "key": []}

    assert client_of(operator(CLEAR)).post(CACHES + address, body).json()["found"] is False


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_down")
def test_nothing_is_told_of_a_key_that_only_redis_would_know() -> None:
    shop_of()

    response = client_of(operator(CLEAR)).post(CACHES + "shop/clear/", {"org": "tea", "key": []})

    assert response.json() == {"region": "shop", "org": "tea", "found": None}


def test_one_key_is_warmed_and_counted() -> None:
    dish = Dish.objects.create(shop=shop_of(), name="bun")

    response = client_of(operator(WARM)).post(CACHES + "dish/warm/", {"org": "tea", "key": [str(dish.pk)]})

    assert response.json() == {"region": "dish", "org": "tea", "loaded": {"dish": 1}}
    assert CacheEvent.objects.get().action == "warm"


def test_a_key_may_hold_numbers() -> None:
    shop_of()

    assert client_of(operator(CLEAR)).post(CACHES + "tally/clear/", {"org": "tea", "key": [5]}).status_code == 200

    assert CacheEvent.objects.get().key == cached.tally.key("tea", 5).name


def test_a_browser_gets_the_browsable_page() -> None:
    response = client_of(operator(VIEW)).get("/admin/cache-stats", headers={"Accept": "text/html"})

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")
    assert "hit_rate" in response.content.decode()


def test_a_shop_is_warmed_in_every_region() -> None:
    shop_of()

    loaded = client_of(operator(WARM)).post(CACHES + "warm/", {"org": "tea"}).json()["loaded"]

    assert loaded["shop"] == 1
    assert set(loaded) == set(runtime.statistics.host())


@pytest.mark.parametrize(
    ("address", "body", "fields"),
    [
        ("clear/", {}, {""}),
        ("clear/", {"all": True, "region": "shop"}, {""}),
        ("clear/", {"region": "shap"}, {"region"}),
        ("clear/", {"org": "tee"}, {"org"}),
        ("clear/", {"org": "tea", "key": ["x"]}, {"region"}),
        ("clear/", {"region": "shop", "key": ["x"]}, {"org"}),
        ("shop/clear/", {"key": ["x"]}, {"org"}),
        ("shop/clear/", {"org": ""}, {"org"}),
        ("dish/clear/", {"org": "tea", "key": [True]}, {"key"}),
        ("dish/clear/", {"org": "tea", "key": [{"pk": 1}]}, {"key"}),
        ("dish/clear/", {"org": "tea", "key": ["x" * 201]}, {"key"}),
        ("dish/clear/", {"org": "tea", "key": ["x"] * 9}, {"key"}),
        ("dish/warm/", {"org": "tea", "key": ["bread"]}, {"key"}),
        ("shop/warm/", {"org": "tee"}, {"org"}),
    ],
)
def test_a_wrong_body_is_told_by_field(address: str, body: dict[str, Any], fields: set[str]) -> None:
    shop_of()

    response = client_of(operator(CLEAR, WARM)).post(CACHES + address, body)

    assert response.status_code == 400, response.content
    assert {error["field"].partition(".")[0] for error in response.json()["errors"]} == fields
    assert not CacheEvent.objects.exists()


def test_an_unknown_region_in_the_address_is_404() -> None:
    client = client_of(operator(CLEAR, WARM))

    assert client.post(CACHES + "shap/clear/", {}).status_code == 404
    assert client.post(CACHES + "shap/warm/", {}).status_code == 404


@pytest.mark.usefixtures("redis_down")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", ["shop/clear/", "clear/"])
def test_without_redis_a_clear_is_accepted_and_waits_in_the_outbox(address: str) -> None:
    body = {} if address.startswith("shop") else {"all": True}

    response = client_of(operator(CLEAR, WARM)).post(CACHES + address, body)

    assert response.status_code == 200, response.content
    assert PendingInvalidation.objects.filter(kind="clear").exists()
    assert CacheEvent.objects.exists()


@pytest.mark.usefixtures("redis_down")
@pytest.mark.parametrize("address", ["shop/warm/", "warm/"])
def test_without_redis_the_answer_is_503_with_a_time_to_try_again(address: str) -> None:
    body = {} if address.startswith("shop") else {"all": True}

    response = client_of(operator(CLEAR, WARM)).post(CACHES + address, body)

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Redis did not answer" in response.json()["detail"]
    assert not CacheEvent.objects.exists()
