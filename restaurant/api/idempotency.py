"""Clients repeat a request safely by sending the same Idempotency-Key with it."""

from typing import Final

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
"""Response header, "true" when the request was a repetition and nothing was done again."""

_MAX_LENGTH: Final = 255


def idempotency_key_required(request: Request) -> str:
    """Return the request's idempotency key; raises ValidationError when it is missing or malformed."""
    key = idempotency_key_optional(request)
    if key is None:
        raise ValidationError({HEADER: "Send this header, with a new key (such as a UUID) for each new request."})
    return key


def idempotency_key_optional(request: Request) -> str | None:
    """Return the request's idempotency key, None without one; raises ValidationError when it is malformed."""
    key: str | None = request.headers.get(HEADER)
    if key is None:
        return None
    if not 1 <= len(key) <= _MAX_LENGTH or not key.isascii() or not key.isprintable():
        raise ValidationError({HEADER: f"Use 1 to {_MAX_LENGTH} printable ASCII characters, such as a UUID."})
    return key


def replayed_headers(*, is_new: bool) -> dict[str, str]:
    """Return the headers that tell the client of a repetition."""
    return {} if is_new else {REPLAYED_HEADER: "true"}
