"""The books: customers and their ledger, issued bills, payments. Rows of the books are added, never changed."""

from __future__ import annotations

import uuid

from django.db import models

from billing.append_only import AppendOnlyModel
from caching.models import CachedModel
from orders.models import Order
from restaurant.moments import MomentField
from restaurant.money import MAX_DIGITS, STORED_PLACES
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.phones import validate_phone


class Customer(CachedModel):
    """A guest known to an organisation by phone number; their ledger says what they owe."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    org = models.ForeignKey(BusinessProfile, on_delete=models.PROTECT, related_name="customers")
    phone = models.CharField(max_length=16, validators=[validate_phone])
    name = models.CharField(max_length=200, blank=True)
    created_at = MomentField(auto_now_add=True)

    class Meta(CachedModel.Meta):
        ordering = ["name", "phone"]
        constraints = [models.UniqueConstraint(fields=["org", "phone"], name="customer_phone_per_org")]

    def __str__(self) -> str:
        return self.name or f"Customer {self.pk}"


class LedgerEntry(AppendOnlyModel):
    """One change of what a customer owes; the balance is the sum of the amounts, positive when the customer owes."""

    class Kind(models.TextChoices):
        CHARGE = "charge"
        PAYMENT = "payment"
        REFUND = "refund"
        ADJUSTMENT = "adjustment"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    org = models.ForeignKey(BusinessProfile, on_delete=models.PROTECT, related_name="ledger_entries")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="ledger_entries")
    kind = models.CharField(max_length=10, choices=Kind)
    amount = models.DecimalField(max_digits=MAX_DIGITS, decimal_places=STORED_PLACES)
    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        related_name="ledger_entries",
        null=True,
        blank=True,
        help_text="Null when the entry is about no order, such as money paid in on account.",
    )
    memo = models.CharField(max_length=200, blank=True)
    idempotency_key = models.CharField(max_length=255)
    created_at = MomentField()

    class Meta(AppendOnlyModel.Meta):
        verbose_name_plural = "ledger entries"
        ordering = ["-created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["org", "idempotency_key"], name="ledger_key_per_org")]
        indexes = [models.Index(fields=["customer", "-created_at"], name="ledger_of_customer")]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"


class Bill(AppendOnlyModel):
    """What an order cost, fixed at the moment of billing together with the tax rule that applied."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    org = models.ForeignKey(BusinessProfile, on_delete=models.PROTECT, related_name="bills")
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="bill")
    number = models.PositiveIntegerField(help_text="The number of its order.")
    subtotal = models.DecimalField(max_digits=MAX_DIGITS, decimal_places=STORED_PLACES)
    discount = models.DecimalField(max_digits=MAX_DIGITS, decimal_places=STORED_PLACES)
    tax = models.DecimalField(max_digits=MAX_DIGITS, decimal_places=STORED_PLACES)
    total = models.DecimalField(max_digits=MAX_DIGITS, decimal_places=STORED_PLACES)
    currency = models.CharField(max_length=3)
    tax_rate = models.DecimalField(max_digits=5, decimal_places=2)
    tax_on = models.CharField(max_length=10, choices=BusinessProfile.TaxOn)
    prices_include_tax = models.BooleanField()
    issued_at = MomentField()
    issued_on = models.DateField(help_text="The local date of the organisation when the bill was issued.")

    class Meta(AppendOnlyModel.Meta):
        ordering = ["-issued_at", "-number"]
        constraints = [models.UniqueConstraint(fields=["org", "number"], name="bill_number_per_org")]
        indexes = [models.Index(fields=["org", "issued_on"], name="bills_by_day")]

    def __str__(self) -> str:
        return f"Bill {self.number} of {self.org_id}"


class Payment(AppendOnlyModel):
    """Money received for a bill; a negative amount is money given back."""

    class Method(models.TextChoices):
        CASH = "cash"
        CARD = "card"
        ONLINE = "online"
        VOUCHER = "voucher"
        ACCOUNT = "account", "customer's account"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    org = models.ForeignKey(BusinessProfile, on_delete=models.PROTECT, related_name="payments")
    bill = models.ForeignKey(Bill, on_delete=models.PROTECT, related_name="payments")
    method = models.CharField(max_length=10, choices=Method)
    amount = models.DecimalField(max_digits=MAX_DIGITS, decimal_places=STORED_PLACES)
    received_at = MomentField()
    received_on = models.DateField(help_text="The local date of the organisation when the money changed hands.")
    idempotency_key = models.CharField(max_length=255)
    request_fingerprint = models.CharField(max_length=64)

    class Meta(AppendOnlyModel.Meta):
        ordering = ["received_at", "id"]
        constraints = [models.UniqueConstraint(fields=["org", "idempotency_key"], name="payment_key_per_org")]
        indexes = [models.Index(fields=["org", "received_on"], name="payments_by_day")]

    def __str__(self) -> str:
        return f"{self.amount} by {self.method}"
