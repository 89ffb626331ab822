"""Where Prometheus reads the metrics."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from caching.telemetry.networks import is_trusted

__all__ = ["MetricsView"]


class NoPrometheusClient(APIException):
    """The library that writes the metrics is not installed."""

    status_code = status.HTTP_501_NOT_IMPLEMENTED
    default_detail = "Install prometheus-client to have metrics here."
    default_code = "no_prometheus_client"


class MetricsPermission(BasePermission):
    """Lets in clients of `CACHING["METRICS_NETWORKS"]`, and users who have `caching.view_cacheregion`."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 -- DRF's signature
        return is_trusted(request.META.get("REMOTE_ADDR", "")) or request.user.has_perm("caching.view_cacheregion")


class OfErrors(BaseContentNegotiation):
    """Errors are JSON; what is no error answers to `Accept` by itself."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 -- DRF's signature
        renderers: Any,  # noqa: ARG002 -- the same
        format_suffix: str | None = None,  # noqa: ARG002 -- the same
    ) -> tuple[BaseRenderer, str]:
        return JSONRenderer(), JSONRenderer.media_type


# With ATOMIC_REQUESTS a database that is away would take the metrics with it.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
@extend_schema(exclude=True)
class MetricsView(APIView):
    """All metrics of this host, as text or, if `Accept` says so, as OpenMetrics."""

    permission_classes = [MetricsPermission]
    content_negotiation_class = OfErrors
    # Whoever gets here may know all there is; strangers are refused before they are counted.
    throttle_classes = []

    def get(self, request: Request) -> HttpResponse:
        """Return them; 501 without prometheus-client."""
        try:
            # Optional, so only here.
            from caching.telemetry.prometheus import exposition
        except ImportError as error:
            raise NoPrometheusClient from error
        body, content_type = exposition(request.headers.get("Accept", ""))
        return HttpResponse(body, content_type=content_type, headers={"Cache-Control": "no-store"})
