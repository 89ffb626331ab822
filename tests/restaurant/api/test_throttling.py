"""A client that asks too often is told when to come back."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from restaurant.api import throttling
from tests.api_clients import problem
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of day, in a list so that a test can change it: 20 s into a minute."""
    moment = [1_000_000_000.0 - 1_000_000_000 % 60 + 20]
    monkeypatch.setattr(throttling, "time", SimpleNamespace(time=lambda: moment[0]))
    return moment


def _rates(settings: Any, **rates: str) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}


def _signed_in() -> APIClient:
    client = APIClient()
    client.force_login(UserFactory())
    return client


def test_a_user_is_stopped_at_the_limit_and_no_other_user_is(settings: Any, now: list[float]) -> None:
    _rates(settings, user="2/min")
    busy, other = _signed_in(), _signed_in()
    assert [busy.get("/api/v1/orgs/").status_code for _ in range(3)] == [200, 200, 429]
    assert other.get("/api/v1/orgs/").status_code == 200
    response = busy.get("/api/v1/orgs/")
    problem(response, 429)
    assert response["Retry-After"] == "40"
    now[0] += 40
    assert busy.get("/api/v1/orgs/").status_code == 200


def test_strangers_are_counted_by_address(settings: Any) -> None:
    _rates(settings, anonymous="1/hour", user="1/day")
    here = APIClient()
    assert [here.get("/api/schema/").status_code for _ in range(2)] == [200, 429]
    assert APIClient(REMOTE_ADDR="192.0.2.1").get("/api/schema/").status_code == 200
    assert here.get("/api/schema/", HTTP_X_FORWARDED_FOR="192.0.2.9").status_code == 429
    assert _signed_in().get("/api/schema/").status_code == 200


def test_passwords_can_be_tried_a_few_times_only(settings: Any) -> None:
    _rates(settings, token="1/s")
    wrong = {"username": "nobody", "password": "guess"}
    assert [APIClient().post("/api/v1/token/", wrong).status_code for _ in range(2)] == [400, 429]


@pytest.mark.parametrize("rates", [{}, {"user": ""}])
def test_without_a_rate_there_is_no_limit(settings: Any, rates: dict[str, str]) -> None:
    _rates(settings, **rates)
    client = _signed_in()
    assert {client.get("/api/v1/orgs/").status_code for _ in range(3)} == {200}


def test_a_counter_that_is_evicted_starts_again(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _rates(settings, user="1/min")
    monkeypatch.setattr(cache, "add", lambda *_, **__: True)
    client = _signed_in()
    assert [client.get("/api/v1/orgs/").status_code for _ in range(2)] == [200, 200]


def test_a_rate_that_is_none_is_an_error_that_shows_how(settings: Any) -> None:
    _rates(settings, user="often")
    with pytest.raises(ValueError, match="600/min"):
        _signed_in().get("/api/v1/orgs/")


def test_a_throttle_must_say_whom_it_counts() -> None:
    with pytest.raises(NotImplementedError):
        throttling.WindowThrottle().identify(None)
