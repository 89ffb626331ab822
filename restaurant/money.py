"""One rounding rule for every amount: half up, to the decimal places the currency has."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

MAX_DIGITS: Final = 12
STORED_PLACES: Final = 3
"""Places of every stored amount: the most that any currency in circulation needs."""

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


def money_is_exact(amount: Decimal, currency: str) -> bool:
    """Tell whether `amount` can be paid in `currency` as it stands, without rounding."""
    return amount.is_finite() and money_quantize(amount, currency) == amount
