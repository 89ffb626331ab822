"""Admin pages of users, business profiles and memberships."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from caching.admin import CachedModelAdminMixin
from restaurant.profiles.models import BusinessProfile, Membership, User


class MembershipInline(admin.TabularInline):
    """Who works for the organisation, on the page of its profile."""

    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(BusinessProfile)
class BusinessProfileAdmin(CachedModelAdminMixin, admin.ModelAdmin):
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
class MembershipAdmin(admin.ModelAdmin):
    list_display = ["user", "org", "role"]
    list_filter = ["role", "org"]
    list_select_related = ["user", "org"]
    search_fields = ["user__username", "org__org_id", "org__name"]
    autocomplete_fields = ["user", "org"]


admin.site.register(User, UserAdmin)
