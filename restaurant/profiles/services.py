"""Writes of business profiles and memberships."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError

from restaurant.db import atomic, retry_when_busy
from restaurant.profiles.exceptions import ProfileNotFoundError
from restaurant.profiles.models import BusinessProfile, Membership

UPDATABLE: Final = tuple(
    field.name
    for field in BusinessProfile._meta.concrete_fields
    if field.name not in {"org_id", "created_at", "updated_at"}
)
"""Fields of a profile that `profile_update` accepts."""


@retry_when_busy
def profile_create(*, org_id: str, fields: Mapping[str, Any], using: str | None = None) -> BusinessProfile:
    """Create an organisation; what `fields` leaves out takes the model's defaults.

    Raises ValidationError, keyed by field, for an unknown or unacceptable field and for an `org_id` that is taken.
    """
    with atomic(using):
        profile = BusinessProfile(org_id=org_id)
        _profile_assign(profile, fields)
        profile.full_clean(validate_unique=False)
        if BusinessProfile.objects.using(using).filter(pk=org_id).exists():
            raise ValidationError({"org_id": "There already is an organisation of that name."})
        profile.save(using=using, force_insert=True)
    return profile


@retry_when_busy
def profile_update(*, org_id: str, updates: Mapping[str, Any], using: str | None = None) -> BusinessProfile:
    """Change the fields named in `updates` (see UPDATABLE) and return the profile.

    A phone number without a country code is taken to be in the country of the present one. Raises ValidationError,
    keyed by field, when one is unknown or unacceptable, and then changes nothing; ProfileNotFoundError when there is no
    such organisation.
    """
    with atomic(using):
        profile = BusinessProfile.objects.using(using).select_for_update().filter(pk=org_id).first()
        if profile is None:
            raise ProfileNotFoundError(org_id)
        _profile_assign(profile, updates)
        profile.clean_fields(exclude={field.name for field in profile._meta.fields} - set(updates))
        profile.clean()
        profile.save(using=using)
    return profile


@retry_when_busy
def membership_set(*, user_id: UUID, org_id: str, role: str, using: str | None = None) -> Membership:
    """Give the user exactly this role in the organisation; raises ValidationError when there is no such role."""
    if role not in Membership.Role:
        raise ValidationError({"role": f"Use one of: {', '.join(Membership.Role.values)}."})
    with atomic(using):
        membership, _ = Membership.objects.using(using).update_or_create(
            user_id=user_id, org_id=org_id, defaults={"role": role}
        )
    return membership


def _profile_assign(profile: BusinessProfile, updates: Mapping[str, Any]) -> None:
    problems: dict[str, Any] = {}
    for name, value in updates.items():
        if name not in UPDATABLE:
            problems[name] = f"A profile has no such field to change. Use: {', '.join(UPDATABLE)}."
        elif value is None:
            problems[name] = "This field cannot be null; leave it out to keep it as it is."
    if problems:
        raise ValidationError(problems)
    try:
        if "phone" in updates:
            updates = {**updates, "phone": profile.phone_normalize(updates["phone"])}
    except ValidationError as error:
        raise ValidationError({"phone": error}) from error
    for name, value in updates.items():
        setattr(profile, name, value)
