"""Answers 503 when a write was rolled back, or a clear failed, because neither Redis nor the outbox could be told."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

from caching.errors import MarkFailed, RedisUnavailable

__all__ = ["RETRY_AFTER_SECONDS", "CacheUnavailableMiddleware"]

RETRY_AFTER_SECONDS: Final = 5

_TEXT: Final = "Nothing was saved, because the caches could not be told of it. Please try again in a few seconds.\n"


class CacheUnavailableMiddleware(MiddlewareMixin):
    """For views outside the API, such as the admin's, which would answer 500 with no way on."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, MarkFailed | RedisUnavailable):
            return None
        if request.accepts("text/html"):
            response = render(request, "caching/unavailable.html", status=503)
        else:
            response = HttpResponse(_TEXT, content_type="text/plain", status=503)
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
