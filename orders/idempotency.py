"""A repeated request is told from a different one by the digest of what it asked for."""

import hashlib
import json
from decimal import Decimal
from typing import Any, Final

from django.core.exceptions import ValidationError

MAX_KEY_LENGTH: Final = 255


def request_fingerprint(**parts: Any) -> str:
    """Return the digest (64 hex digits) of a request; equal amounts are equal however they were written."""
    text = json.dumps(parts, sort_keys=True, default=_as_text)
    return hashlib.sha256(text.encode()).hexdigest()


def idempotency_key_validate(key: str) -> None:
    """Raise ValidationError unless `key` is 1 to 255 characters long."""
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise ValidationError({"idempotency_key": f"Use a key of 1 to {MAX_KEY_LENGTH} characters."})


def _as_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value)
