"""What is cached of business profiles, and what makes it stale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from caching import On, Region, Snapshot
from caching.registry import registry
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.selectors import profile_openings, profile_org_ids, profiles_find, profiles_get

__all__ = [
    "BusinessSettings",
    "Holiday",
    "OpeningHours",
    "Profile",
    "ProfileLite",
    "Spans",
    "business_settings",
    "hot_org_ids",
    "profile",
    "profile_lite",
]

Spans: TypeAlias = tuple[tuple[str, str], ...]
"""When a place is open on one day, such as `(("11:00", "15:00"), ("17:00", "23:00"))`; closed: `()`."""


class OpeningHours(Snapshot, frozen=True):
    """The opening hours of every weekday, local time."""

    mon: Spans = ()
    tue: Spans = ()
    wed: Spans = ()
    thu: Spans = ()
    fri: Spans = ()
    sat: Spans = ()
    sun: Spans = ()


class Holiday(Snapshot, frozen=True):
    """Days, `first` and `last` included, that have hours of their own; without any they are closed."""

    first: date
    last: date
    name: str = ""
    hours: Spans = ()


class ProfileLite(Snapshot, frozen=True):
    """What lists and headings need of a business profile."""

    org_id: str
    name: str
    phone: str
    currency: str
    time_zone: str


class BusinessSettings(Snapshot, frozen=True):
    """How an organisation sells: money, tax (rate in percent), hours and services."""

    org_id: str
    currency: str
    time_zone: str
    opening_hours: OpeningHours
    holidays: tuple[Holiday, ...]
    tax_rate: Decimal
    tax_on: str
    prices_include_tax: bool
    accepts_delivery: bool
    accepts_table_service: bool
    order_lead_minutes: int
    updated_at: datetime


class Profile(Snapshot, frozen=True):
    """A whole business profile."""

    org_id: str
    name: str
    legal_name: str
    tax_id: str
    address: str
    phone: str
    email: str
    currency: str
    time_zone: str
    opening_hours: OpeningHours
    holidays: tuple[Holiday, ...]
    tax_rate: Decimal
    tax_on: str
    prices_include_tax: bool
    accepts_delivery: bool
    accepts_table_service: bool
    order_lead_minutes: int
    created_at: datetime
    updated_at: datetime


S = TypeVar("S", bound=Snapshot)


def _loader(kind: type[S]) -> Callable[..., dict[tuple[str], S]]:
    def load_many(names: Sequence[tuple[str]], *, using: str) -> dict[tuple[str], S]:
        rows = profiles_get(org_ids=[org for (org,) in names], using=using)
        return {(row.org_id,): msgspec.convert(row, kind, from_attributes=True) for row in rows}

    return load_many


def hot_org_ids(orgs: Sequence[str] | None, using: str) -> Sequence[str]:
    """Return the organisations to warm: those given, or all there are."""
    return profile_org_ids(using=using) if orgs is None else orgs


def _hot(orgs: Sequence[str] | None, using: str) -> Iterator[tuple[str]]:
    return ((org,) for org in hot_org_ids(orgs, using))


_OPTIONS: Final[dict[str, Any]] = {
    "local_ttl": 300,
    "redis_ttl": 3600,
    "fresh_on": [On(BusinessProfile, org="org_id", parts=())],
    "warm": _hot,
    "target": 0.95,
    "target_ms": 10.0,
    # A name and opening hours of an hour ago are better than an error; what changed meanwhile is never served.
    "stale_for": 3600,
    "soft_timeout": 0.5,
}

profile = Region("profile", Profile, load_many=_loader(Profile), label="Business profiles", **_OPTIONS)
"""Keyed by organisation."""

profile_lite = Region("profile_lite", ProfileLite, load_many=_loader(ProfileLite), label="Profiles, lite", **_OPTIONS)
"""Keyed by organisation."""

business_settings = Region(
    "business_settings",
    BusinessSettings,
    load_many=_loader(BusinessSettings),
    label="Business settings",
    **_OPTIONS,
)
"""Keyed by organisation."""

# Operators who mistype an organisation are told so.
registry.organisations = lambda orgs: profile_org_ids(among=orgs)
registry.find_organisations = lambda text, limit: profiles_find(text=text, limit=limit)
# Their caches are warmed before they open.
registry.openings = lambda since, until: profile_openings(since=since, until=until)
