"""Filters of lists that are read from the database."""

from django_filters import rest_framework as filters

from orders.models import MenuItem, Order
from orders.statuses import Status


class OrderFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """Orders by status, service, number and the local date they were placed on.

    Not by phone number: query strings end up in logs.
    """

    status = filters.ChoiceFilter(choices=Status.choices)
    service = filters.ChoiceFilter(choices=Order.Service.choices)
    number = filters.NumberFilter(min_value=1, max_value=2**31 - 1)
    placed_on = filters.DateFilter()
    placed_from = filters.DateFilter("placed_on", "gte")
    placed_to = filters.DateFilter("placed_on", "lte")

    class Meta:
        model = Order
        fields = ("status", "service", "number", "placed_on", "placed_from", "placed_to")


class MenuFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """Dishes by category, availability and a part of the name."""

    category = filters.CharFilter()
    name = filters.CharFilter("name", "icontains")
    # Of a boolean filter anything but true and false would be passed over in silence.
    is_available = filters.TypedChoiceFilter(choices=[("true", "yes"), ("false", "no")], coerce="true".__eq__)

    class Meta:
        model = MenuItem
        fields = ("category", "is_available", "name")
