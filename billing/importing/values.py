"""Turns the text of a cell into a value, or says in plain words why it is none."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from restaurant.money import money_parse

MAX_QUANTITY: Final = 10_000

_SIGNS: Final = {
    "£": ("GBP", "EGP", "FKP", "GIP", "LBP", "SHP"),
    "€": ("EUR",),
    "$": ("USD", "AUD", "CAD", "HKD", "MXN", "NZD", "SGD"),
    "¥": ("JPY", "CNY"),
    "₹": ("INR",),
    "₩": ("KRW",),
    "₪": ("ILS",),
    "₺": ("TRY",),
    "฿": ("THB",),
    "R$": ("BRL",),
    "zł": ("PLN",),
    "Kč": ("CZK",),
    "kr": ("DKK", "ISK", "NOK", "SEK"),
}
_MONEY: Final = re.compile(r"(?P<before>[^\d\s.,+-]*)\s*(?P<number>\d[\d.,]*)\s*(?P<after>[^\d\s.,+-]*)")
_DECIMAL_POINT: Final = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL_COMMA: Final = re.compile(r"\d{1,3}(\.\d{3})+,\d+|\d+,\d{1,2}")
_BRITISH: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?")


def text_parse(cell: str, *, what: str, longest: int) -> str:
    """Return the cell without surrounding spaces; raises ValueError when it is empty or longer than `longest`."""
    text = cell.strip()
    if not text:
        raise ValueError(f"the {what} is empty")
    if len(text) > longest:
        raise ValueError(f"the {what} is longer than {longest} characters")
    return text


def quantity_parse(cell: str) -> int:
    """Return a whole number from 1 to MAX_QUANTITY, which may be written "2.0"; raises ValueError."""
    text = cell.strip()
    if not re.fullmatch(r"\d{1,9}(\.0*)?", text, re.ASCII) or not 1 <= int(text.partition(".")[0]) <= MAX_QUANTITY:
        raise ValueError(f"the quantity {cell!r} is no whole number from 1 to {MAX_QUANTITY}")
    return int(text.partition(".")[0])


def price_parse(cell: str, *, currency: str) -> Decimal:
    """Return a price, written with or without the sign or code of the currency: 2.5, £2.50, 2,50 EUR, 1,234.50.

    A comma before one or two last digits is a decimal comma. Raises ValueError for anything else, for a negative price,
    for more decimal places than the currency has, and for the sign of another currency.
    """
    match = _MONEY.fullmatch(cell.strip())
    signs = [sign for sign in match.group("before", "after") if sign] if match else []
    if match is None or any(sign.upper() != currency and currency not in _SIGNS.get(sign, ()) for sign in signs):
        raise ValueError(f"the price {cell!r} is no amount of {currency}; write it like 2.50")
    number = match["number"]
    if _DECIMAL_POINT.fullmatch(number):
        number = number.replace(",", "")
    elif _DECIMAL_COMMA.fullmatch(number):
        number = number.replace(".", "").replace(",", ".")
    try:
        return money_parse(number, currency)
    except ValueError as error:
        raise ValueError(f"the price {cell!r} cannot be used. {error}") from error


def moment_parse(cell: str, *, zone: ZoneInfo) -> datetime:
    """Return the moment (aware, UTC) of a local time written dd/mm/yyyy HH:MM or as ISO 8601; raises ValueError.

    An ISO time may carry its own offset. Of a local time that came twice, when clocks were put back, the first is
    meant; one that was skipped, when they were put forward, is as long after midnight as it says.
    """
    text = cell.strip()
    british = _BRITISH.fullmatch(text)
    try:
        if british:
            day, month, year, hour, minute, second = (int(part or 0) for part in british.groups())
            local = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        else:
            local = datetime.fromisoformat(text)
            local = local if local.tzinfo else local.replace(tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"the date {cell!r} is none; write it like 18/05/2019 19:30 or 2019-05-18T19:30") from None
