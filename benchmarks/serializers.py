"""What a DRF project without this cache renders, and keeps in Django-style caches: model serializers' plain data.

The fields are those of the snapshots, so that the JSON is the same.
"""

from __future__ import annotations

from rest_framework import serializers

from orders.models import Order, OrderLine
from orders.pricing import lines_subtotal
from restaurant.money import MAX_DIGITS
from restaurant.profiles.models import BusinessProfile

__all__ = ["BalanceSerializer", "OrderLineSerializer", "OrderSerializer", "ProfileSerializer"]

# The benchmark's restaurant takes pounds.
_PLACES = 2


class ProfileSerializer(serializers.ModelSerializer[BusinessProfile]):
    """A whole business profile."""

    class Meta:
        model = BusinessProfile
        fields = (
            "org_id", "name", "legal_name", "tax_id", "address", "phone", "email", "currency", "time_zone",
            "opening_hours", "holidays", "tax_rate", "tax_on", "prices_include_tax", "accepts_delivery",
            "accepts_table_service", "order_lead_minutes", "created_at", "updated_at",
        )  # fmt: skip


class OrderLineSerializer(serializers.ModelSerializer[OrderLine]):
    """One dish of an order."""

    unit_price = serializers.DecimalField(MAX_DIGITS, _PLACES)
    line_total = serializers.SerializerMethodField()

    class Meta:
        model = OrderLine
        fields = ("id", "item_id", "item_name", "options", "quantity", "unit_price", "line_total")

    def get_line_total(self, line: OrderLine) -> str:
        # As DecimalField gives it: the renderer would make a decimal a floating point number.
        return str(lines_subtotal(lines=[line], currency=self.context["currency"]))


class OrderSerializer(serializers.ModelSerializer[Order]):
    """An order with its lines; `currency` is in the context."""

    lines = OrderLineSerializer(many=True)
    currency = serializers.SerializerMethodField()
    subtotal = serializers.SerializerMethodField()
    discount = serializers.DecimalField(MAX_DIGITS, _PLACES)

    class Meta:
        model = Order
        fields = (
            "id", "org_id", "number", "status", "service", "table", "delivery_address", "customer_name",
            "customer_phone", "currency", "subtotal", "discount", "notes", "placed_at", "placed_on", "billed_at",
            "updated_at", "external_ref", "version", "lines",
        )  # fmt: skip

    def get_currency(self, _: Order) -> str:
        currency: str = self.context["currency"]
        return currency

    def get_subtotal(self, order: Order) -> str:
        return str(lines_subtotal(lines=order.lines.all(), currency=self.context["currency"]))


class BalanceSerializer(serializers.Serializer[object]):
    """What a customer owes; of a (customer, balance)."""

    customer_id = serializers.UUIDField(source="customer.pk")
    phone = serializers.CharField(source="customer.phone")
    balance = serializers.DecimalField(MAX_DIGITS, _PLACES)
    currency = serializers.CharField(source="customer.org.currency")
