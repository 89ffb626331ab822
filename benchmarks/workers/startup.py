"""A fresh interpreter that sets up a small Django project, with the framework or without, and says how long it took."""

from __future__ import annotations

import sys
import time
from typing import Final

__all__ = ["WITH", "WITHOUT"]

#: The one argument.
WITH: Final = "with"
WITHOUT: Final = "without"

# What most projects have.
_APPS: Final = (
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
)


def main() -> None:
    """Write the seconds that `django.setup()` took, and whether redis is imported."""
    from django.conf import settings

    apps = [*_APPS, "caching"] if sys.argv[1] == WITH else _APPS
    databases = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    settings.configure(INSTALLED_APPS=apps, DATABASES=databases, SECRET_KEY="only for the benchmark")  # noqa: S106
    import django

    began = time.perf_counter()
    django.setup()
    took = time.perf_counter() - began
    sys.stdout.write(f'{{"seconds": {took!r}, "redis": {int("redis" in sys.modules)}}}')


if __name__ == "__main__":
    main()
