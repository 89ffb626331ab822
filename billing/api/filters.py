"""Filters of ledgers."""

from django_filters import rest_framework as filters

from billing.models import LedgerEntry


class TransactionFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """Entries by kind, by order, and by when they were made (UTC dates)."""

    kind = filters.ChoiceFilter(choices=LedgerEntry.Kind.choices)
    order = filters.UUIDFilter("order_id")
    created_from = filters.DateFilter("created_at", "date__gte")
    created_to = filters.DateFilter("created_at", "date__lte")

    class Meta:
        model = LedgerEntry
        fields = ("kind", "order", "created_from", "created_to")
