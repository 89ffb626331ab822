"""Refuses requests that name something with a NUL in it: PostgreSQL takes such a name for an error, not for nothing."""

from collections.abc import Callable
from typing import Final

from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

__all__ = ["RefuseNulMiddleware"]

_NUL: Final = "\x00"
_IN_QUERY: Final = "%00"
# As Python's cookies read it within quotes; none of ours have that.
_IN_COOKIE: Final = "\\000"


class RefuseNulMiddleware:
    """Answers 400 to a NUL in the path, the query string or a cookie; bodies are checked by forms and serializers.

    PostgreSQL raises an error for one, which nobody expects of a look-up; SQLite and MongoDB find nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        if (
            _NUL in request.path_info
            or _IN_QUERY in meta.get("QUERY_STRING", "")
            or _IN_COOKIE in meta.get("HTTP_COOKIE", "")
        ):
            raise BadRequest("A NUL names nothing.")
        return self.get_response(request)
