"""What clients send and get about payments and customers' accounts."""

from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from rest_framework import serializers

from billing.models import LedgerEntry, Payment
from billing.services import PaymentReceipt
from caching import Snapshot
from restaurant.api.serializers import StrictSerializer
from restaurant.money import MAX_DIGITS, STORED_PLACES, money_quantize

_MAX_MEMO: Final = 200


class PaymentSerializer(StrictSerializer):
    """A payment for an order."""

    method = serializers.ChoiceField(Payment.Method.choices)
    amount = serializers.DecimalField(
        MAX_DIGITS, STORED_PLACES, required=False, help_text="Without it, all that is still due."
    )


class RefundSerializer(StrictSerializer):
    """Money of a paid order that is given back, or credited to the customer's account."""

    method = serializers.ChoiceField(Payment.Method.choices)
    amount = serializers.DecimalField(MAX_DIGITS, STORED_PLACES, help_text="More than 0.")
    reason = serializers.CharField(max_length=_MAX_MEMO, default="", allow_blank=True)


class TransactionCreateSerializer(StrictSerializer):
    """An entry in a customer's ledger."""

    kind = serializers.ChoiceField([LedgerEntry.Kind.PAYMENT, LedgerEntry.Kind.REFUND, LedgerEntry.Kind.ADJUSTMENT])
    amount = serializers.DecimalField(
        MAX_DIGITS,
        STORED_PLACES,
        help_text="Positive makes the customer owe more: a payment or refund is negative, an adjustment either.",
    )
    order_id = serializers.UUIDField(required=False, help_text="The order it is about, if any.")
    memo = serializers.CharField(max_length=_MAX_MEMO, default="", allow_blank=True)


class Receipt(Snapshot, frozen=True):
    """A payment or (negative) refund, the bill it belongs to, and what is still due on that."""

    payment_id: UUID
    order_id: UUID
    order_status: str
    bill_number: int
    bill_total: Decimal
    currency: str
    method: str
    amount: Decimal
    outstanding: Decimal
    received_at: datetime

    @classmethod
    def of(cls, receipt: PaymentReceipt) -> "Receipt":
        """Return what the API tells of a receipt."""
        bill, payment = receipt.bill, receipt.payment
        return cls(
            payment_id=payment.pk,
            order_id=receipt.order.pk,
            order_status=receipt.order.status,
            bill_number=bill.number,
            bill_total=money_quantize(bill.total, bill.currency),
            currency=bill.currency,
            method=payment.method,
            amount=money_quantize(payment.amount, bill.currency),
            outstanding=money_quantize(receipt.outstanding, bill.currency),
            received_at=payment.received_at,
        )


class Transaction(Snapshot, frozen=True):
    """An entry in a customer's ledger; a positive amount made the customer owe more."""

    id: UUID
    kind: str
    amount: Decimal
    order_id: UUID | None
    order_number: int | None
    memo: str
    created_at: datetime

    @classmethod
    def of(cls, entry: LedgerEntry, currency: str) -> "Transaction":
        """Return what the API tells of an entry, its amount in the places of `currency`."""
        return cls(
            id=entry.pk,
            kind=entry.kind,
            amount=money_quantize(entry.amount, currency),
            order_id=entry.order_id,
            order_number=None if entry.order is None else entry.order.number,
            memo=entry.memo,
            created_at=entry.created_at,
        )


class TransactionList(Snapshot, frozen=True):
    """How many entries there are, and those on this page."""

    count: int
    results: tuple[Transaction, ...]
