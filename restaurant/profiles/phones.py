"""Phone numbers are kept in E.164 form, so that one person's number is always the same text."""

from functools import lru_cache

import phonenumbers
from django.core.exceptions import ValidationError

_NOT_A_NUMBER = "This is not a phone number. Write it with its country code, such as +44 20 7946 0018."

# Parsing a number takes longer than a hit in local memory. What is no number is not remembered.
_REMEMBERED = 10_000


@lru_cache(maxsize=_REMEMBERED)
def phone_normalize(raw: str, *, region: str | None = None) -> str:
    """Return `raw` in E.164 form ("+442079460018"); "" stays "".

    `region` (ISO 3166, "GB") is where numbers without a country code belong. Raises ValidationError when the text is no
    possible number; its message never repeats the text, since it may be logged.
    """
    if not raw.strip():
        return ""
    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException as error:
        raise ValidationError(_NOT_A_NUMBER, code="phone") from error
    if not phonenumbers.is_possible_number(number):
        raise ValidationError(_NOT_A_NUMBER, code="phone")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


@lru_cache(maxsize=_REMEMBERED)
def phone_region(phone: str) -> str | None:
    """Return the country (ISO 3166) of an E.164 number, None for "" and for numbers of no country."""
    if not phone:
        return None
    region: str | None = phonenumbers.region_code_for_number(phonenumbers.parse(phone))
    return region


def validate_phone(value: str) -> None:
    """Model validator: raise ValidationError unless `value` is "" or already in E.164 form."""
    if phone_normalize(value) != value:
        raise ValidationError("Write the number in E.164 form, such as +442079460018.", code="phone")
