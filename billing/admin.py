"""Admin pages of customers and of the books."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from billing.models import Bill, Customer, LedgerEntry, Payment
from billing.services import customer_update
from caching.rows_admin import RowsAdmin
from restaurant.read_only_admin import ReadOnlyAdmin, ReadOnlyInline


class CustomerForm(forms.ModelForm):
    """Checks the phone number as the service does, so that a mistake is shown beside the field."""

    class Meta:
        model = Customer
        fields = ["org", "phone", "name"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        org = cleaned.get("org") or getattr(self.instance, "org", None)
        namesakes = Customer.objects.filter(org=org, phone=cleaned.get("phone", "")).exclude(pk=self.instance.pk)
        if namesakes.exists():
            raise ValidationError({"phone": "Another customer of this organisation has that phone number."})
        return cleaned


class LedgerEntryInline(ReadOnlyInline):
    """The ledger of a customer, on their page."""

    model = LedgerEntry
    fields = ["created_at", "kind", "amount", "order", "memo"]


@admin.register(Customer)
class CustomerAdmin(RowsAdmin):
    form = CustomerForm
    list_display = ["name", "phone", "org", "created_at"]
    list_filter = ["org"]
    search_fields = ["name", "phone"]
    autocomplete_fields = ["org"]
    inlines = [LedgerEntryInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002 - Django's signature
        return ["org"] if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save a changed customer through the service: unfinished orders follow to a new phone number."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        customer_update(org_id=obj.org_id, customer_id=obj.pk, changes=changes)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "customer", "kind", "amount", "order", "org"]
    list_filter = ["kind", "created_at", "org"]
    search_fields = ["customer__name", "customer__phone", "memo", "=order__number"]


class PaymentInline(ReadOnlyInline):
    """The payments of a bill, on its page."""

    model = Payment
    fields = ["received_at", "method", "amount"]


@admin.register(Bill)
class BillAdmin(ReadOnlyAdmin):
    list_display = ["number", "org", "total", "currency", "issued_at"]
    list_filter = ["issued_on", "currency", "org"]
    search_fields = ["=number"]
    date_hierarchy = "issued_on"
    inlines = [PaymentInline]


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "method", "amount", "bill", "org"]
    list_filter = ["method", "received_on", "org"]
    search_fields = ["=bill__number"]
    date_hierarchy = "received_on"
