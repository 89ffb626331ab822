"""One person's number is always the same text."""

import pytest
from django.core.exceptions import ValidationError

from restaurant.profiles.phones import phone_normalize, phone_region, validate_phone


@pytest.mark.parametrize(
    "written", ["+44 20 7946 0018", "+44 (0)20 7946-0018", "020 7946 0018", "tel:+44-20-7946-0018"]
)
def test_every_way_to_write_a_number_gives_the_same_text(written: str) -> None:
    assert phone_normalize(written, region="GB") == "+442079460018"


def test_no_number_stays_no_number() -> None:
    assert phone_normalize("  ") == ""


@pytest.mark.parametrize("written", ["020 7946 0018", "call me", "+44 1", "+44 12", "+999 123456"])
def test_what_is_no_number_anywhere_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        phone_normalize(written)
    assert written not in str(refusal.value)
    assert "country code" in str(refusal.value)


@pytest.mark.parametrize(("phone", "region"), [("+442079460018", "GB"), ("+12125550123", "US"), ("", None)])
def test_a_number_tells_its_country(phone: str, region: str | None) -> None:
    assert phone_region(phone) == region


def test_only_e164_form_is_stored() -> None:
    validate_phone("+442079460018")
    validate_phone("")
    with pytest.raises(ValidationError, match=r"E\.164 form"):
        validate_phone("+44 20 7946 0018")
