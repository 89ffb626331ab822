"""Each system check: silent when all is well, and clear when it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from pytest_django.fixtures import Settings

from caching.checks import check_caching
from caching.hostfile import host_file_path

DJANGO_REDIS = {"BACKEND": "django_redis.cache.RedisCache"}


def found(settings: Settings, **caching: Any) -> list[checks.CheckMessage]:
    """What the checks say of the tests' settings with these changes."""
    settings.CACHING = {**settings.CACHING, **caching}
    return check_caching()


def test_good_settings_raise_nothing(settings: Settings) -> None:
    good = {"LOCAL_MAX_ENTRIES": 1, "TTL_JITTER": 0, "LEASE_WAIT_SECONDS": 0, "MARK_SECONDS": 0.2, "PREFIX": "shop:"}

    assert found(settings, **good, REGIONS={"shop": {"local_ttl": 10, "redis_ttl": 0.5}}) == []


def test_no_settings_at_all_are_good_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = settings.CACHING["STAMPS_DIR"]
    del settings.CACHING
    monkeypatch.setattr("caching.hostfile.host_file_path", lambda kind: Path(folder) / kind)
    monkeypatch.setattr("caching.stamps.host_file_path", lambda kind: Path(folder) / kind)

    assert check_caching() == []


def test_django_runs_them(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "TTL_JITTER": 1}

    assert "caching.E003" in [each.id for each in checks.run_checks(tags=[checks.Tags.caches])]


def test_settings_that_are_no_dictionary_are_an_error(settings: Settings) -> None:
    settings.CACHING = ["PREFIX"]

    assert [(each.id, each.msg) for each in check_caching()] == [("caching.E001", "CACHING must be a dictionary.")]


def test_a_misspelt_setting_is_an_error_that_lists_the_settings(settings: Settings) -> None:
    [error] = found(settings, MARK_SECOND=5)

    assert (error.id, error.msg) == ("caching.E002", "CACHING['MARK_SECOND'] is no setting.")
    assert "MARK_SECONDS, " in str(error.hint)


@pytest.mark.parametrize("value", [0, -1, "5", None, True, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "name",
    [
        "LOCAL_MAX_ENTRIES",
        "LOCAL_MAX_BYTES",
        "LOCAL_TTL_WITHOUT_TRACKING",
        "REDIS_BUDGET_SECONDS",
        "REST_BUDGET_SECONDS",
        "RELAY_SECONDS",
        "TRUST_SECONDS",
        "MARK_SECONDS",
        "LEASE_SECONDS",
        "NEGATIVE_TTL",
        "WIDE_MARK_ABOVE",
    ],
)
def test_a_limit_or_a_time_must_be_above_zero(settings: Settings, name: str, value: Any) -> None:
    [error] = found(settings, **{name: value})

    assert error.id == "caching.E003"
    assert error.msg == f"CACHING[{name!r}] must be a number above 0, not {value!r}."


@pytest.mark.parametrize("prefix", ["", None, 5, "{shop}", "shop}", "sh{op"])
def test_a_prefix_must_be_text_without_braces(settings: Settings, prefix: Any) -> None:
    [error] = found(settings, PREFIX=prefix)

    assert (error.id, error.msg) == ("caching.E003", "CACHING['PREFIX'] must be text without braces.")


@pytest.mark.parametrize("jitter", [-0.1, 1, "0.1", None])
def test_jitter_must_leave_something_of_the_time_to_live(settings: Settings, jitter: Any) -> None:
    [error] = found(settings, TTL_JITTER=jitter)

    assert (error.id, error.msg) == ("caching.E003", "CACHING['TTL_JITTER'] must be at least 0 and below 1.")


@pytest.mark.parametrize("wait", [-0.1, "0.1", None])
@pytest.mark.parametrize("name", ["LEASE_WAIT_SECONDS", "REDIS_SPIN_SECONDS"])
def test_waiting_for_others_must_be_a_time(settings: Settings, name: str, wait: Any) -> None:
    [error] = found(settings, **{name: wait})

    assert (error.id, error.msg) == ("caching.E003", f"CACHING[{name!r}] must be a number, at least 0.")


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (["shop"], "CACHING['REGIONS'] must be a dictionary of regions."),
        ({"shop": 300}, "CACHING['REGIONS']['shop'] must be a dictionary of options."),
        ({"shoop": {}}, "CACHING['REGIONS'] names 'shoop', no region."),
        ({"shop": {"ttl": 5}}, "CACHING['REGIONS']['shop']['ttl'] cannot be 5."),
        ({"shop": {"local_ttl": 0}}, "CACHING['REGIONS']['shop']['local_ttl'] cannot be 0."),
        ({"shop": {"redis_ttl": "60"}}, "CACHING['REGIONS']['shop']['redis_ttl'] cannot be '60'."),
        ({"shop": {"stale_for": -1}}, "CACHING['REGIONS']['shop']['stale_for'] cannot be -1."),
        ({"shop": {"local_ttl": None}}, "CACHING['REGIONS']['shop']['local_ttl'] cannot be None."),
    ],
)
def test_an_override_must_name_a_region_and_a_time_to_live(settings: Settings, regions: Any, message: str) -> None:
    [error] = found(settings, REGIONS=regions)

    assert (error.id, error.msg) == ("caching.E004", message)


def test_an_unknown_region_is_an_error_that_lists_the_regions(settings: Settings) -> None:
    [error] = found(settings, REGIONS={"shoop": {}})

    assert "menu, " in str(error.hint)
    assert "shop, " in str(error.hint)


@pytest.mark.parametrize("caches", [{}, {"redis": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}])
def test_the_redis_alias_must_be_a_django_redis_cache(settings: Settings, caches: dict[str, Any]) -> None:
    settings.CACHES = {**settings.CACHES, **caches}

    [error] = found(settings, REDIS_ALIAS="redis")

    assert error.id == "caching.E005"
    assert error.msg == "CACHING['REDIS_ALIAS'] is 'redis', but CACHES['redis'] is no django-redis cache."
    assert "REDIS_ALIAS to None" in str(error.hint)


def test_a_stamps_file_of_another_user_is_an_error(settings: Settings) -> None:
    path = host_file_path("stamps")
    path.touch(0o644)

    [error] = check_caching()

    assert error.id == "caching.E006"
    assert str(path) in error.msg
    assert "CACHING['STAMPS_DIR']" in error.msg


def test_local_memory_that_must_stay_off_is_worth_a_warning(settings: Settings, tmp_path: Path) -> None:
    [warning] = found(settings, STAMPS_DIR=str(tmp_path / "missing"))
    assert warning.id == "caching.W002"
    assert "SINGLE_PROCESS" in str(warning.hint)

    assert found(settings, SINGLE_PROCESS=True) == []


def test_atomic_requests_are_worth_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ATOMIC_REQUESTS", True)

    [warning] = check_caching()

    assert warning.id == "caching.W003"
    assert warning.msg.startswith("DATABASES['default'] has ATOMIC_REQUESTS")


def test_fail_safe_may_be_switched_off(settings: Settings) -> None:
    assert found(settings, REGIONS={"shop": {"stale_for": 0, "soft_timeout": None}}) == []
