"""The site on MongoDB: what DATABASE_URL means, and Django's own apps with keys and migrations that it knows."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["AUTO_FIELD", "MIGRATION_MODULES", "database", "is_mongodb", "with_object_ids"]

AUTO_FIELD: Final = "django_mongodb_backend.fields.ObjectIdAutoField"

MIGRATION_MODULES: Final = {
    "admin": "restaurant.mongodb.migrations.admin",
    "auth": "restaurant.mongodb.migrations.auth",
    "contenttypes": "restaurant.mongodb.migrations.contenttypes",
}
"""Django's apps whose rows have counted keys; sessions and tokens have texts, and their migrations run as they are."""

_CONFIGS: Final = {
    "django.contrib.admin": "restaurant.mongodb.apps.AdminConfig",
    "django.contrib.auth": "restaurant.mongodb.apps.AuthConfig",
    "django.contrib.contenttypes": "restaurant.mongodb.apps.ContentTypesConfig",
}


def is_mongodb(url: str) -> bool:
    """Tell whether a DATABASE_URL is one of MongoDB."""
    return url.startswith(("mongodb://", "mongodb+srv://"))


def database(url: str) -> dict[str, Any]:
    """Return the entry of DATABASES for a connection string, which names the database and is handed on whole."""
    # An empty name is read from the connection string.
    return {"ENGINE": "caching.mongodb", "HOST": url, "NAME": ""}


def with_object_ids(apps: list[str]) -> list[str]:
    """Return INSTALLED_APPS with the configurations of Django's apps that MongoDB needs."""
    return [_CONFIGS.get(app, app) for app in apps]
