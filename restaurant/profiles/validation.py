"""What a business profile's currency, time zone, opening hours and holidays must look like."""

import re
from datetime import date
from typing import Any, Final
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
# Digits of other scripts are refused: nobody who reads the hours again expects them.
_CLOCK: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_HOURS_SHAPE: Final = 'Opening hours look like {"mon": [["11:00", "15:00"], ["17:00", "23:00"]], "tue": []}'
_HOLIDAYS_SHAPE: Final = (
    'Holidays look like [{"first": "2026-12-25", "last": "2026-12-26", "name": "Christmas"}, '
    '{"first": "2026-12-31", "last": "2026-12-31", "hours": [["12:00", "18:00"]]}], or [] for none'
)
_HOLIDAY_FIELDS: Final = {"first", "last"}, {"first", "last", "name", "hours"}
MAX_HOLIDAYS: Final = 100
_MAX_DAYS: Final = 366
_MAX_HOLIDAY_NAME: Final = 100


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
        _validate_spans(day, spans, code="opening_hours")


def validate_holidays(value: Any) -> None:
    """Raise ValidationError unless `value` lists days, or ranges of days, in order, that do not overlap.

    `first` and `last` belong to the holiday; a single day has them alike. `name` may be left out. Without `hours`, or
    with none, all of these days are closed; else they are the hours of each, instead of the weekday's.
    """
    if not isinstance(value, list):
        raise ValidationError(f"{_HOLIDAYS_SHAPE}.", code="holidays")
    if len(value) > MAX_HOLIDAYS:
        raise ValidationError(
            f"These are {len(value)} holidays, and {MAX_HOLIDAYS} may be kept. Leave out those that are past.",
            code="holidays",
        )
    last = date.min
    for number, holiday in enumerate(value, start=1):
        last = _validate_holiday(f"Holiday {number}", holiday, after=last)


def _validate_holiday(which: str, holiday: Any, *, after: date) -> date:
    needed, known = _HOLIDAY_FIELDS
    if not isinstance(holiday, dict) or not needed <= set(holiday) <= known:
        raise ValidationError(f"{which}: {_HOLIDAYS_SHAPE}.", code="holidays")
    first, last = (_holiday_date(f"{which}, {name}", holiday[name]) for name in ("first", "last"))
    if not after < first <= last:
        raise ValidationError(
            f"{which}: holidays must be in order, must not overlap, and must not end before they begin.",
            code="holidays",
        )
    if (last - first).days >= _MAX_DAYS:
        raise ValidationError(f"{which} lasts longer than {_MAX_DAYS} days.", code="holidays")
    name = holiday.get("name", "")
    if not isinstance(name, str) or len(name) > _MAX_HOLIDAY_NAME:
        raise ValidationError(f"{which}: its name is text of up to {_MAX_HOLIDAY_NAME} characters.", code="holidays")
    if not isinstance(holiday.get("hours", []), list):
        raise ValidationError(f"{which}: {_HOLIDAYS_SHAPE}.", code="holidays")
    _validate_spans(which, holiday.get("hours", []), code="holidays")
    return last


def _holiday_date(which: str, value: Any) -> date:
    try:
        # The pattern first: `fromisoformat` reads other forms, too.
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValidationError(f"{which}: this is no date. Write it as year, month and day: 2026-12-25.", code="holidays")


def _validate_spans(day: str, spans: list[Any], *, code: str) -> None:
    closed_since = ""
    for span in spans:
        if (
            not isinstance(span, list)
            or len(span) != 2
            or not all(isinstance(clock, str) and _CLOCK.fullmatch(clock) for clock in span)
        ):
            raise ValidationError(f'{day}: each span is ["HH:MM", "HH:MM"], up to "24:00".', code=code)
        opens, closes = span
        if not closed_since <= opens < closes:
            raise ValidationError(
                f"{day}: spans must be in order, must not overlap, and must end after they begin.", code=code
            )
        closed_since = closes
