"""The settings a production machine gets from its environment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_SHOW = """
import json, os
from restaurant import settings
names = (
    "DEBUG", "CACHES", "CACHING", "DATABASES", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SESSION_COOKIE_SECURE",
    "SECURE_REDIRECT_EXEMPT"
)
print(json.dumps({name: getattr(settings, name) for name in names}
    | {"proxy": getattr(settings, "SECURE_PROXY_SSL_HEADER", None), "key": settings.SECRET_KEY}))
"""


def _run(arguments: list[str], **environment: str) -> str:
    ours = ("DATABASE_", "DJANGO_", "REDIS_", "CACHING_PREFIX", "CACHING_WARM", "CACHING_METRICS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    secret = {"DJANGO_SECRET_KEY": "k" * 25 + "0123456789abcdefghijklmnopqrstuvwxyz", "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(__file__).parents[2],
        env={**kept, **secret, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _settings(**environment: str) -> Any:
    return json.loads(_run(["-c", _SHOW], **environment))


def test_production_passes_djangos_own_deployment_checks() -> None:
    out = _run(["manage.py", "check", "--deploy", "--fail-level", "WARNING"], DJANGO_HTTPS="true")
    assert "no issues" in out


def test_without_https_nothing_is_redirected_or_kept_from_browsers() -> None:
    settings = _settings()
    assert (settings["SECURE_SSL_REDIRECT"], settings["SESSION_COOKIE_SECURE"]) == (False, False)
    assert settings["SECURE_HSTS_SECONDS"] == 0
    assert (settings["DEBUG"], settings["proxy"]) == (False, None)


def test_monitoring_is_trusted_by_network_and_then_asks_by_plain_http() -> None:
    assert _settings()["CACHING"]["METRICS_NETWORKS"] == []
    assert _settings()["SECURE_REDIRECT_EXEMPT"] == ["^health/"]

    settings = _settings(CACHING_METRICS_NETWORKS="10.0.0.0/8,192.0.2.7")

    assert settings["CACHING"]["METRICS_NETWORKS"] == ["10.0.0.0/8", "192.0.2.7"]
    assert settings["SECURE_REDIRECT_EXEMPT"] == ["^health/", "^metrics$"]


def test_a_proxy_is_believed_only_where_there_is_one() -> None:
    assert _settings(DJANGO_BEHIND_PROXY="true")["proxy"] == ["HTTP_X_FORWARDED_PROTO", "https"]


@pytest.mark.parametrize(
    ("query", "pool", "seconds", "pooled"),
    [("", "", 0, 10), ("", "25", 0, 25), ("", "0", 60, None), ("?conn_max_age=0", "", 0, None)],
    ids=["a pool", "a larger pool", "no pool", "somebody else's pooler"],
)
def test_connections_to_postgresql_outlive_requests_unless_the_address_says_no(
    query: str, pool: str, seconds: int, pooled: int | None
) -> None:
    wanted = {"DATABASE_POOL": pool} if pool else {}
    database = _settings(DATABASE_URL=f"postgres://site@localhost/site{query}", **wanted)["DATABASES"]["default"]
    assert database["CONN_MAX_AGE"] == seconds
    assert database["CONN_HEALTH_CHECKS"] is True
    assert database["OPTIONS"].get("pool", {}).get("max_size") == pooled
    assert database["OPTIONS"]["connect_timeout"] == 5
    # A pooler refuses what it does not know.
    assert ("lock_timeout" in database["OPTIONS"].get("options", "")) is not bool(query)


def test_what_the_address_asks_of_postgresql_comes_first() -> None:
    url = "postgres://site@localhost/site?connect_timeout=2&options=-c%20lock_timeout=1s&sslmode=require"
    options = _settings(DATABASE_URL=url)["DATABASES"]["default"]["OPTIONS"]
    assert (options["connect_timeout"], options["options"]) == (2, "-c lock_timeout=1s")
    assert options["sslmode"] == "require"


@pytest.mark.parametrize("url", ["", "redis://localhost:6379/3"])
def test_redis_is_used_when_its_address_is_given(url: str) -> None:
    settings = _settings(REDIS_URL=url)
    assert settings["CACHING"]["REDIS_ALIAS"] == ("redis" if url else None)
    assert settings["CACHES"].get("redis", {}).get("LOCATION", "") == url
    assert settings["CACHES"]["default"]["BACKEND"].endswith("LocMemCache")


def test_a_serverless_redis_is_used_when_its_url_and_token_are_given() -> None:
    given = {"UPSTASH_REDIS_REST_URL": "https://name.upstash.io", "UPSTASH_REDIS_REST_TOKEN": "secret"}
    caching = _settings(**given, UPSTASH_REDIS_REST_TIMEOUT="0.2")["CACHING"]
    assert (caching["REST_URL"], caching["REST_TOKEN"]) == tuple(given.values())
    assert (caching["REST_BUDGET_SECONDS"], caching["REDIS_ALIAS"]) == (0.2, None)
    assert _settings()["CACHING"]["REST_URL"] is None
