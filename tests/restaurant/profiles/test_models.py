"""What a profile knows about its own place and time."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from restaurant.profiles.models import Membership
from tests.factories import BusinessProfileFactory, MembershipFactory, UserFactory


def test_the_business_day_is_the_local_one() -> None:
    profile = BusinessProfileFactory.build(time_zone="Asia/Karachi")
    assert profile.local_date(datetime(2026, 3, 14, 20, 0, tzinfo=UTC)) == date(2026, 3, 15)


def test_a_number_without_country_code_belongs_to_the_organisations_country() -> None:
    assert BusinessProfileFactory.build(phone="+442079460000").phone_normalize("020 7946 0018") == "+442079460018"
    with pytest.raises(ValidationError, match="country code"):
        BusinessProfileFactory.build(phone="").phone_normalize("020 7946 0018")


@pytest.mark.parametrize("hours", [[], None, ""])
def test_empty_opening_hours_that_are_no_mapping_are_refused(hours: Any) -> None:
    profile = BusinessProfileFactory.build(opening_hours=hours)
    with pytest.raises(ValidationError, match="Opening hours look like"):
        profile.clean()


@pytest.mark.parametrize("holidays", [{}, None, ""])
def test_empty_holidays_that_are_no_list_are_refused(holidays: Any) -> None:
    profile = BusinessProfileFactory.build(holidays=holidays)
    with pytest.raises(ValidationError, match="Holidays look like"):
        profile.clean()


def test_hours_of_a_day_leave_out_holidays() -> None:
    christmas = {"first": "2026-12-25", "last": "2026-12-28"}
    profile = BusinessProfileFactory.build(opening_hours={"mon": [["11:00", "15:00"]]}, holidays=[christmas])
    assert profile.hours_on(date(2026, 12, 21)) == [["11:00", "15:00"]]
    assert not profile.hours_on(date(2026, 12, 28))


def test_a_profile_that_is_always_closed_is_accepted() -> None:
    assert BusinessProfileFactory.build(opening_hours={}).clean() is None


@pytest.mark.django_db
def test_a_user_has_one_role_in_an_organisation() -> None:
    membership = MembershipFactory()
    with pytest.raises(IntegrityError):
        MembershipFactory(user=membership.user, org=membership.org, role=Membership.Role.OWNER)


def test_rows_name_themselves_without_personal_data() -> None:
    profile = BusinessProfileFactory.build(org_id="one", name="The One")
    assert str(profile) == "The One"
    assert str(Membership(org=profile, user=UserFactory.build(), role="owner")) == "owner of one"


def test_a_user_is_known_by_a_uuid() -> None:
    assert isinstance(UserFactory.build().pk, UUID)
