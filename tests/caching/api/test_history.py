"""Who reads history over HTTP, what they ask, and what they get."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from caching.api.history import HistorySerializer
from caching.series import history
from tests.api_clients import wrong_fields
from tests.caching.api.test_views import client_of
from tests.caching.operators import CLEAR, VIEW, WARM, operator, shop_of
from tests.caching.usages import used
from tests.conftest import MovableClock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shops")]

HISTORY = "/api/v1/caches/history/"
# 2026-11-23T12:30:15Z
NOW = 1795437015.0


@pytest.fixture(autouse=True)
def now(clock: MovableClock) -> None:
    clock.seconds = NOW


def ask(**query: str) -> Any:
    return client_of(operator(VIEW)).get(HISTORY, query)


def test_it_needs_the_permission_to_view() -> None:
    assert client_of(operator(VIEW)).get(HISTORY).status_code == 200
    assert client_of(operator(CLEAR, WARM)).get(HISTORY).status_code == 403
    assert APIClient().get(HISTORY).status_code == 401


def test_it_is_read_and_nothing_else() -> None:
    assert client_of(operator(VIEW, CLEAR, WARM)).post(HISTORY).status_code == 405


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
        ({"org": "a\0b"}, "org"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-99-99"}, "until"),
        ({"step": "week"}, "step"),
        ({"since": "1h", "until": "2h"}, "since"),
        ({"since": "300d", "step": "minute"}, "since"),
    ],
)
def test_wrong_questions_name_the_wrong_field(query: dict[str, str], field: str) -> None:
    assert wrong_fields(ask(**query)) == {field}
