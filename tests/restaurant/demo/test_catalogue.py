"""The demo restaurants could be real ones."""

import pytest
from django.core.exceptions import ValidationError

from restaurant.demo.catalogue import CUSTOMER_NAMES, RESTAURANTS, DemoRestaurant
from restaurant.money import money_parse
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.phones import validate_phone


@pytest.mark.parametrize("restaurant", RESTAURANTS, ids=lambda restaurant: restaurant.org_id)
def test_settings_prices_and_phone_numbers_are_valid(restaurant: DemoRestaurant) -> None:
    holidays = [
        {"first": f"2027-{first}", "last": f"2027-{last}", "name": name} for first, last, name in restaurant.holidays
    ]
    profile = BusinessProfile(org_id=restaurant.org_id, holidays=holidays, **restaurant.fields)
    problems = None
    try:
        profile.clean_fields()
        profile.clean()
        for index in range(len(CUSTOMER_NAMES)):
            validate_phone(f"{restaurant.phone_prefix}{index:03}")
        for dishes in restaurant.menu.values():
            for _, price in dishes:
                money_parse(price, profile.currency)
    except (ValidationError, ValueError) as error:
        problems = error

    assert problems is None
    assert profile.opening_hours


def test_the_three_differ_in_currency_time_zone_and_name() -> None:
    for name in ("currency", "time_zone", "name"):
        assert len({restaurant.fields[name] for restaurant in RESTAURANTS}) == 3
