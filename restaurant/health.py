"""Where load balancers ask whether this process lives, and whether it should get requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable
from health_check.views import HealthCheckView

from caching.health import Finding, database, host_file, migrations
from caching.runtime import runtime
from caching.warming import is_ready

__all__ = ["Live", "Ready", "urlpatterns"]


class _Look(HealthCheck):  # type: ignore[misc] # the library has no types
    """Looks in the thread of the request, whose connection to the database is kept and closed like any other's."""

    name = ""

    def look(self) -> bool:
        """Return whether all is well."""
        raise NotImplementedError

    async def run(self) -> None:
        if not await sync_to_async(self.look, thread_sensitive=True)():
            # Whoever asks is a stranger: no more than that. `manage.py cache_health` says why.
            raise ServiceUnavailable(self.name)


def _works(look: Callable[[], Finding]) -> bool:
    return look().state != "failed"


class DatabaseAnswers(_Look):
    name = "database"

    def look(self) -> bool:
        return _works(lambda: database(DEFAULT_DB_ALIAS))


class MigrationsApplied(_Look):
    name = "migrations"

    def look(self) -> bool:
        return _works(lambda: migrations(DEFAULT_DB_ALIAS))


class WritesAccepted(_Look):
    name = "writes"

    def look(self) -> bool:
        return _works(host_file)


class WarmedUp(_Look):
    name = "warm-up"

    def look(self) -> bool:
        return is_ready()


class _JsonView(HealthCheckView):  # type: ignore[misc] # the same
    """Answers JSON whatever is asked for: 200, or 503 when a check fails."""

    http_method_names = ["get", "head", "options"]
    checks: tuple[type[_Look], ...] = ()
    good: str

    async def get(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:  # noqa: ARG002 -- Django's
        checks: list[_Look] = list(self.get_checks())
        results = await asyncio.gather(*(check.get_result() for check in checks))
        outcomes = ["ok" if result.error is None else "failed" for result in results]
        found = dict(zip([check.name for check in checks], outcomes, strict=True))
        well = "failed" not in found.values()
        body: dict[str, Any] = {"status": self.good if well else f"not {self.good}"}
        if found:
            body["checks"] = found
        besides = await sync_to_async(self.besides, thread_sensitive=True)()
        return JsonResponse({**body, **besides}, status=200 if well else 503)

    def besides(self) -> dict[str, str]:
        """Return what is told and decides nothing."""
        return {}


class Live(_JsonView):
    """The process answers. Nothing else is asked: to start it anew would mend no database."""

    good = "live"


class Ready(_JsonView):
    """The process can do its work. Redis is told of only: the site works without."""

    good = "ready"
    checks = (DatabaseAnswers, MigrationsApplied, WritesAccepted, WarmedUp)

    def besides(self) -> dict[str, str]:
        if runtime.redis is None:
            return {"redis": "not configured"}
        return {"redis": "in use" if runtime.breaker.closed else "left alone"}


urlpatterns: Final = [
    path("live", Live.as_view(), name="health-live"),
    path("ready", Ready.as_view(), name="health-ready"),
]
