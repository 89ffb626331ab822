"""What clients send about orders."""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from rest_framework import serializers

from caching import Snapshot
from orders.cached import OrderSnapshot
from orders.models import Order
from orders.services import LineDraft
from orders.statuses import Status
from restaurant.api.serializers import StrictSerializer
from restaurant.money import MAX_DIGITS, STORED_PLACES

_MAX_LINES: Final = 500
_MAX_TEXT: Final = 2000


class LineSerializer(StrictSerializer):
    """A dish that is being ordered."""

    item_id = serializers.UUIDField()
    quantity = serializers.IntegerField(min_value=1, default=1)
    options = serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=50, default=list, help_text='Such as "no onions".'
    )


class _LinesField(serializers.ListField):
    child = LineSerializer()

    def to_internal_value(self, data: Any) -> list[LineDraft]:
        lines = super().to_internal_value(data)
        return [LineDraft(line["item_id"], line["quantity"], tuple(line["options"])) for line in lines]


class _OrderFieldsSerializer(StrictSerializer):
    customer_phone = serializers.CharField(max_length=32, required=False, allow_blank=True)
    customer_name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    table = serializers.CharField(max_length=32, required=False, allow_blank=True)
    delivery_address = serializers.CharField(max_length=_MAX_TEXT, required=False, allow_blank=True)
    discount = serializers.DecimalField(
        MAX_DIGITS, STORED_PLACES, required=False, min_value=0, help_text="An amount, not a percentage."
    )
    notes = serializers.CharField(max_length=_MAX_TEXT, required=False, allow_blank=True)


class OrderCreateSerializer(_OrderFieldsSerializer):
    """A new order. A table order names its table, a delivery its address."""

    service = serializers.ChoiceField(Order.Service.choices)
    lines = _LinesField(min_length=1, max_length=_MAX_LINES)


class OrderUpdateSerializer(_OrderFieldsSerializer):
    """What to change of an order; `lines` replaces all its lines, `lines_added` adds some, both at today's prices."""

    lines = _LinesField(required=False, min_length=1, max_length=_MAX_LINES)
    lines_added = _LinesField(required=False, min_length=1, max_length=_MAX_LINES)


class StatusSerializer(StrictSerializer):
    """The status an order is to move to."""

    status = serializers.ChoiceField([status for status in Status if status is not Status.PAID])


class OrderList(Snapshot, frozen=True):
    """How many orders there are, and those shown here."""

    count: int
    results: tuple[OrderSnapshot, ...]


class MenuItemSnapshot(Snapshot, frozen=True):
    """A dish or drink, at today's price."""

    id: UUID
    name: str
    price: Decimal
    category: str
    is_available: bool


class MenuItemList(Snapshot, frozen=True):
    """How many dishes there are, and those on this page."""

    count: int
    results: tuple[MenuItemSnapshot, ...]
