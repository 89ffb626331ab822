"""Opening hours, holidays, currencies and time zones are checked before they are kept."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from restaurant.profiles.validation import (
    MAX_HOLIDAYS,
    validate_currency,
    validate_holidays,
    validate_opening_hours,
    validate_time_zone,
)


@pytest.mark.parametrize(
    "hours",
    [
        {},
        {"mon": []},
        {"mon": [["11:00", "15:00"], ["17:00", "23:00"]]},
        {"fri": [["18:00", "24:00"]], "sat": [["00:00", "02:00"]]},
        {"sun": [["10:00", "12:00"], ["12:00", "14:00"]]},
    ],
)
def test_ordered_spans_are_accepted(hours: Any) -> None:
    assert validate_opening_hours(hours) is None


@pytest.mark.parametrize(
    ("hours", "message"),
    [
        ([], "Opening hours look like"),
        ({"monday": []}, "'monday' is no weekday"),
        ({"mon": "11:00-15:00"}, "mon: Opening hours look like"),
        ({"mon": [["11:00"]]}, "each span is"),
        ({"mon": ["11:00"]}, "each span is"),
        ({"mon": [[11, 15]]}, "each span is"),
        ({"mon": [["11:00", "25:00"]]}, "each span is"),
        ({"mon": [["\u0661\u0661:00", "15:00"]]}, "each span is"),
        ({"mon": [["15:00", "11:00"]]}, "in order"),
        ({"mon": [["11:00", "15:00"], ["14:00", "16:00"]]}, "in order"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(hours: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        validate_opening_hours(hours)


def day(text: str, **more: Any) -> dict[str, Any]:
    return {"first": text, "last": text, **more}


@pytest.mark.parametrize(
    "holidays",
    [
        [],
        [{"first": "2026-12-25", "last": "2026-12-26", "name": "Christmas"}, day("2026-12-27")],
        [day("2026-12-31", hours=[["12:00", "18:00"], ["20:00", "24:00"]])],
        [day("2028-02-29", name="Leap day", hours=[])],
        [{"first": "2027-01-01", "last": "2028-01-01"}],
        [day(f"2027-{1 + index // 28:02}-{1 + index % 28:02}") for index in range(MAX_HOLIDAYS)],
    ],
)
def test_holidays_in_order_are_accepted(holidays: Any) -> None:
    assert validate_holidays(holidays) is None


@pytest.mark.parametrize(
    ("holidays", "message"),
    [
        ({}, "Holidays look like"),
        (None, "Holidays look like"),
        (["2026-12-25"], "Holiday 1: Holidays look like"),
        ([{"first": "2026-12-25"}], "Holiday 1: Holidays look like"),
        ([day("2026-12-25", colour="red")], "Holiday 1: Holidays look like"),
        ([day("25.12.2026")], "Holiday 1, first: this is no date"),
        ([day("20261225")], "this is no date"),
        ([day("2026-02-29")], "this is no date"),
        ([day("2026-12-\u0662\u0665")], "this is no date"),
        ([{"first": "2026-12-25", "last": 26}], "Holiday 1, last: this is no date"),
        ([{"first": "2026-12-26", "last": "2026-12-25"}], "Holiday 1: .* not end before they begin"),
        ([day("2026-12-26"), day("2026-12-25")], "Holiday 2: holidays must be in order"),
        ([{"first": "2026-12-24", "last": "2026-12-26"}, day("2026-12-26")], "must not overlap"),
        ([{"first": "2027-01-01", "last": "2028-01-02"}], "lasts longer than 366 days"),
        ([day("2026-12-25", name="x" * 101)], "its name is text of up to 100"),
        ([day("2026-12-25", name=5)], "its name is text"),
        ([day("2026-12-25", hours="12:00-18:00")], "Holiday 1: Holidays look like"),
        ([day("2026-12-25", hours=[["18:00", "12:00"]])], "Holiday 1: spans must be in order"),
        ([day("2026-12-25")] * (MAX_HOLIDAYS + 1), "These are 101 holidays, and 100 may be kept"),
    ],
)
def test_any_other_holidays_are_refused_with_what_is_wrong(holidays: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refusal:
        validate_holidays(holidays)
    assert refusal.value.code == "holidays"


def test_a_currency_is_three_capital_letters() -> None:
    validate_currency("GBP")
    with pytest.raises(ValidationError, match="ISO 4217"):
        validate_currency("gbp")


def test_a_time_zone_is_a_name_of_the_iana_database() -> None:
    validate_time_zone("Asia/Karachi")
    with pytest.raises(ValidationError, match="Europe/London"):
        validate_time_zone("Middle-earth/Shire")
