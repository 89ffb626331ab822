"""Query strings are checked like bodies: a misspelt filter is an error, not a longer list."""

from collections.abc import Iterable
from datetime import date
from typing import Final

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

_ALWAYS_ALLOWED: Final = frozenset({"format"})


def query_check(request: Request, allowed: Iterable[str]) -> None:
    """Raise ValidationError when the query string has a parameter that is not `allowed`."""
    names = sorted(allowed)
    unknown = sorted(set(request.query_params) - set(names) - _ALWAYS_ALLOWED)
    if unknown:
        advice = f"Use: {', '.join(names)}." if names else "There are none here; leave it out."
        raise ValidationError(dict.fromkeys(unknown, f"There is no such parameter. {advice}"))


def query_int(request: Request, name: str, *, default: int, most: int) -> int:
    """Return a whole number from 1 to `most`; raises ValidationError for anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    # Digits only: `int` takes " 1_0 " as well, and each spelling would be another address of the same page.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise ValidationError({name: f"Use a whole number from 1 to {most}."})
    return int(text)


def query_date(request: Request, name: str) -> date | None:
    """Return a date, None without one; raises ValidationError for what is no date."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValidationError({name: "Use a date such as 2026-03-14."}) from None
