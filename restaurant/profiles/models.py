"""Who uses the site, and the organisations (restaurants) whose rows everything else belongs to."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from caching.models import CachedModel
from restaurant.moments import MomentField
from restaurant.profiles.opening import hours_on
from restaurant.profiles.phones import phone_normalize, phone_region, validate_phone
from restaurant.profiles.validation import (
    validate_currency,
    validate_holidays,
    validate_opening_hours,
    validate_time_zone,
)


class User(AbstractUser):
    """A person who can sign in; what they may do in an organisation is their Membership's role."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)


class BusinessProfile(CachedModel):
    """One organisation: how it is named, reached, opened and taxed."""

    class TaxOn(models.TextChoices):
        SUBTOTAL = "subtotal", "the subtotal"
        DISCOUNTED = "discounted", "the subtotal after discount"

    org_id = models.SlugField("organisation", primary_key=True, max_length=64)
    name = models.CharField(max_length=200)
    legal_name = models.CharField(max_length=200, blank=True)
    tax_id = models.CharField("tax id", max_length=64, blank=True)
    address = models.TextField(blank=True)
    phone = models.CharField(max_length=16, blank=True, validators=[validate_phone])
    email = models.EmailField("e-mail", blank=True)
    currency = models.CharField(max_length=3, default="GBP", validators=[validate_currency])
    time_zone = models.CharField(max_length=64, default="Europe/London", validators=[validate_time_zone])
    opening_hours = models.JSONField(default=dict, blank=True, validators=[validate_opening_hours])
    holidays = models.JSONField(default=list, blank=True, validators=[validate_holidays])
    tax_rate = models.DecimalField(
        "tax rate, percent",
        max_digits=5,
        decimal_places=2,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))],
    )
    tax_on = models.CharField(max_length=10, choices=TaxOn, default=TaxOn.SUBTOTAL)
    prices_include_tax = models.BooleanField(default=False)
    accepts_delivery = models.BooleanField(default=True)
    accepts_table_service = models.BooleanField(default=True)
    order_lead_minutes = models.PositiveSmallIntegerField("usual minutes until an order is ready", default=30)
    created_at = MomentField(auto_now_add=True)
    updated_at = MomentField(auto_now=True)

    class Meta(CachedModel.Meta):
        ordering = ["org_id"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse opening hours of [], holidays of {} and null, which the checks of single fields let pass as empty."""
        super().clean()
        problems = {}
        for name, validate in (("opening_hours", validate_opening_hours), ("holidays", validate_holidays)):
            if not getattr(self, name):
                try:
                    validate(getattr(self, name))
                except ValidationError as error:
                    problems[name] = error
        if problems:
            raise ValidationError(problems)

    def local_date(self, at: datetime) -> date:
        """Return the business day on which the aware moment `at` falls, in the organisation's time zone."""
        return at.astimezone(ZoneInfo(self.time_zone)).date()

    def hours_on(self, day: date) -> Sequence[Sequence[str]]:
        """Return the spans, of local "HH:MM" each, in which the place is open on that day; none on a holiday."""
        return hours_on(day, opening_hours=self.opening_hours, holidays=self.holidays)

    def phone_normalize(self, raw: str) -> str:
        """Return `raw` in E.164 form; without a country code it is a number of the organisation's own country.

        Raises ValidationError when it is no phone number.
        """
        return phone_normalize(raw, region=phone_region(self.phone))


class Membership(models.Model):
    """The role of a user in an organisation; no membership, no access."""

    class Role(models.TextChoices):
        OWNER = "owner"
        MANAGER = "manager"
        STAFF = "staff"
        KITCHEN = "kitchen"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    org = models.ForeignKey(BusinessProfile, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "org"], name="one_membership_per_user_and_org")]

    def __str__(self) -> str:
        return f"{self.role} of {self.org_id}"
