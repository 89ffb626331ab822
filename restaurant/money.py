"""One rounding rule for every amount: half up, to the decimal places the currency has."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

MAX_DIGITS: Final = 12
STORED_PLACES: Final = 3
"""Places of every stored amount: the most that any currency in circulation needs."""
MAX_AMOUNT: Final = Decimal(10) ** (MAX_DIGITS - STORED_PLACES) - Decimal(1).scaleb(-STORED_PLACES)
"""The largest amount that can be stored."""

_EXPONENTS: Final[dict[str, int]] = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_USUAL_EXPONENT: Final = 2


def currency_exponent(currency: str) -> int:
    """Return how many decimal places amounts in `currency` (ISO 4217 code) have: 0, 2 or 3."""
    return _EXPONENTS.get(currency, _USUAL_EXPONENT)


def money_quantize(amount: Decimal, currency: str) -> Decimal:
    """Return `amount` with exactly the decimal places of `currency`, halves rounded away from zero."""
    return amount.quantize(Decimal(1).scaleb(-currency_exponent(currency)), rounding=ROUND_HALF_UP)


def money_parse(amount: Decimal | str | int, currency: str) -> Decimal:
    """Return an amount that came from outside, with the currency's decimal places and never rounded.

    Raises ValueError, worded for whoever sent it, for what is no number, has too many places or is too large to store.
    """
    try:
        parsed = Decimal(amount)
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError("Use a decimal amount, such as 2.50.") from None
    if not parsed.is_finite() or abs(parsed) > MAX_AMOUNT:
        raise ValueError(f"Use an amount of at most {MAX_AMOUNT}.")
    exact = money_quantize(parsed, currency)
    if exact != parsed:
        raise ValueError(f"Amounts of {currency} have at most {currency_exponent(currency)} decimal places.")
    return exact
