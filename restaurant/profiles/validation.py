"""What a business profile's currency, time zone and opening hours must look like."""

import re
from typing import Any, Final
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_CLOCK: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")
_HOURS_SHAPE: Final = 'Opening hours look like {"mon": [["11:00", "15:00"], ["17:00", "23:00"]], "tue": []}'


def validate_currency(value: str) -> None:
    """Raise ValidationError unless `value` has the form of an ISO 4217 code."""
    if not _CURRENCY.fullmatch(value):
        raise ValidationError("Use the three capital letters of ISO 4217, such as GBP.", code="currency")


def validate_time_zone(value: str) -> None:
    """Raise ValidationError unless `value` names a zone of the IANA database."""
    if value not in available_timezones():
        raise ValidationError("Use a name of the IANA time zone database, such as Europe/London.", code="time_zone")


def validate_opening_hours(value: Any) -> None:
    """Raise ValidationError unless `value` maps weekdays to ordered spans of "HH:MM" that do not overlap.

    A weekday that is left out, or has no span, is closed. A span ends after it begins; one that lasts beyond midnight
    is written as two, the first ending at "24:00".
    """
    if not isinstance(value, dict):
        raise ValidationError(f"{_HOURS_SHAPE}.", code="opening_hours")
    for day, spans in value.items():
        if day not in WEEKDAYS:
            raise ValidationError(f"{day!r} is no weekday; use {', '.join(WEEKDAYS)}.", code="opening_hours")
        if not isinstance(spans, list):
            raise ValidationError(f"{day}: {_HOURS_SHAPE}.", code="opening_hours")
        _validate_spans(day, spans)


def _validate_spans(day: str, spans: list[Any]) -> None:
    closed_since = ""
    for span in spans:
        if (
            not isinstance(span, list)
            or len(span) != 2
            or not all(isinstance(clock, str) and _CLOCK.fullmatch(clock) for clock in span)
        ):
            raise ValidationError(f'{day}: each span is ["HH:MM", "HH:MM"], up to "24:00".', code="opening_hours")
        opens, closes = span
        if not closed_since <= opens < closes:
            raise ValidationError(
                f"{day}: spans must be in order, must not overlap, and must end after they begin.", code="opening_hours"
            )
        closed_since = closes
