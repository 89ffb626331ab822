"""Where operators and their tools read the caches' statistics, clear and warm."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.utils.decorators import method_decorator
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from caching.api.permissions import CachePermission
from caching.api.serializers import (
    CacheReportSerializer,
    DoneSerializer,
    RegionReportSerializer,
    RegionTargetSerializer,
    ReportQuerySerializer,
    TargetSerializer,
)
from caching.errors import RedisUnavailable, UnknownKey, UnknownRegion
from caching.middleware import RETRY_AFTER_SECONDS
from caching.operations import cache_clear, cache_clear_key, cache_warm, cache_warm_key
from caching.registry import registry
from caching.reporting import cache_report

__all__ = ["CacheStatsViewSet", "UndocumentedCacheStatsViewSet"]

_NAME: Final = OpenApiParameter("name", str, OpenApiParameter.PATH, description="The region's name.")
_UNAVAILABLE: Final = OpenApiResponse(description="Redis did not answer; try again.")


class CacheUnavailable(APIException):
    """Redis did not answer what only Redis can do."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "cache_unavailable"
    wait = RETRY_AFTER_SECONDS


# Inside a transaction nothing that is loaded would be kept.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
@extend_schema(tags=["caches"])
class CacheStatsViewSet(ViewSet):
    """The cache regions, their statistics, and what may be done to them; each action asks for its own permission.

    The methods pass over what else the address holds, such as the API's version.
    """

    permission_classes = [CachePermission]
    lookup_field = "name"
    lookup_value_regex = r"[\w.-]+"

    @extend_schema(
        summary="Statistics of all cache regions",
        parameters=[ReportQuerySerializer],
        responses=forced_singular_serializer(CacheReportSerializer),  # type: ignore[no-untyped-call] # it has no types
    )
    def list(self, request: Request, **_: Any) -> Response:
        """Needs `caching.view_cacheregion`. Figures of the server that answers, since it started counting."""
        return Response(CacheReportSerializer(cache_report(scope=_scope(request))).data)

    @extend_schema(
        summary="Statistics of one cache region",
        parameters=[_NAME, ReportQuerySerializer],
        responses=RegionReportSerializer,
    )
    def retrieve(self, request: Request, name: str, **_: Any) -> Response:
        """Needs `caching.view_cacheregion`."""
        report = cache_report(scope=_scope(request))
        return Response(RegionReportSerializer(report.region(_region(name))).data)

    @extend_schema(
        summary="Clear a region, an organisation, one key or everything",
        request=TargetSerializer,
        responses={200: DoneSerializer, 503: _UNAVAILABLE},
    )
    @action(detail=False, methods=["post"])
    def clear(self, request: Request, **_: Any) -> Response:
        """Needs `caching.clear_cacheregion`; leaves a record. Here at once, on other servers within two seconds."""
        return self._clear(request, **_validated(TargetSerializer, request))

    @extend_schema(
        operation_id="caches_region_clear_create",
        summary="Clear one region, or an organisation or a key in it",
        parameters=[_NAME],
        request=RegionTargetSerializer,
        responses={200: DoneSerializer, 503: _UNAVAILABLE},
    )
    @action(detail=True, methods=["post"], url_path="clear")
    def clear_region(self, request: Request, name: str, **_: Any) -> Response:
        """Needs `caching.clear_cacheregion`; leaves a record. Here at once, on other servers within two seconds."""
        return self._clear(request, region=_region(name), **_validated(RegionTargetSerializer, request))

    @extend_schema(
        summary="Warm a region, an organisation, one key or everything",
        request=TargetSerializer,
        responses={200: DoneSerializer, 503: _UNAVAILABLE},
    )
    @action(detail=False, methods=["post"])
    def warm(self, request: Request, **_: Any) -> Response:
        """Needs `caching.warm_cacheregion`; leaves an audit record. Loads what the regions declare as hot."""
        return self._warm(request, **_validated(TargetSerializer, request))

    @extend_schema(
        operation_id="caches_region_warm_create",
        summary="Warm one region, or an organisation or a key in it",
        parameters=[_NAME],
        request=RegionTargetSerializer,
        responses={200: DoneSerializer, 503: _UNAVAILABLE},
    )
    @action(detail=True, methods=["post"], url_path="warm")
    def warm_region(self, request: Request, name: str, **_: Any) -> Response:
        """Needs `caching.warm_cacheregion`; leaves an audit record. Loads what the region declares as hot."""
        return self._warm(request, region=_region(name), **_validated(RegionTargetSerializer, request))

    def _clear(self, request: Request, **target: Any) -> Response:
        found = _operate(request, target, cache_clear, cache_clear_key)
        return Response({**_done(target), **({} if target.get("key") is None else {"found": found})})

    def _warm(self, request: Request, **target: Any) -> Response:
        loaded = _operate(request, target, cache_warm, cache_warm_key)
        return Response({**_done(target), "loaded": loaded})


@extend_schema_view(list=extend_schema(exclude=True), clear=extend_schema(exclude=True))
class UndocumentedCacheStatsViewSet(CacheStatsViewSet):
    """The same at a second spelling of an address, which the documents need not repeat."""


def _operate(request: Request, target: dict[str, Any], wide: Any, of_key: Any) -> Any:
    region, org, key = target.get("region"), target.get("org"), target.get("key")
    try:
        if key is not None:
            return of_key(region=region, org=org, parts=key, user=request.user)
        return wide(regions=[region] if region else [], orgs=[org] if org else [], user=request.user)
    except UnknownKey as error:
        raise ValidationError({"key": str(error)}) from error
    except RedisUnavailable as error:
        raise CacheUnavailable(str(error)) from error


def _done(target: dict[str, Any]) -> dict[str, Any]:
    return {"region": target.get("region"), "org": target.get("org")}


def _validated(kind: type[RegionTargetSerializer], request: Request) -> dict[str, Any]:
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    validated: dict[str, Any] = serializer.validated_data
    return validated


def _region(name: str) -> str:
    try:
        return registry.get(name).name
    except UnknownRegion as error:
        raise NotFound(str(error)) from error


def _scope(request: Request) -> Any:
    serializer = ReportQuerySerializer(data=request.query_params)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data["scope"]
