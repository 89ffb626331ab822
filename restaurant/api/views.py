"""The base of all views that read the cache."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.views import APIView


class NonAtomicView(APIView):
    """A view outside ATOMIC_REQUESTS: reads inside a transaction never fill the cache, and services open their own."""

    # Not by method_decorator, which would wrap it anew with every request.
    @transaction.non_atomic_requests
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request, *args, **kwargs)
