"""One URL for every shape of Redis: what it says becomes the entry of `CACHES` that django-redis needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from django.core.exceptions import ImproperlyConfigured

__all__ = ["SHAPES", "TLS_OPTIONS", "Address", "Shape", "cache_entry", "redis_cache", "server_options", "tls_options"]

#: As redis-py names them. Nothing given: the system's authorities, and the certificate is for that host.
TLS_OPTIONS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")
# What may stand in the environment instead, as REDIS_SSL_CA_CERTS: files differ between machines, passwords are secret.
_FROM_ENVIRONMENT: Final = ("username", "password", *TLS_OPTIONS, *_SENTINEL_OPTIONS)

_KINDS: Final[Mapping[str, Callable[[str], object]]] = {
    "db": int,
    "health_check_interval": int,
    "max_connections": int,
    "protocol": int,
    "socket_connect_timeout": float,
    "socket_timeout": float,
}
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "ssl_cert_reqs": ("required", "optional", "none"),
    "ssl_check_hostname": ("true", "false"),
    "socket_keepalive": ("true", "false"),
}
_ORDINARY: Final = ("client_name", "socket_keepalive", *_KINDS)
_SENTINEL_PORT: Final = 26379
_PORT: Final = 6379
_HOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(?::(?P<port>[0-9]{1,5}))?")
# For whoever else uses this cache: redis-py's own defaults hang for seconds on a dead server.
_SECONDS: Final = 0.25


class Address(NamedTuple):
    """A URL in its parts; `options` are those of its query, or else of the environment. Text is decoded."""

    scheme: str
    username: str | None
    password: str | None
    #: Without a port where none is given.
    hosts: tuple[tuple[str, int | None], ...]
    path: str
    options: Mapping[str, str]

    @property
    def tls(self) -> bool:
        return self.scheme.startswith("rediss")


class Shape(NamedTuple):
    """A kind of URL: how it is written, which options its query may hold, and what becomes of it."""

    form: str
    options: tuple[str, ...]
    #: Gets the URL, too. Raises `ImproperlyConfigured` by `_wrong`.
    entry: Callable[[str, Address], dict[str, Any]]


def redis_cache(url: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the entry of `CACHES` for a Redis URL; what it does not say may stand in `environ` as `REDIS_<OPTION>`.

    Raises `ImproperlyConfigured`, which says how the URL is written and repeats nothing of it: it may hold a password.
    """
    scheme = url.partition("://")[0]
    shape = SHAPES.get(scheme) if "://" in url else None
    if shape is None:
        raise ImproperlyConfigured(f"A Redis URL begins with one of {', '.join(f'{each}://' for each in SHAPES)}.")
    return shape.entry(url, _address(url, scheme, shape, environ or {}))


def cache_entry(location: str, address: Address, **options: Any) -> dict[str, Any]:
    """Return an entry of `CACHES` with the user that the address or the environment names."""
    user = {"USERNAME": address.options.get("username"), "PASSWORD": address.options.get("password")}
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": location,
        "OPTIONS": {
            "SOCKET_TIMEOUT": _SECONDS,
            "SOCKET_CONNECT_TIMEOUT": _SECONDS,
            **{name: value for name, value in user.items() if value},
            **options,
        },
    }


def tls_options(address: Address) -> dict[str, Any]:
    """Return redis-py's options for TLS; a certificate is verified unless the address says otherwise."""
    if not address.tls:
        return {}
    given: dict[str, Any] = {name: address.options[name] for name in TLS_OPTIONS if name in address.options}
    if "ssl_check_hostname" in given:
        given["ssl_check_hostname"] = given["ssl_check_hostname"] == "true"
    return {"ssl_cert_reqs": "required", **given}


def server_options(address: Address) -> dict[str, str]:
    """Return what the query says for redis-py itself, as text."""
    return {name: value for name, value in address.options.items() if name in _ORDINARY}


def _address(url: str, scheme: str, shape: Shape, environ: Mapping[str, str]) -> Address:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _wrong(shape, "its host is written wrongly") from None
    user, _, place = parts.netloc.rpartition("@")
    if parts.fragment or "@" in parts.query + ("" if scheme == "unix" else parts.path):
        raise _wrong(shape, "characters of a password that have a meaning in URLs (/ ? # @ : %) are written as %2F etc")
    username, _, password = user.partition(":")
    options = {
        name: environ[f"REDIS_{name.upper()}"] for name in _FROM_ENVIRONMENT if environ.get(f"REDIS_{name.upper()}")
    }
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in shape.options:
            secure = " (TLS needs rediss)" if name in TLS_OPTIONS else ""
            raise _wrong(shape, f"it has an unknown option{secure}; there are {', '.join(sorted(shape.options))}")
        options[name] = _option(name, value, shape)
    for name in TLS_OPTIONS:
        if name in options:
            _option(name, options[name], shape)
    if username:
        options["username"] = unquote(username)
    if password:
        options["password"] = unquote(password)
    hosts = tuple(_host(each, shape) for each in place.split(",")) if place else ()
    return Address(scheme, options.get("username"), options.get("password"), hosts, unquote(parts.path), options)


