"""Who may read the metrics over HTTP, and what they get."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.test import Client, override_settings
from prometheus_client.parser import text_string_to_metric_families as parse
from pytest_django.fixtures import DjangoAssertNumQueries, Settings
from rest_framework.authtoken.models import Token

from caching.reporting import cache_report
from tests.caching.operators import CLEAR, VIEW, WARM, operator
from tests.shop import cached


def test_strangers_are_refused(client: Client) -> None:
    assert client.get("/metrics").status_code == 401


@pytest.mark.django_db
def test_the_permission_to_view_is_needed_and_enough(client: Client) -> None:
    client.force_login(operator(CLEAR, WARM))
    assert client.get("/metrics").status_code == 403

    client.force_login(operator(VIEW))
    assert client.get("/metrics").status_code == 200


@pytest.mark.django_db
def test_a_token_is_as_good_as_a_session(client: Client) -> None:
    token = Token.objects.create(user=operator(VIEW))

    answer = client.get("/metrics", headers={"Authorization": f"Token {token.key}"})

    assert answer.status_code == 200


@pytest.mark.parametrize(("address", "status"), [("10.1.2.3", 200), ("192.0.2.1", 401), ("", 401)])
def test_a_network_of_ours_needs_no_permission_and_no_database(
    client: Client, settings: Settings, address: str, status: int
) -> None:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": ["10.0.0.0/8"]}

    assert client.get("/metrics", REMOTE_ADDR=address).status_code == status


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP"])
def test_what_a_header_says_of_the_address_is_not_believed(client: Client, settings: Settings, header: str) -> None:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": ["10.0.0.0/8"]}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}

    assert client.get("/metrics", REMOTE_ADDR="192.0.2.1", headers={header: "10.1.2.3"}).status_code == 401


@pytest.mark.django_db
def test_figures_equal_the_statistics(client: Client) -> None:
    client.force_login(operator(VIEW))
    cached.shop.counters.misses = 5
    cached.dish.counters.redis_hits = 3

    answer = client.get("/metrics")

    read = {
        (sample.labels["region"], sample.labels["tier"]): sample.value
        for family in parse(answer.content.decode())
        for sample in family.samples
        if sample.name == "caching_requests_total"
    }
    for region in cache_report(scope="host").regions:
        for tier, name in (("local", "local_hits"), ("redis", "redis_hits"), ("database", "misses")):
            assert read[region.name, tier] == region.statistics[name]
    assert (read["shop", "database"], read["dish", "redis"]) == (5, 3)
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(
    client: Client, settings: Settings, accept: str, content_type: str
) -> None:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": ["127.0.0.1"]}

    answer = client.get("/metrics", headers={"Accept": accept})

    assert answer["Content-Type"].startswith(content_type)


def test_refusals_are_problem_details_whatever_is_accepted(client: Client) -> None:
    answer = client.get("/metrics", headers={"Accept": "text/plain"})

    assert answer.json()["status"] == 401


def test_without_the_library_the_answer_says_what_to_install(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": ["127.0.0.1"]}
    monkeypatch.setitem(sys.modules, "caching.telemetry.prometheus", None)

    answer = client.get("/metrics")

    assert answer.status_code == 501
    assert "Install prometheus-client" in answer.content.decode()


def test_monitoring_is_not_throttled(client: Client, settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": ["127.0.0.1"]}
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "anonymous": "1/day"}
    with override_settings(REST_FRAMEWORK={**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}):
        assert [client.get("/metrics").status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.django_db
def test_a_scrape_asks_the_database_for_the_outbox_alone(
    client: Client, settings: Settings, redis: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": ["127.0.0.1"]}
    client.get("/metrics")

    with django_assert_num_queries(1):
        client.get("/metrics")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_metrics_are_only_read(client: Client, settings: Settings, method: str) -> None:
    settings.CACHING = {**settings.CACHING, "METRICS_NETWORKS": ["127.0.0.1"]}

    assert getattr(client, method)("/metrics").status_code == 405
