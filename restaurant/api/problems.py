"""Every error of the API has one shape: problem details as RFC 9457 describes them."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from caching import MarkFailed, RedisUnavailable, UnknownRegion
from restaurant.db import is_busy
from restaurant.errors import ConflictError, DomainError, NotFoundError, UnacceptableError

CONTENT_TYPE: Final = "application/problem+json"

_TYPE_PREFIX: Final = "urn:problem-type:fast-access:"
_RETRY_AFTER_SECONDS: Final = 1
_STATUS_OF_KIND: Final = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (UnacceptableError, HTTPStatus.UNPROCESSABLE_ENTITY),
)


def problem(
    status: int, detail: str, *, code: str = "", errors: list[dict[str, str]] | None = None, **more: Any
) -> dict[str, Any]:
    """Return the body of an error: `type`, `title`, `status`, `detail`, and `errors` (field, detail) if there are any.

    `type` names the rule that was broken by its `code`; "about:blank" when the HTTP status says it all.
    """
    body: dict[str, Any] = {
        "type": f"{_TYPE_PREFIX}{code.replace('_', '-')}" if code else "about:blank",
        "title": code.replace("_", " ").capitalize() if code else HTTPStatus(status).phrase,
        "status": int(status),
        "detail": _sendable(detail),
        **more,
    }
    if errors:
        body["errors"] = errors
    return body


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn what a view raised into a problem; None for what nobody expected, which Django logs and answers with 500."""
    found = _body_of(exc)
    if found is None:
        return None
    set_rollback()
    headers: dict[str, str] = {}
    if isinstance(exc, exceptions.APIException):
        if (scheme := getattr(exc, "auth_header", None)) is not None:
            headers["WWW-Authenticate"] = scheme
        if (wait := getattr(exc, "wait", None)) is not None:
            headers["Retry-After"] = str(int(wait))
    elif found["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
    response = Response(found, status=found["status"], headers=headers)
    renderer = getattr(context["request"], "accepted_renderer", None)
    if renderer is None or renderer.format == "json":
        response.content_type = CONTENT_TYPE
    return response


def _body_of(exc: Exception) -> dict[str, Any] | None:
    match exc:
        case DomainError():
            status = next((status for kind, status in _STATUS_OF_KIND if isinstance(exc, kind)), HTTPStatus.BAD_REQUEST)
            return problem(status, str(exc), code=exc.code)
        case ValidationError():
            return _invalid(exc.message_dict if hasattr(exc, "error_dict") else exc.messages)
        case exceptions.ValidationError():
            return _invalid(exc.detail)
        case exceptions.APIException():
            return problem(exc.status_code, str(exc.detail))
        case Http404():
            return problem(HTTPStatus.NOT_FOUND, "There is nothing here.")
        case PermissionDenied():
            return problem(HTTPStatus.FORBIDDEN, str(exc) or "You may not do this.")
        case RequestDataTooBig():
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is longer than this site reads.")
        case UnknownRegion():
            return problem(HTTPStatus.NOT_FOUND, str(exc), code="unknown_region")
        case MarkFailed():
            detail = "Nothing was changed: the shared cache did not answer, so nobody would see the change. Try again."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, code="cache_unavailable")
        case RedisUnavailable():
            detail = "The shared cache did not answer, so nothing was done. Try again."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, code="cache_unavailable")
        case OperationalError() if is_busy(exc):
            detail = "Nothing was changed: the database is busy with other writers. Try again."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, code="database_busy")
    return None


def _invalid(detail: Any) -> dict[str, Any]:
    errors = [{"field": _sendable(field), "detail": _sendable(text)} for field, text in _flattened(detail, "")]
    named = sorted({error["field"] for error in errors if error["field"]})
    hint = f"Correct {', '.join(named)} and send the request again." if named else errors[0]["detail"]
    return problem(HTTPStatus.BAD_REQUEST, hint, code="invalid_request", errors=errors)


def _flattened(detail: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield each message with the path of its field, such as "lines.0.quantity"; "" is the request as a whole."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flattened(inner, path if name in _WHOLE else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            yield from _flattened(inner, f"{path}.{index}".lstrip(".") if isinstance(inner, Mapping) else path)
    else:
        yield path, str(detail)


_WHOLE: Final = frozenset({"non_field_errors", "__all__"})


def _sendable(text: str) -> str:
    # A client may name a field with half a surrogate pair, which JSON can escape and UTF-8 cannot hold.
    return text.encode(errors="replace").decode()