def _option(name: str, value: str, shape: Shape) -> str:
    choices = _CHOICES.get(name)
    if not value or (choices is not None and value not in choices):
        raise _wrong(shape, f"its option {name} must be {' or '.join(choices) if choices else 'given a value'}")
    if name in _KINDS:
        try:
            _KINDS[name](value)
        except ValueError:
            raise _wrong(shape, f"its option {name} must be a number") from None
    return value


def _host(text: str, shape: Shape) -> tuple[str, int | None]:
    found = _HOST.fullmatch(text)
    if found is None:
        raise _wrong(shape, "a host is a name or an address (IPv6 in [brackets]), and its port a number")
    port = found["port"]
    if port is not None and not 0 < int(port) < 65_536:
        raise _wrong(shape, "a port is a number from 1 to 65535")
    return found["host"].strip("[]"), int(port) if port else None


def _wrong(shape: Shape, why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"The Redis URL cannot be read: {why}. It is written {shape.form}.")


def _database(path: str, shape: Shape) -> str:
    number = path.strip("/")
    if number and not (number.isascii() and number.isdigit()):
        raise _wrong(shape, "its database is a number")
    return number or "0"


def _server(url: str, address: Address) -> dict[str, Any]:
    shape = SHAPES[address.scheme]
    if len(address.hosts) > 1:
        raise _wrong(shape, "it has several hosts (Sentinels have redis+sentinel://)")
    _database(address.path, shape)
    return cache_entry(url, address, CONNECTION_POOL_KWARGS=tls_options(address))


def _socket(url: str, address: Address) -> dict[str, Any]:
    if address.hosts or not address.path.strip("/"):
        raise _wrong(SHAPES[address.scheme], "the socket's path begins with a third slash")
    return cache_entry(url, address)


def _sentinel(_: str, address: Address) -> dict[str, Any]:
    shape = SHAPES[address.scheme]
    service, _, database = address.path.strip("/").partition("/")
    if not service or not all(host for host, _ in address.hosts or [("", None)]):
        raise _wrong(shape, "it names at least one Sentinel and, behind the slash, the service that they watch")
    number = address.options.get("db") or _database(database, shape)
    sentinels = [(host, port or _SENTINEL_PORT) for host, port in address.hosts]
    tls = {"ssl": True, **tls_options(address)} if address.tls else {}
    names = {"username": "sentinel_username", "password": "sentinel_password"}
    own = {name: address.options[option] for name, option in names.items() if option in address.options}
    # django-redis keeps pools by LOCATION alone, and host names have no capitals.
    digest = blake2b(repr((service, sentinels)).encode(), digest_size=4).hexdigest()
    query = urlencode({name: value for name, value in server_options(address).items() if name != "db"}, quote_via=quote)
    return cache_entry(
        f"redis://{digest}.{quote(service)}/{number}{'?' if query else ''}{query}",
        address,
        CLIENT_CLASS="django_redis.client.SentinelClient",
        CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory",
        SENTINELS=sentinels,
        SENTINEL_KWARGS={"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS, **own, **tls},
        CONNECTION_POOL_KWARGS={"service_name": service, **tls},
    )


def _cluster(_: str, address: Address) -> dict[str, Any]:
    shape = SHAPES[address.scheme]
    if not address.hosts or not all(host for host, _ in address.hosts):
        raise _wrong(shape, "it names at least one server of the cluster")
    if address.path.strip("/") not in ("", "0") or address.options.get("db", "0") != "0":
        raise _wrong(shape, "a cluster has no databases but 0")
    query = urlencode(server_options(address), quote_via=quote)
    scheme = "rediss" if address.tls else "redis"
    locations = [
        f"{scheme}://{f'[{host}]' if ':' in host else host}:{port or _PORT}/0{'?' if query else ''}{query}"
        for host, port in address.hosts
    ]
    entry = cache_entry(locations[0], address, CLUSTER=True, CONNECTION_POOL_KWARGS=tls_options(address))
    # One of them is asked for the others.
    return {**entry, "LOCATION": locations}


#: By scheme.
SHAPES: Final[dict[str, Shape]] = {
    "redis": Shape("redis://[user:password@]host[:port][/database][?option=...]", _ORDINARY, _server),
    "rediss": Shape(
        "rediss://[user:password@]host[:port][/database][?ssl_ca_certs=/path.pem]",
        (*_ORDINARY, *TLS_OPTIONS),
        _server,
    ),
    "unix": Shape("unix://[user:password@]/path/to/socket[?db=0]", _ORDINARY, _socket),
    "redis+sentinel": Shape(
        "redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[/database][?option=...]",
        (*_ORDINARY, *_SENTINEL_OPTIONS),
        _sentinel,
    ),
    "rediss+sentinel": Shape(
        "rediss+sentinel://[user:password@]host[:port][,host[:port]...]/service[/database][?ssl_ca_certs=/path.pem]",
        (*_ORDINARY, *_SENTINEL_OPTIONS, *TLS_OPTIONS),
        _sentinel,
    ),
    "redis+cluster": Shape(
        "redis+cluster://[user:password@]host[:port][,host[:port]...][?option=...]", _ORDINARY, _cluster
    ),
    "rediss+cluster": Shape(
        "rediss+cluster://[user:password@]host[:port][,host[:port]...][?ssl_ca_certs=/path.pem]",
        (*_ORDINARY, *TLS_OPTIONS),
        _cluster,
    ),
}
