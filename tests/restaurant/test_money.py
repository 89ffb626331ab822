"""Amounts round half up, to the places their currency has."""

from decimal import Decimal

import pytest

from restaurant.money import MAX_AMOUNT, currency_exponent, money_parse, money_quantize


@pytest.mark.parametrize(("currency", "places"), [("GBP", 2), ("JPY", 0), ("KWD", 3), ("XYZ", 2)])
def test_a_currency_has_its_own_number_of_places(currency: str, places: int) -> None:
    assert currency_exponent(currency) == places


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("2.345", "GBP", "2.35"),
        ("2.344", "GBP", "2.34"),
        ("-2.345", "GBP", "-2.35"),
        ("2.5", "JPY", "3"),
        ("1.0005", "KWD", "1.001"),
        ("7", "EUR", "7.00"),
    ],
)
def test_halves_are_rounded_away_from_zero(amount: str, currency: str, rounded: str) -> None:
    assert str(money_quantize(Decimal(amount), currency)) == rounded


def test_an_amount_from_outside_gets_the_places_of_the_currency() -> None:
    assert str(money_parse("2.5", "GBP")) == "2.50"


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ("two", "decimal amount"),
        ("NaN", "at most 999999999.999"),
        ("Infinity", "at most 999999999.999"),
        ("1E+50", "at most 999999999.999"),
        ("2.505", "Amounts of GBP have at most 2 decimal places"),
        (None, "decimal amount"),
    ],
)
def test_an_amount_that_cannot_be_kept_exactly_is_refused_in_plain_words(amount: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        money_parse(amount, "GBP")


def test_the_largest_storable_amount_is_accepted() -> None:
    assert money_parse(MAX_AMOUNT, "KWD") == MAX_AMOUNT
