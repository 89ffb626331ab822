"""Reads of profiles and memberships, straight from the database."""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import router
from django.db.models import CharField, OuterRef, Q, Subquery, UUIDField
from rest_framework.authtoken.models import Token

from restaurant.compiled import CompiledQuery
from restaurant.profiles.exceptions import ProfileNotFoundError
from restaurant.profiles.models import BusinessProfile, Membership, User
from restaurant.profiles.opening import openings

logger = logging.getLogger(__name__)

_TOKEN_FIELDS: Final = [field.attname for field in Token._meta.concrete_fields]
_USER_FIELDS: Final = [field.attname for field in User._meta.concrete_fields]

# Each request of the API asks one of them, with a token or in a session; to build it can cost more than the answer.
_TOKENS: Final = CompiledQuery(
    Token,
    lambda key, org_id: Token.objects.filter(key=key).values_list(
        *_TOKEN_FIELDS,
        *[f"user__{name}" for name in _USER_FIELDS],
        Subquery(Membership.objects.filter(user=OuterRef("user"), org_id=org_id).values("role")),
    ),
    key=CharField(),
    org_id=CharField(),
)
_ROLES: Final = CompiledQuery(
    Membership,
    lambda user_id, org_id: Membership.objects.filter(user_id=user_id, org_id=org_id).values_list("role"),
    user_id=UUIDField(),
    org_id=CharField(),
)


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


def profile_openings(*, since: datetime, until: datetime, using: str | None = None) -> Iterator[tuple[str, datetime]]:
    """Yield `(org_id, moment)` for each time an organisation opens from `since` to before `until`: one query.

    All moments are aware, those returned in UTC. Hours that only a write around the services can have made unreadable
    are logged and passed over.
    """
    profiles = BusinessProfile.objects.using(using).values_list("pk", "time_zone", "opening_hours", "holidays")
    for org_id, time_zone, opening_hours, holidays in profiles:
        try:
            moments = list(
                openings(time_zone=time_zone, opening_hours=opening_hours, holidays=holidays, since=since, until=until)
            )
        except (AttributeError, LookupError, TypeError, ValueError):
            logger.warning("When %r opens cannot be told: its hours, holidays or time zone are no valid ones.", org_id)
            continue
        yield from ((org_id, moment) for moment in moments)


def profiles_find(*, text: str, limit: int, using: str | None = None) -> list[tuple[str, str]]:
    """Return `org_id` and name of organisations that have `text` in either, in order of name, at most `limit`."""
    like = BusinessProfile.objects.using(using).filter(Q(pk__icontains=text) | Q(name__icontains=text))
    return list(like.order_by("name", "pk").values_list("pk", "name")[:limit])


def membership_role(*, user_id: UUID, org_id: str, using: str | None = None) -> str | None:
    """Return the user's role in the organisation, None for a stranger."""
    return next((role for (role,) in _ROLES.rows(using=using, user_id=user_id, org_id=org_id)), None)


def token_get(*, key: str, org_id: str = "", using: str | None = None) -> tuple[Token | None, str | None]:
    """Return the token with its user, and the user's role in the organisation, None for a stranger: one query.

    Nobody's token is (None, None).
    """
    alias, columns = using or router.db_for_read(Token), len(_TOKEN_FIELDS)
    for *row, role in _TOKENS.rows(using=alias, key=key, org_id=org_id):
        token = Token.from_db(alias, _TOKEN_FIELDS, row[:columns])
        token.user = User.from_db(alias, _USER_FIELDS, row[columns:])
        return token, role
    return None, None


def memberships_of_user(*, user_id: UUID, using: str | None = None) -> list[Membership]:
    """Return the user's memberships, each with its organisation loaded, ordered by `org_id`."""
    return list(Membership.objects.using(using).filter(user_id=user_id).select_related("org").order_by("org_id"))


def org_ids_of_member(*, user_id: UUID, org_ids: Iterable[str], using: str | None = None) -> set[str]:
    """Return those of the organisations that the user belongs to, in one query."""
    memberships = Membership.objects.using(using).filter(user_id=user_id, org_id__in=list(org_ids))
    return set(memberships.values_list("org_id", flat=True))
