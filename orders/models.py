"""What a restaurant sells and what its guests ordered."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models

from caching.models import CachedModel, VersionedModel
from orders.statuses import ACTIVE, Status
from restaurant.moments import MomentField
from restaurant.money import MAX_DIGITS, STORED_PLACES
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.phones import validate_phone

_NOT_NEGATIVE = MinValueValidator(Decimal(0))


class MenuItem(models.Model):
    """A dish or drink on sale, at today's price."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    org = models.ForeignKey(BusinessProfile, on_delete=models.PROTECT, related_name="menu_items")
    name = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=MAX_DIGITS, decimal_places=STORED_PLACES, validators=[_NOT_NEGATIVE])
    category = models.CharField(max_length=100, blank=True)
    is_available = models.BooleanField(default=True)

    class Meta:
        ordering = ["category", "name"]
        indexes = [models.Index(fields=["org", "category", "name"], name="menu_of_org")]

    def __str__(self) -> str:
        return self.name


class OrderSequence(models.Model):
    """The next human order number of an organisation; its row lock also makes order creation one at a time."""

    org = models.OneToOneField(
        BusinessProfile, on_delete=models.PROTECT, primary_key=True, related_name="order_sequence"
    )
    next_number = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.org_id}: {self.next_number}"


class Order(VersionedModel):
    """One order, from the moment it is placed until it is paid or cancelled."""

    class Service(models.TextChoices):
        TABLE = "table"
        DELIVERY = "delivery"
        TAKEAWAY = "takeaway"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    org = models.ForeignKey(BusinessProfile, on_delete=models.PROTECT, related_name="orders")
    number = models.PositiveIntegerField()
    customer_phone = models.CharField(max_length=16, blank=True, validators=[validate_phone])
    customer_name = models.CharField(max_length=200, blank=True)
    service = models.CharField(max_length=10, choices=Service)
    table = models.CharField(max_length=32, blank=True)
    delivery_address = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    discount = models.DecimalField(
        max_digits=MAX_DIGITS, decimal_places=STORED_PLACES, default=Decimal(0), validators=[_NOT_NEGATIVE]
    )
    notes = models.TextField(blank=True)
    placed_at = MomentField()
    placed_on = models.DateField(help_text="The local date of the organisation when the order was placed.")
    billed_at = MomentField(
        null=True, blank=True, help_text="Null until the bill is issued; lines and discount are fixed from then on."
    )
    updated_at = MomentField(auto_now=True)
    idempotency_key = models.CharField(  # noqa: DJ001 - many orders have none, and it is unique: "" would collide
        max_length=255, null=True, blank=True, help_text="Null when the client sent none; unique otherwise."
    )
    request_fingerprint = models.CharField(max_length=64, blank=True)
    external_ref = models.CharField(  # noqa: DJ001 - the same
        max_length=64, null=True, blank=True, help_text="The number of an imported order; null for our own."
    )

    class Meta(VersionedModel.Meta):
        ordering = ["-placed_at", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["org", "number"], name="order_number_per_org"),
            models.UniqueConstraint(fields=["org", "idempotency_key"], name="order_idempotency_key_per_org"),
            models.UniqueConstraint(fields=["org", "external_ref"], name="order_external_ref_per_org"),
        ]
        indexes = [
            models.Index(fields=["org", "-placed_at", "-number"], name="orders_newest_first"),
            models.Index(fields=["org", "status"], name="orders_by_status"),
            models.Index(fields=["org", "placed_on"], name="orders_by_day"),
            models.Index(fields=["org", "customer_phone"], name="orders_by_phone"),
        ]

    def __str__(self) -> str:
        return f"Order {self.number} of {self.org_id}"

    @property
    def is_active(self) -> bool:
        """Whether the restaurant still has something to do for it: not yet paid, not cancelled."""
        return self.status in ACTIVE


class OrderLine(CachedModel):
    """One dish of an order, named and priced as sold, whatever the menu says later."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    org = models.ForeignKey(BusinessProfile, on_delete=models.PROTECT, related_name="order_lines")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    item = models.ForeignKey(
        MenuItem,
        on_delete=models.PROTECT,
        related_name="lines",
        null=True,
        blank=True,
        help_text="Null on imported lines, whose dishes need not be on the menu here.",
    )
    item_name = models.CharField(max_length=200)
    options = models.JSONField(default=list, blank=True)
    quantity = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    unit_price = models.DecimalField(max_digits=MAX_DIGITS, decimal_places=STORED_PLACES, validators=[_NOT_NEGATIVE])
    position = models.PositiveSmallIntegerField()

    class Meta(CachedModel.Meta):
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["order", "position"], name="line_position_per_order")]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.item_name}"
