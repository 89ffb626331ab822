"""One URL names every shape of Redis, and one that cannot be read is explained without being repeated."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from restaurant.redis_url import redis_cache


def options(url: str, **environ: str) -> dict[str, Any]:
    found: dict[str, Any] = redis_cache(url, environ)["OPTIONS"]
    return found


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/3",
        "redis://user:pass%40word@[::1]:6379/0?client_name=till&health_check_interval=30",
        "redis://",
        "rediss://cache.example/0?ssl_ca_certs=/etc/ca.pem",
        "unix:///run/redis/redis.sock?db=2",
    ],
)
def test_what_redis_py_reads_itself_is_left_as_it_is(url: str) -> None:
    assert redis_cache(url)["LOCATION"] == url
    assert redis_cache(url)["BACKEND"] == "django_redis.cache.RedisCache"


def test_nobody_else_who_uses_this_cache_hangs_on_a_dead_server() -> None:
    assert (options("redis://h")["SOCKET_TIMEOUT"], options("redis://h")["SOCKET_CONNECT_TIMEOUT"]) == (0.25, 0.25)


def test_a_certificate_is_verified_unless_the_url_says_otherwise() -> None:
    assert options("rediss://h")["CONNECTION_POOL_KWARGS"] == {"ssl_cert_reqs": "required"}
    lax = options("rediss://h?ssl_cert_reqs=none&ssl_check_hostname=false")["CONNECTION_POOL_KWARGS"]
    assert lax == {"ssl_cert_reqs": "none", "ssl_check_hostname": False}


def test_files_and_passwords_may_stand_in_the_environment_and_the_url_has_the_last_word() -> None:
    environ = {"REDIS_SSL_CA_CERTS": "/ca.pem", "REDIS_SSL_CERTFILE": "/c.pem", "REDIS_PASSWORD": "hers"}
    found = options("rediss://h?ssl_certfile=/mine.pem", **environ)
    assert found["PASSWORD"] == "hers"
    assert found["CONNECTION_POOL_KWARGS"] == {
        "ssl_cert_reqs": "required",
        "ssl_ca_certs": "/ca.pem",
        "ssl_certfile": "/mine.pem",
    }
    assert options("redis://me:mine@h", **environ)["PASSWORD"] == "mine"
    assert options("redis://h", **environ)["CONNECTION_POOL_KWARGS"] == {}


def test_sentinels_are_asked_for_a_service_each_with_its_own_password() -> None:
    entry = redis_cache("redis+sentinel://app:pa%2Fss@one,two:1,[::1]:2/Tills/3?sentinel_password=wa%25tch")
    found = entry["OPTIONS"]
    assert found["SENTINELS"] == [("one", 26379), ("two", 1), ("::1", 2)]
    assert found["CONNECTION_POOL_KWARGS"] == {"service_name": "Tills"}
    assert (found["USERNAME"], found["PASSWORD"]) == ("app", "pa/ss")
    assert found["SENTINEL_KWARGS"]["password"] == "wa%tch"
    assert "username" not in found["SENTINEL_KWARGS"]
    assert entry["LOCATION"].endswith("/3")


def test_sentinels_with_tls_use_the_same_files_as_the_servers() -> None:
    found = options("rediss+sentinel://one/tills?ssl_ca_certs=/ca.pem", REDIS_SENTINEL_USERNAME="watch")
    tls = {"ssl": True, "ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"}
    assert found["CONNECTION_POOL_KWARGS"] == {"service_name": "tills", **tls}
    assert found["SENTINEL_KWARGS"].items() >= {"username": "watch", **tls}.items()


def test_two_services_of_the_same_name_do_not_share_what_django_redis_keeps_by_location() -> None:
    assert len({redis_cache(f"redis+sentinel://{host}/tills")["LOCATION"] for host in ("one", "two")}) == 2


def test_a_cluster_is_known_by_any_of_its_servers() -> None:
    entry = redis_cache("redis+cluster://app:pa%2Fss@one,two:1,[::1]:2?client_name=till")
    query = "client_name=till"
    assert entry["LOCATION"] == [f"redis://{at}/0?{query}" for at in ("one:6379", "two:1", "[::1]:2")]
    found = entry["OPTIONS"]
    assert (found["CLUSTER"], found["USERNAME"], found["PASSWORD"]) == (True, "app", "pa/ss")
    assert redis_cache("redis+cluster://one")["LOCATION"] == ["redis://one:6379/0"]


def test_a_cluster_with_tls_has_it_everywhere() -> None:
    entry = redis_cache("rediss+cluster://one,two?ssl_ca_certs=/ca.pem")
    assert entry["LOCATION"] == ["rediss://one:6379/0", "rediss://two:6379/0"]
    tls = {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"}
    assert entry["OPTIONS"]["CONNECTION_POOL_KWARGS"] == tls


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("secret", "begins with one of redis://, rediss://, unix://"),
        ("http://:secret@h", "begins with one of"),
        ("redis://:secret/a@h", "%2F"),
        ("redis://:secret?a@h", "%2F"),
        ("redis://:secret#a@h", "%2F"),
        ("redis://:secret:a@h:b", "its port a number"),
        ("redis://h:secret", "its port a number"),
        ("redis://h:99999", "from 1 to 65535"),
        ("redis://[secret", "host"),
        ("redis://h?secret=secret", "unknown option; there are client_name"),
        ("redis://h?ssl_cert_reqs=none", "TLS needs rediss"),
        ("rediss://h?ssl_cert_reqs=secret", "required or optional or none"),
        ("rediss://h?ssl_ca_certs=", "given a value"),
        ("redis://h/secret", "database is a number"),
        ("redis://h?db=secret", "db must be a number"),
        ("redis://one,secret", "redis+sentinel://"),
        ("unix://secret/redis.sock", "third slash"),
        ("redis+sentinel://:secret@one", "behind the slash, the service"),
        ("redis+sentinel:///secret", "at least one Sentinel"),
        ("redis+cluster://:secret@", "at least one server of the cluster"),
        ("redis+cluster://secret/3", "no databases but 0"),
        ("redis+cluster://secret?db=3", "no databases but 0"),
    ],
)
def test_a_url_that_cannot_be_read_is_explained_and_not_repeated(url: str, why: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        redis_cache(url)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_choice_in_the_environment_is_looked_at_too() -> None:
    with pytest.raises(ImproperlyConfigured, match="ssl_cert_reqs must be required or optional or none"):
        options("rediss://h", REDIS_SSL_CERT_REQS="never")
