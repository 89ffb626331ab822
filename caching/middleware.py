"""Gives each request one time-out of Redis, and answers 503 when nobody could be told of a write or a clear."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from caching.budget import request_budget
from caching.errors import MarkFailed, RedisUnavailable

__all__ = ["RETRY_AFTER_SECONDS", "CacheUnavailableMiddleware", "redis_budget_middleware"]

RETRY_AFTER_SECONDS: Final = 5

_TEXT: Final = "Nothing was saved, because the caches could not be told of it. Please try again in a few seconds.\n"


@sync_and_async_middleware
def redis_budget_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Let a request, with all it does, wait for a Redis that does not answer once at most."""
    if iscoroutinefunction(get_response):
        aget_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]] = get_response

        async def ahandle(request: HttpRequest) -> HttpResponseBase:
            with request_budget():
                return await aget_response(request)

        return ahandle

    def handle(request: HttpRequest) -> HttpResponseBase:
        with request_budget():
            response: HttpResponseBase = get_response(request)
            return response

    return handle


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
