"""Admin pages of users, their rights and tokens, business profiles and memberships."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import router
from django.http import HttpRequest
from rest_framework.authtoken.admin import TokenAdmin
from rest_framework.authtoken.models import TokenProxy

from caching.admin import CachedModelAdminMixin
from caching.routing import reads_from
from caching.rows_admin import RowsAdmin
from restaurant.profiles.models import BusinessProfile, Membership, User


class MembershipInline(admin.TabularInline):
    """Who works for the organisation, on the page of its profile."""

    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(BusinessProfile)
class BusinessProfileAdmin(CachedModelAdminMixin):
    list_display = ["name", "org_id", "phone", "currency", "time_zone", "tax_rate", "updated_at"]
    list_filter = ["currency", "tax_on", "prices_include_tax", "accepts_delivery", "accepts_table_service"]
    search_fields = ["org_id", "name", "legal_name", "tax_id", "phone", "email"]
    readonly_fields = ["created_at", "updated_at"]
    inlines = [MembershipInline]
    fieldsets = [
        (None, {"fields": ["org_id", "name", "legal_name", "tax_id"]}),
        ("Contact", {"fields": ["address", "phone", "email"]}),
        ("Opening hours", {"fields": ["time_zone", "opening_hours", "holidays"]}),
        ("Money", {"fields": ["currency", "tax_rate", "tax_on", "prices_include_tax"]}),
        ("Service", {"fields": ["accepts_delivery", "accepts_table_service", "order_lead_minutes"]}),
        ("History", {"fields": ["created_at", "updated_at"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002 - Django's signature
        # Changing a primary key would make a second organisation of the same contents.
        return ["org_id", *self.readonly_fields] if obj else [*self.readonly_fields]


@admin.register(Membership)
class MembershipAdmin(RowsAdmin):
    list_display = ["user", "org", "role"]
    list_filter = ["role", "org"]
    search_fields = ["user__username", "org__org_id", "org__name"]
    autocomplete_fields = ["user", "org"]


@admin.register(User)
class PersonAdmin(RowsAdmin, UserAdmin):
    """Django's page of users; what is shown of a password is read from the primary, too."""

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with reads_from(router.db_for_write(User)):
            return super().user_change_password(request, *args, **kwargs)


# Pages of the packages' own, which say no more than these do.
admin.site.unregister([Group, TokenProxy])


@admin.register(Group)
class RightsAdmin(RowsAdmin, GroupAdmin):
    """Django's page of groups."""


@admin.register(TokenProxy)
class TokensAdmin(RowsAdmin, TokenAdmin):
    """The page of tokens of Django REST framework."""
