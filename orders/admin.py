"""Admin pages of menus and orders."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from caching.admin import CachedModelAdminMixin
from caching.rows_admin import RowsAdmin
from orders.models import MenuItem, Order, OrderLine, OrderSequence
from restaurant.read_only_admin import ReadOnlyAdmin, ReadOnlyInline


@admin.register(MenuItem)
class MenuItemAdmin(RowsAdmin):
    list_display = ["name", "category", "price", "is_available", "org"]
    list_filter = ["is_available", "category", "org"]
    search_fields = ["name", "category"]
    autocomplete_fields = ["org"]


class OrderLineInline(ReadOnlyInline):
    """The lines of an order, on its page."""

    model = OrderLine
    fields = ["position", "item_name", "options", "quantity", "unit_price"]


@admin.register(Order)
class OrderAdmin(CachedModelAdminMixin):
    """Words can be corrected here; what has a price, or a rule such as the status moves, is changed by the services."""

    list_display = ["number", "org", "status", "service", "customer_name", "placed_at", "updated_at"]
    list_filter = ["status", "service", "placed_on", "org"]
    search_fields = ["=number", "customer_name", "customer_phone", "=external_ref"]
    date_hierarchy = "placed_on"
    inlines = [OrderLineInline]
    fields = [
        ("number", "org"),
        ("status", "service"),
        ("customer_name", "customer_phone"),
        "table",
        "delivery_address",
        "discount",
        "notes",
        ("placed_at", "placed_on"),
        ("billed_at", "updated_at"),
        "external_ref",
    ]
    readonly_fields = [
        "number",
        "org",
        "status",
        "service",
        "customer_phone",
        "discount",
        "placed_at",
        "placed_on",
        "billed_at",
        "updated_at",
        "external_ref",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - the same
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002 - the same
        """Save what was edited and no more: the kitchen may have moved the order on meanwhile."""
        obj.save(update_fields=[*form.changed_data, "updated_at"])


@admin.register(OrderLine)
class OrderLineAdmin(ReadOnlyAdmin):
    list_display = ["item_name", "quantity", "unit_price", "order", "org"]
    list_filter = ["org"]
    search_fields = ["item_name", "=order__number"]


@admin.register(OrderSequence)
class OrderSequenceAdmin(ReadOnlyAdmin):
    list_display = ["org", "next_number"]
    search_fields = ["org__org_id", "org__name"]
