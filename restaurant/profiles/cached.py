"""What is cached of business profiles, and what makes it stale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from caching import On, Region, Snapshot
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.selectors import profiles_get


class Profile(Snapshot):
    """A business profile as the API sends it."""

    org_id: str
    name: str
    legal_name: str
    currency: str
    updated_at: datetime
    tax_rate: Decimal


def _profiles(names: Sequence[tuple[str]], *, using: str) -> dict[tuple[str], Profile]:
    rows = profiles_get(org_ids=[org for (org,) in names], using=using)
    return {(row.org_id,): Profile(org_id=row.org_id, name=row.name, legal_name=row.legal_name, currency=row.currency, updated_at=row.updated_at, tax_rate=row.tax_rate) for row in rows}


profile = Region("profile", Profile, load_many=_profiles, local_ttl=300, redis_ttl=3600, fresh_on=[On(BusinessProfile, org="org_id")])
