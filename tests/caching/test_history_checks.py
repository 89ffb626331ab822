"""Each check of history: silent when all is well, and clear when it is not."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from django.db import OperationalError
from pytest_django.fixtures import Settings

from caching.history_checks import check_history, check_preset
from caching.registry import registry
from tests.caching.usages import used
from tests.conftest import MovableClock
from tests.shop import cached


def found(settings: Settings, **caching: Any) -> list[tuple[str | None, str]]:
    settings.CACHING = {**settings.CACHING, "OBSERVE_SECONDS": 1.0, **caching}
    return [(each.id, each.msg) for each in check_history()]


@pytest.mark.parametrize(
    "caching",
    [
        {},
        {"HISTORY": None},
        {"HISTORY": {}},
        {"HISTORY": {"minute": 10800, "hour": 259200.0, "day": 86400}},
        {"HISTORY": {"day": 10**9}},
        {"HISTORY": None, "OBSERVE_SECONDS": 0},
        {"HISTORY_ORGS": 0},
        {"HISTORY_ORGS": 200},
    ],
)
def test_good_settings_raise_nothing(settings: Settings, caching: dict[str, Any]) -> None:
    assert found(settings, **caching) == []


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([1], "CACHING['HISTORY'] must be a dictionary, not [1]."),
        ({"week": 10**6}, "CACHING['HISTORY']['week'] is nothing that is kept."),
        ({"minute": 10799}, "CACHING['HISTORY']['minute'] must be at least 10,800 seconds, not 10799."),
        ({"hour": 3600}, "CACHING['HISTORY']['hour'] must be at least 259,200 seconds, not 3600."),
        ({"day": True}, "CACHING['HISTORY']['day'] must be at least 86,400 seconds, not True."),
        ({"day": float("inf")}, "CACHING['HISTORY']['day'] must be at least 86,400 seconds, not inf."),
        ({"day": "1d"}, "CACHING['HISTORY']['day'] must be at least 86,400 seconds, not '1d'."),
    ],
)
def test_a_wrong_time_is_an_error(settings: Settings, kept: Any, message: str) -> None:
    assert found(settings, HISTORY=kept) == [("caching.E037", message)]


@pytest.mark.parametrize("count", [-1, 201, 1.5, True, None, "20"])
def test_a_wrong_number_of_organisations_is_an_error(settings: Settings, count: Any) -> None:
    [(number, message)] = found(settings, HISTORY_ORGS=count)
    assert (number, repr(count) in message) == ("caching.E038", True)


def test_history_that_nobody_writes_is_told(settings: Settings) -> None:
    [(number, message)] = found(settings, OBSERVE_SECONDS=0)
    assert (number, "nobody writes it" in message) == ("caching.W028", True)


@pytest.mark.parametrize("name", ["history", "report", "clear", "warm"])
def test_a_region_cannot_have_the_address_of_something_else(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(registry.regions, name, cached.shop)
    assert [number for number, _ in found(settings)] == ["caching.E039"]


@pytest.fixture
def busy_week(clock: MovableClock) -> None:
    for hour in range(1, 48):
        used(step="hour", ago=60 * hour - clock.seconds // 60 % 60, local_hits=100_000)


@pytest.mark.django_db
@pytest.mark.usefixtures("busy_week")
def test_a_preset_that_fits_better_is_told_where_databases_are_asked(settings: Settings) -> None:
    [warning] = check_preset(databases=["default"])

    assert warning.id == "caching.W027"
    assert "1,667 reads a minute in a busy hour, on 1 server" in warning.msg
    assert "fits the preset 'high_traffic' better than None" in warning.msg
    assert "set REDIS_ALIAS, too" in str(warning.hint)

    settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis"}
    assert "REDIS_ALIAS" not in str(check_preset(databases=["default"])[0].hint)

    settings.CACHING = {**settings.CACHING, "PRESET": "high_traffic"}
    assert check_preset(databases=["default"]) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("busy_week")
def test_django_asks_only_with_databases() -> None:
    out = StringIO()
    call_command("check", databases=["default"], stdout=out, stderr=out)
    assert "caching.W027" in out.getvalue()
    assert "caching.W027" not in [each.id for each in checks.run_checks()]
    assert check_preset(databases=["another"]) == []


@pytest.mark.django_db
def test_a_database_without_the_table_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OperationalError("no such table: caching_cacheusage")

    monkeypatch.setattr("caching.history_checks.preset_fit", fails)
    assert check_preset(databases=["default"]) == []
