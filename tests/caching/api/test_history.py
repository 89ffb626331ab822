"""Who reads history over HTTP, what they ask, and what they get."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from caching.api.history import HistorySerializer
from caching.api.reports import UsageReportSerializer
from caching.reports import report
from caching.series import history
from tests.api_clients import wrong_fields
from tests.caching.api.test_views import client_of
from tests.caching.operators import CLEAR, VIEW, WARM, operator, shop_of
from tests.caching.usages import used
from tests.conftest import MovableClock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shops")]

HISTORY = "/api/v1/caches/history/"
REPORT = "/api/v1/caches/report/"
both = pytest.mark.parametrize("address", [HISTORY, REPORT])
# 2026-11-23T12:30:15Z
NOW = 1795437015.0


@pytest.fixture(autouse=True)
def now(clock: MovableClock) -> None:
    clock.seconds = NOW


def ask(address: str = HISTORY, /, **query: str) -> Any:
    return client_of(operator(VIEW)).get(address, query)


@both
def test_it_needs_the_permission_to_view(address: str) -> None:
    assert client_of(operator(VIEW)).get(address).status_code == 200
    assert client_of(operator(CLEAR, WARM)).get(address).status_code == 403
    assert APIClient().get(address).status_code == 401


@both
def test_it_is_read_and_nothing_else(address: str) -> None:
    assert client_of(operator(VIEW, CLEAR, WARM)).post(address).status_code == 405


def test_the_answer_is_what_a_chart_needs() -> None:
    used(local_hits=60, redis_hits=30, misses=10, local_ns=2000, local_samples=2, bytes=2048, entries=3)

    assert ask().json() == {
        "step": "minute",
        "since": "2026-11-23T06:30:00Z",
        "until": "2026-11-23T12:30:00Z",
        "series": [
            {
                "region": "shop",
                "org": "",
                "points": [
                    {
                        "at": "2026-11-23T12:29:00Z",
                        "requests": 100,
                        "hits": 90,
                        "local_hits": 60,
                        "redis_hits": 30,
                        "misses": 10,
                        "hit_rate": 0.9,
                        "avg_local_ms": 0.001,
                        "avg_redis_ms": None,
                        "avg_miss_ms": None,
                        "entries": 3,
                        "bytes": 2048,
                    }
                ],
            }
        ],
    }


def test_the_documents_describe_every_figure() -> None:
    used(misses=1)

    assert HistorySerializer(history()).data == ask().json()


def test_region_organisation_time_and_step_are_taken() -> None:
    shop_of("tea")
    for ago in (1, 20, 100):
        used(org="tea", ago=ago, misses=ago)
        used(org="tea", ago=ago, region="menu", misses=ago)

    body = ask(region="shop", org="tea", since="2026-11-23T11:00:00Z", until="10m", step="hour").json()

    assert (body["step"], body["since"], body["until"]) == ("hour", "2026-11-23T11:00:00Z", "2026-11-23T13:00:00Z")
    assert [(each["region"], each["org"]) for each in body["series"]] == [("shop", "tea")]
    assert [point["misses"] for point in body["series"][0]["points"]] == [21]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"region": "shap"}, "region"),
        ({"org": "tee"}, "org"),
        ({"org": "x" * 65}, "org"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-99-99"}, "until"),
        ({"since": "1h", "until": "2h"}, "since"),
    ],
)
@both
def test_wrong_questions_name_the_wrong_field(address: str, query: dict[str, str], field: str) -> None:
    assert wrong_fields(ask(address, **query)) == {field}


@both
def test_a_nul_names_the_field_where_the_site_does_not_refuse_it_before(address: str, settings: Settings) -> None:
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if not each.startswith("restaurant.nul.")]

    assert wrong_fields(ask(address, org="a\0b")) == {"org"}


@pytest.mark.parametrize(
    ("query", "field"), [({"step": "week"}, "step"), ({"since": "300d", "step": "minute"}, "since")]
)
def test_a_step_that_is_none_or_too_fine_is_told(query: dict[str, str], field: str) -> None:
    assert wrong_fields(ask(**query)) == {field}


def test_the_report_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    shop_of("tea")
    for org in ("", "tea"):
        used(org=org, misses=100, loads=3, load_ns=5)
        used(org=org, region="menu", misses=100)
    out = StringIO()
    call_command("cache_report", "--json", "--region", "shop", "--from", "5h", stdout=out)

    body = ask(REPORT, region="shop", since="5h").json()

    assert body == json.loads(out.getvalue())
    assert [each["region"] for each in body["regions"]] == ["shop"]
    assert ask(REPORT, org="tea").json()["org"] == "tea"


def test_the_documents_describe_all_of_the_report() -> None:
    for org in ("", "tea"):
        used(org=org, misses=100)
    used(org="cake", misses=1)
    used(ago=2, local_hits=1)

    body = ask(REPORT).json()

    assert UsageReportSerializer(report()).data == body
    assert body["advice"]
    assert body["busiest_orgs"]
