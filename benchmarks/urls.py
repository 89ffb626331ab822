"""The site's addresses, and below three of them the same answer by other means: fixed bytes, and without the cache."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, ClassVar, Final

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.serializers import OrderSerializer
from billing.api import urls as billing
from billing.cached import customer_balance
from caching import Region
from orders.api import urls as orders
from orders.cached import active_orders
from orders.selectors import order_refs_active, orders_get
from restaurant import urls as site
from restaurant.api.conditional import ComposedBody, cached_response
from restaurant.api.query import query_check
from restaurant.profiles.api import urls as profiles
from restaurant.profiles.api.access import Action, OrganisationView
from restaurant.profiles.cached import profile
from restaurant.profiles.selectors import profile_required

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

handler400, handler403, handler404, handler500 = site.handler400, site.handler403, site.handler404, site.handler500

_JSON: Final = "application/json"


def _read(region: Region[Any], org: str, parts: Iterable[str]) -> ComposedBody:
    """Return what the site sends for a value of the region, read from the database."""
    value = region.get(org, *parts, use_cache=False)
    if value is None:
        raise NotFound
    return ComposedBody(value)


@cache
def _fixed(region: Region[Any], org: str, *parts: str) -> tuple[bytes, dict[str, str]]:
    """Return a body of the region and the headers that the site sends with it; read once in each process."""
    sent = _read(region, org, parts)
    headers = {"ETag": sent.etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie, Accept"}
    return sent.body, headers


class FixedView(OrganisationView):
    """The floor: what a view costs that asks who it is, as the site's do, and sends bytes it has always had."""

    region: Region[Any] = profile

    def get(self, request: Request, org: str, version: str, **parts: str) -> HttpResponseBase:  # noqa: ARG002 -- DRF's
        body, headers = _fixed(self.region, org, *parts.values())
        return HttpResponse(body, content_type=_JSON, headers=headers)


class UncachedView(OrganisationView):
    """The site's own view, with its cache switched off."""

    region: Region[Any] = profile

    def get(self, request: Request, org: str, version: str, **parts: str) -> HttpResponseBase:  # noqa: ARG002 -- DRF's
        query_check(request, ())
        return cached_response(request, _read(self.region, org, parts.values()))


class SerializedView(OrganisationView):
    """The active orders as a project without this cache would send them: from the database, by model serializers."""

    actions: ClassVar = {"GET": Action.READ_ORDERS}

    def get(self, request: Request, org: str, version: str) -> Response:  # noqa: ARG002 -- DRF's
        rows = orders_get(org_id=org, order_ids=[order_id for order_id, _ in order_refs_active(org_id=org)])
        context = {"currency": profile_required(org_id=org).currency}
        return Response({"count": len(rows), "results": OrderSerializer(rows, many=True, context=context).data})


class WorkerView(APIView):
    """Which of the server's processes answers."""

    authentication_classes = []
    permission_classes = []

    def get(self, request: Request, **_: str) -> HttpResponseBase:  # noqa: ARG002 -- DRF's
        return JsonResponse({"process": os.getpid()})


def _beside(address: str, region: Region[Any], action: Action) -> list[URLPattern]:
    below, actions = f"api/<str:version>/orgs/<slug:org>/{address}", {"GET": action}
    return [
        path(f"{below}fixed/", FixedView.as_view(region=region, actions=actions)),
        path(f"{below}uncached/", UncachedView.as_view(region=region, actions=actions)),
    ]


_BESIDE: Final[tuple[tuple[ModuleType, list[URLPattern]], ...]] = (
    (profiles, _beside("profile/", profile, Action.READ_PROFILE)),
    (
        orders,
        [
            *_beside("orders/active/", active_orders, Action.READ_ORDERS),
            path("api/<str:version>/orgs/<slug:org>/orders/active/serialized/", SerializedView.as_view()),
        ],
    ),
    (billing, _beside("customers/<str:phone>/balance/", customer_balance, Action.READ_BALANCES)),
)


def _addresses() -> Iterator[object]:
    for own in site.urlpatterns:
        yield own
        # Where the site's stand that they are measured beside: each address that Django tries in vain takes time.
        for app, beside in _BESIDE:
            if getattr(own, "urlconf_name", None) is app:
                yield from beside
    yield path("api/<str:version>/worker/", WorkerView.as_view())


urlpatterns = list(_addresses())
