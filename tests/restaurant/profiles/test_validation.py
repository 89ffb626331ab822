"""Opening hours, currencies and time zones are checked before they are kept."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from restaurant.profiles.validation import validate_currency, validate_opening_hours, validate_time_zone


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
        ({"mon": [["15:00", "11:00"]]}, "in order"),
        ({"mon": [["11:00", "15:00"], ["14:00", "16:00"]]}, "in order"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(hours: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        validate_opening_hours(hours)


def test_a_currency_is_three_capital_letters() -> None:
    validate_currency("GBP")
    with pytest.raises(ValidationError, match="ISO 4217"):
        validate_currency("gbp")


def test_a_time_zone_is_a_name_of_the_iana_database() -> None:
    validate_time_zone("Asia/Karachi")
    with pytest.raises(ValidationError, match="Europe/London"):
        validate_time_zone("Middle-earth/Shire")
