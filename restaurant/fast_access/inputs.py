"""Arguments as callers have them, made into the parts that cache keys are made of; for callers and coroutines alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils import timezone

from billing.cached import CustomerBalance, DaySummary, billing_summary, customer_balance
from caching import Region
from caching.steps import Steps
from orders.statuses import Status
from restaurant.profiles.cached import profile_lite
from restaurant.profiles.phones import phone_normalize, phone_region

__all__ = ["balance_of_phone", "order_id", "phone_of_org", "status", "summary_of_day"]


@dataclass(frozen=True)
class _Get:
    """The step of reading one value through its region."""

    region: Region[Any]
    name: tuple[Any, ...]
    using: str

    def run(self) -> Any:
        return self.region.get(*self.name, using=self.using)

    async def arun(self) -> Any:
        return await self.region.aget(*self.name, using=self.using)


def order_id(given: UUID | str) -> UUID:
    """Return the order's id; raises ValueError when the text is no UUID."""
    if isinstance(given, UUID):
        return given
    try:
        return UUID(given)
    except (ValueError, AttributeError, TypeError):
        raise ValueError("An order's id is a UUID, such as 0b54c1f2-7c1d-4f5e-9a57-3f1f0f6f2c11.") from None


def status(given: str) -> str:
    """Return the status as plain text; raises ValueError, which names them all, when there is none of that name."""
    if given not in Status:
        raise ValueError(f"There is no such status. Use one of: {', '.join(Status.values)}.")
    return str(Status(given))


def summary_of_day(org_id: str, day: date | None, using: str) -> Steps[DaySummary | None]:
    """Return the steps that read the summary of a local day; None is today where the organisation is."""
    if day is None:
        profile = yield _Get(profile_lite, (org_id,), using)
        if profile is None:
            return None
        day = timezone.localdate(timezone=ZoneInfo(profile.time_zone))
    elif isinstance(day, datetime) or not isinstance(day, date):
        raise ValueError("A day is a date without a time, the organisation's local one.")
    summary: DaySummary | None = yield _Get(billing_summary, (org_id, day), using)
    return summary


def balance_of_phone(org_id: str, phone: str, using: str) -> Steps[CustomerBalance | None]:
    """Return the steps that read the balance of a phone number in any form."""
    number = yield from phone_of_org(org_id, phone, using)
    if number is None:
        return None
    balance: CustomerBalance | None = yield _Get(customer_balance, (org_id, number), using)
    return balance


def phone_of_org(org_id: str, phone: str, using: str) -> Steps[str | None]:
    """Return the steps that make a phone number E.164; None when there is no such organisation."""
    profile = yield _Get(profile_lite, (org_id,), using)
    return None if profile is None else _e164(phone, profile.phone)


def _e164(phone: str, phone_of_organisation: str) -> str:
    try:
        number = phone_normalize(phone, region=phone_region(phone_of_organisation))
    except ValidationError as error:
        raise ValueError(error.message) from None
    if not number:
        raise ValueError("A customer is known by a phone number; give one.")
    return number
