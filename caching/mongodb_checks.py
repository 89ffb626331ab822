"""System checks of databases: engines on which the cache could not keep its promises are refused, with the way out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, router

__all__ = ["DJONGO", "check_engines", "check_transactions", "refuse_djongo"]

ENGINE: Final = "caching.mongodb"

DJONGO: Final = (
    "djongo is not supported: its last release pins Django <= 3.1.12, and it returns wrong rows without saying so. "
    f"Move to MongoDB's own backend: pip install django-mongodb-backend, and set ENGINE to {ENGINE!r} and HOST to the "
    "connection string (DATABASE_URL=mongodb://host/name?replicaSet=rs0 does both). docs/stores.md says how rows that "
    "djongo wrote are carried over."
)


def _is_djongo(database: Mapping[str, Any]) -> bool:
    # "djongo.base" is the same.
    return str(database.get("ENGINE")).partition(".")[0] == "djongo"


def refuse_djongo() -> None:
    """Raise `ImproperlyConfigured` if djongo is the engine of the default database.

    For the time before models are imported: the first one imports that engine, of which Django would say no more than
    that it cannot be imported. No system check gets so far, and servers run none.
    """
    if _is_djongo(settings.DATABASES.get(DEFAULT_DB_ALIAS, {})):
        raise ImproperlyConfigured(f"(caching.E065) DATABASES[{DEFAULT_DB_ALIAS!r}]: {DJONGO}")


@register(Tags.caches)
def check_engines(**_: Any) -> list[CheckMessage]:
    """Check the engines of `settings.DATABASES`, and that MongoDB is read where it is written."""
    return list(_engines())


def _engines() -> Iterator[CheckMessage]:
    for alias, database in settings.DATABASES.items():
        engine = database.get("ENGINE")
        if _is_djongo(database):
            yield Error(f"DATABASES[{alias!r}]: {DJONGO}", id="caching.E065")
        elif engine == "django_mongodb_backend":
            yield Error(
                f"DATABASES[{alias!r}]: with the engine 'django_mongodb_backend' Django's atomic() does nothing, so "
                "commits cannot be seen and the cache would serve old values.",
                hint=f"Set ENGINE to {ENGINE!r}: the same backend, with transactions.",
                id="caching.E066",
            )
        elif engine == ENGINE and _preference(database) != "primary" and alias in _written():
            yield Error(
                f"DATABASES[{alias!r}] is written to and reads from secondaries (readPreference), which are behind.",
                hint="Take readPreference out; a second alias with it may serve plain reads through a router.",
                id="caching.E067",
            )


def _preference(database: Mapping[str, Any]) -> str:
    # As the driver has it: OPTIONS come before the connection string.
    asked = dict(parse_qsl(urlsplit(str(database.get("HOST", ""))).query))
    given = {
        name.lower().replace("_", ""): value for name, value in {**asked, **(database.get("OPTIONS") or {})}.items()
    }
    return str(given.get("readpreference", "primary")).lower()


def _written() -> set[str]:
    return {router.db_for_write(model) for model in apps.get_models()}


@register(Tags.database)
def check_transactions(databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that MongoDB servers have transactions; `migrate` asks, and `check --database`."""
    return [
        Error(f"DATABASES[{alias!r}]: {_no_transactions()}", id="caching.E068")
        for alias in databases or ()
        if _is_standalone(alias)
    ]


def _is_standalone(alias: str) -> bool:
    connection = connections[alias]
    if connection.vendor != "mongodb":
        return False
    # Installed, for this connection is one of it.
    from pymongo.errors import PyMongoError

    try:
        return not connection.features._supports_transactions  # type: ignore[attr-defined] # of its own features
    except (DatabaseError, PyMongoError):
        # A server that cannot be reached is reported by whoever needs it.
        return False


def _no_transactions() -> str:
    from caching.mongodb.base import NO_TRANSACTIONS

    return NO_TRANSACTIONS
