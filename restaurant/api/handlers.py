"""What Django itself refuses under /api/ (no such path, an error nobody expected) is a problem like any other."""

from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from restaurant.api.problems import CONTENT_TYPE, problem

_API: Final = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django takes for an attack or a mistake."""
    if not request.path_info.startswith(_API):
        return defaults.bad_request(request, exception)
    return _problem(HTTPStatus.BAD_REQUEST, "The request cannot be read; check its headers and its size.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that is not allowed."""
    if not request.path_info.startswith(_API):
        return defaults.permission_denied(request, exception)
    return _problem(HTTPStatus.FORBIDDEN, "You may not do this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request for a path that leads nowhere."""
    if not request.path_info.startswith(_API):
        return defaults.page_not_found(request, exception)
    return _problem(HTTPStatus.NOT_FOUND, "There is nothing at this address; /api/docs/ lists all there are.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a request that failed for a reason nobody expected; the log has it."""
    if not request.path_info.startswith(_API):
        return defaults.server_error(request)
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed; the error was logged.")


def _problem(status: int, detail: str) -> HttpResponse:
    return JsonResponse(problem(status, detail), status=status, content_type=CONTENT_TYPE)
