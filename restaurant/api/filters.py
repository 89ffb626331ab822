"""Filters named in the query string, refused with a reason when they make no sense."""

from typing import TypeVar, cast

from django.db.models import Model, QuerySet
from django_filters.rest_framework import FilterSet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

M = TypeVar("M", bound=Model)


def filtered(request: Request, kind: type[FilterSet], rows: QuerySet[M]) -> QuerySet[M]:
    """Return the rows that the request's filters leave; raises ValidationError for a value that is none."""
    filters = kind(request.query_params, queryset=rows, request=request)
    if not filters.is_valid():
        raise ValidationError(filters.errors)
    return cast("QuerySet[M]", filters.qs)


def filter_names(kind: type[FilterSet]) -> tuple[str, ...]:
    """Return the names of the filters, as they stand in query strings."""
    return tuple(kind.base_filters)
