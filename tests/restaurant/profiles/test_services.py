"""A profile is changed completely or not at all, and only to what it may hold."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from restaurant.profiles.exceptions import ProfileNotFoundError
from restaurant.profiles.models import BusinessProfile, Membership
from restaurant.profiles.services import UPDATABLE, membership_set, profile_create, profile_update
from tests.factories import BusinessProfileFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_an_update_changes_the_named_fields_and_no_other() -> None:
    profile = BusinessProfileFactory(email="old@example.org", address="1 Old Street")
    updated = profile_update(org_id=profile.org_id, updates={"email": "new@example.org", "tax_rate": "17.5"})
    profile.refresh_from_db()
    assert (profile.email, profile.tax_rate, profile.address) == ("new@example.org", Decimal("17.50"), "1 Old Street")
    assert updated.tax_rate == Decimal("17.5")


def test_a_local_phone_number_becomes_international() -> None:
    profile = BusinessProfileFactory(phone="+442079460000")
    assert profile_update(org_id=profile.org_id, updates={"phone": "020 7946 0018"}).phone == "+442079460018"


def test_an_unknown_field_is_refused_with_the_allowed_ones() -> None:
    profile = BusinessProfileFactory()
    with pytest.raises(ValidationError) as refusal:
        profile_update(org_id=profile.org_id, updates={"colour": "red", "org_id": "other"})
    assert set(refusal.value.message_dict) == {"colour", "org_id"}
    assert all(name in refusal.value.message_dict["colour"][0] for name in UPDATABLE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", None),
        ("phone", "call me"),
        ("email", "nobody"),
        ("currency", "pounds"),
        ("time_zone", "Nowhere"),
        ("opening_hours", {"mon": [["12:00", "11:00"]]}),
        ("opening_hours", []),
        ("holidays", [{"first": "2026-12-26", "last": "2026-12-25"}]),
        ("holidays", {}),
        ("tax_rate", "101"),
        ("tax_rate", "-1"),
        ("tax_rate", "much"),
        ("tax_on", "profit"),
        ("prices_include_tax", "maybe"),
        ("order_lead_minutes", -5),
    ],
)
def test_an_unacceptable_value_is_refused_and_nothing_is_changed(field: str, value: Any) -> None:
    profile = BusinessProfileFactory(address="1 Old Street")
    with pytest.raises(ValidationError) as refusal:
        profile_update(org_id=profile.org_id, updates={"address": "2 New Street", field: value})
    assert set(refusal.value.message_dict) == {field}
    profile.refresh_from_db()
    assert profile.address == "1 Old Street"


def test_an_organisation_that_does_not_exist_cannot_be_updated() -> None:
    with pytest.raises(ProfileNotFoundError):
        profile_update(org_id="nowhere", updates={"name": "Nowhere"})


def test_a_new_organisation_has_defaults_for_what_is_left_out() -> None:
    profile_create(org_id="new", fields={"name": "The New", "tax_rate": "20"})
    profile = BusinessProfile.objects.get(pk="new")
    assert (profile.name, profile.tax_rate, profile.currency, profile.opening_hours) == ("The New", 20, "GBP", {})


@pytest.mark.parametrize(("org_id", "fields", "wrong"), [("a b", {"name": "x"}, "org_id"), ("new", {}, "name")])
def test_a_new_organisation_must_be_complete(org_id: str, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        profile_create(org_id=org_id, fields=fields)
    assert wrong in refusal.value.message_dict
    assert not BusinessProfile.objects.exists()


def test_an_organisation_is_never_created_over_another() -> None:
    profile = BusinessProfileFactory(name="First")
    with pytest.raises(ValidationError, match="already is an organisation"):
        profile_create(org_id=profile.org_id, fields={"name": "Second"})
    profile.refresh_from_db()
    assert profile.name == "First"


def test_setting_a_role_twice_leaves_one_membership() -> None:
    user, profile = UserFactory(), BusinessProfileFactory()
    membership_set(user_id=user.pk, org_id=profile.org_id, role="staff")
    membership_set(user_id=user.pk, org_id=profile.org_id, role="manager")
    assert list(Membership.objects.values_list("role", flat=True)) == ["manager"]


def test_a_role_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValidationError, match="owner, manager, staff, kitchen"):
        membership_set(user_id=UserFactory().pk, org_id=BusinessProfileFactory().org_id, role="king")
