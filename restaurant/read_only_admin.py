"""Admin pages to look at rows that only services write."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from caching.rows_admin import RowsAdmin


class _ReadOnly:
    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - the same
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - the same
        return False


class ReadOnlyAdmin(_ReadOnly, RowsAdmin):
    """Lists, finds and shows rows; adds, changes and deletes none."""


class ReadOnlyInline(_ReadOnly, admin.TabularInline):
    """Shows the rows that belong to another, such as the lines of an order."""

    extra = 0
