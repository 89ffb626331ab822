"""Reads of profiles and memberships, straight from the database."""

from collections.abc import Iterable
from uuid import UUID

from restaurant.profiles.exceptions import ProfileNotFoundError
from restaurant.profiles.models import BusinessProfile, Membership


def profile_get(*, org_id: str, using: str | None = None) -> BusinessProfile | None:
    """Return the organisation's profile, None when there is no such organisation."""
    return BusinessProfile.objects.using(using).filter(pk=org_id).first()


def profile_required(*, org_id: str, using: str | None = None) -> BusinessProfile:
    """Return the organisation's profile; raises ProfileNotFoundError when there is no such organisation."""
    profile = profile_get(org_id=org_id, using=using)
    if profile is None:
        raise ProfileNotFoundError(org_id)
    return profile


def profiles_get(*, org_ids: Iterable[str], using: str | None = None) -> list[BusinessProfile]:
    """Return the profiles of those organisations that exist, in one query, ordered by `org_id`."""
    return list(BusinessProfile.objects.using(using).filter(pk__in=list(org_ids)))


def profile_org_ids(*, among: Iterable[str] | None = None, using: str | None = None) -> list[str]:
    """Return the `org_id` of every organisation, in order; with `among`, of those of them that exist."""
    profiles = BusinessProfile.objects.using(using)
    return list((profiles if among is None else profiles.filter(pk__in=list(among))).values_list("pk", flat=True))


def membership_role(*, user_id: UUID, org_id: str, using: str | None = None) -> str | None:
    """Return the user's role in the organisation, None for a stranger."""
    roles = Membership.objects.using(using).filter(user_id=user_id, org_id=org_id).values_list("role", flat=True)
    # There is one at most: first() would have the database sort, and Django build, what nobody needs on every request.
    return next(iter(roles), None)


def memberships_of_user(*, user_id: UUID, using: str | None = None) -> list[Membership]:
    """Return the user's memberships, each with its organisation loaded, ordered by `org_id`."""
    return list(Membership.objects.using(using).filter(user_id=user_id).select_related("org").order_by("org_id"))


def org_ids_of_member(*, user_id: UUID, org_ids: Iterable[str], using: str | None = None) -> set[str]:
    """Return those of the organisations that the user belongs to, in one query."""
    memberships = Membership.objects.using(using).filter(user_id=user_id, org_id__in=list(org_ids))
    return set(memberships.values_list("org_id", flat=True))
