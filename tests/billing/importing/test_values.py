"""Cells become values, or an error that says what is wrong with them."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billing.importing.values import moment_parse, price_parse, quantity_parse, text_parse

LONDON = ZoneInfo("Europe/London")


def test_text_loses_the_spaces_around_it() -> None:
    assert text_parse("  Garlic Naan ", what="item name", longest=20) == "Garlic Naan"


def test_empty_and_overlong_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="the item name is empty"):
        text_parse("  ", what="item name", longest=20)
    with pytest.raises(ValueError, match="the item name is longer than 3 characters"):
        text_parse("Naan", what="item name", longest=3)


@pytest.mark.parametrize(("cell", "quantity"), [("1", 1), (" 51 ", 51), ("2.0", 2), ("10000", 10_000)])
def test_quantities_are_whole_numbers(cell: str, quantity: int) -> None:
    assert quantity_parse(cell) == quantity


@pytest.mark.parametrize("cell", ["", "0", "-1", "1.5", "two", "10001", "1e3", "9999999999"])
def test_other_quantities_are_refused(cell: str) -> None:
    with pytest.raises(ValueError, match="no whole number from 1 to 10000"):
        quantity_parse(cell)


@pytest.mark.parametrize(
    ("cell", "currency", "price"),
    [
        ("0.8", "GBP", "0.80"),
        ("12.95", "GBP", "12.95"),
        ("£12.95", "GBP", "12.95"),
        (" £ 1,234.50 ", "GBP", "1234.50"),
        ("1,234", "GBP", "1234.00"),
        ("2,50 €", "EUR", "2.50"),
        ("1.234,50", "EUR", "1234.50"),
        ("2.50 EUR", "EUR", "2.50"),
        ("gbp 3", "GBP", "3.00"),
        ("$7", "CAD", "7.00"),
        ("7 kr", "SEK", "7.00"),
        ("1.234", "KWD", "1.234"),
        ("0", "GBP", "0.00"),
    ],
)
def test_prices_come_with_or_without_the_sign_of_the_currency(cell: str, currency: str, price: str) -> None:
    assert price_parse(cell, currency=currency) == Decimal(price)


@pytest.mark.parametrize("cell", ["", "free", "-2.50", "€2.50", "2.50 EUR", "2.50 pieces", "£", "NaN", "1e5"])
def test_what_is_no_price_in_the_currency_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match="no amount of GBP"):
        price_parse(cell, currency="GBP")


@pytest.mark.parametrize("cell", ["2.505", "1.2.3", "1,23,4", "99999999999"])
def test_prices_that_cannot_be_kept_exactly_are_refused(cell: str) -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        price_parse(cell, currency="GBP")


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("03/08/2019 20:25", datetime(2019, 8, 3, 19, 25, tzinfo=UTC)),
        ("3/1/2019 8:05:09", datetime(2019, 1, 3, 8, 5, 9, tzinfo=UTC)),
        ("2019-08-03T20:25", datetime(2019, 8, 3, 19, 25, tzinfo=UTC)),
        ("2019-08-03 20:25:01", datetime(2019, 8, 3, 19, 25, 1, tzinfo=UTC)),
        ("2019-08-03T20:25Z", datetime(2019, 8, 3, 20, 25, tzinfo=UTC)),
        ("2019-08-03T20:25+02:00", datetime(2019, 8, 3, 18, 25, tzinfo=UTC)),
    ],
)
def test_dates_are_local_times_unless_they_carry_an_offset(cell: str, moment: datetime) -> None:
    assert moment_parse(cell, zone=LONDON) == moment


def test_of_a_local_time_that_came_twice_the_first_is_meant() -> None:
    assert moment_parse("27/10/2019 01:30", zone=LONDON) == datetime(2019, 10, 27, 0, 30, tzinfo=UTC)


def test_a_local_time_that_was_skipped_is_as_long_after_midnight_as_it_says() -> None:
    assert moment_parse("31/03/2019 01:30", zone=LONDON) == datetime(2019, 3, 31, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("cell", ["", "yesterday", "31/02/2019 10:00", "08/13/2019 10:00", "03/08/19 20:25"])
def test_what_is_no_date_is_refused_with_an_example(cell: str) -> None:
    with pytest.raises(ValueError, match=r"write it like 18/05/2019 19:30"):
        moment_parse(cell, zone=LONDON)


def test_a_date_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="the date"):
        moment_parse("31/12/9999 23:59", zone=ZoneInfo("America/New_York"))
