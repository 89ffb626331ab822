"""The caches page of the admin site, the audit records, and actions for the pages of cached models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import model_ngettext
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from caching.display import health, region_row, value_count
from caching.errors import RedisUnavailable, UnknownOrganisation
from caching.models import CacheEvent, CacheRegion
from caching.operations import cache_clear, cache_clear_rows, cache_warm, cache_warm_rows
from caching.registry import registry
from caching.reporting import cache_report

__all__ = ["CacheEventAdmin", "CacheRegionAdmin", "CachedModelAdminMixin"]

_RECENT = 10


class TargetForm(forms.Form):
    """What to clear or warm: a region and an organisation, either of which may be left out."""

    region = forms.ChoiceField(required=False)
    org = forms.CharField(label="Organisation", required=False, max_length=64)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        regions = sorted((region.label, region.name) for region in registry.regions.values())
        self.fields["region"] = forms.ChoiceField(
            required=False, choices=[("", "All regions"), *((name, label) for label, name in regions)]
        )
        self.fields["org"].widget.attrs.update({"placeholder": "all", "autocapitalize": "none", "spellcheck": "false"})

    def clean_org(self) -> str:
        org: str = self.cleaned_data["org"]
        try:
            registry.require_organisations([org] if org else [])
        except UnknownOrganisation as error:
            raise forms.ValidationError(str(error)) from error
        return org

    @property
    def described(self) -> str:
        """The target in words; of a valid form."""
        region, org = self.cleaned_data["region"], self.cleaned_data["org"]
        what = f"“{registry.get(region).label}”" if region else "all regions"
        return f"{what} of {org}" if org else what


@admin.register(CacheRegion)
class CacheRegionAdmin(admin.ModelAdmin):
    """A page instead of rows: every region with its statistics, and what may be done to it."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 -- Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 -- the same
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 -- the same
        return False

    def get_urls(self) -> list[URLPattern]:
        # No page of Django's that would look for a row.
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="caching_cacheregion_changelist"),
            path("clear/", wrap(self.clear_view), name="caching_cacheregion_clear"),
            path("warm/", wrap(self.warm_view), name="caching_cacheregion_warm"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the caches."""
        return self._page(request, TargetForm(), extra_context)

    @method_decorator(require_POST)
    def clear_view(self, request: HttpRequest) -> HttpResponse:
        """Clear what the form names; asks back before everything is cleared."""
        self._require(request, "clear")
        form = TargetForm(request.POST)
        if not form.is_valid():
            return self._page(request, form)
        if not any(form.cleaned_data.values()) and "confirmed" not in request.POST:
            context = {**self._context(request), "title": "Clear everything?"}
            return TemplateResponse(request, "admin/caching/cacheregion/clear_confirmation.html", context)

        def clear(**target: Any) -> str:
            cache_clear(**target)
            return f"Cleared {form.described}. The next read of each value comes from the database."

        return self._operate(request, form, clear)

    @method_decorator(require_POST)
    def warm_view(self, request: HttpRequest) -> HttpResponse:
        """Warm what the form names."""
        self._require(request, "warm")
        form = TargetForm(request.POST)
        if not form.is_valid():
            return self._page(request, form)

        def warm(**target: Any) -> str:
            loaded = sum(cache_warm(**target).values())
            return f"Warmed {form.described}: {value_count(loaded)} loaded."

        return self._operate(request, form, warm)

    def _operate(self, request: HttpRequest, form: TargetForm, operate: Callable[..., str]) -> HttpResponse:
        region, org = form.cleaned_data["region"], form.cleaned_data["org"]
        try:
            done = operate(regions=[region] if region else [], orgs=[org] if org else [], user=request.user)
        except RedisUnavailable as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:caching_cacheregion_changelist"))

    def _require(self, request: HttpRequest, verb: str) -> None:
        if not (self.has_view_permission(request) and request.user.has_perm(f"caching.{verb}_cacheregion")):
            raise PermissionDenied

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts}

    def _page(
        self, request: HttpRequest, form: TargetForm, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._require(request, "view")
        report = cache_report()
        context = {
            **self._context(request),
            "title": "Caches",
            "report": report,
            "rows": [region_row(region) for region in report.regions],
            "health": health(report),
            "form": form,
            "recent": CacheEvent.objects.select_related("user")[:_RECENT],
            "may_clear": request.user.has_perm("caching.clear_cacheregion"),
            "may_warm": request.user.has_perm("caching.warm_cacheregion"),
            "may_see_events": request.user.has_perm("caching.view_cacheevent"),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/caching/cacheregion/change_list.html", context)


@admin.register(CacheEvent)
class CacheEventAdmin(admin.ModelAdmin):
    """Records are looked at, never written or removed, in the admin."""

    list_display = ["at", "action", "what", "whose", "key", "user"]
    list_filter = ["action", "region", "at"]
    list_select_related = ["user"]
    search_fields = ["=region", "=org_id", "key", f"user__{get_user_model().USERNAME_FIELD}"]
    date_hierarchy = "at"

    @admin.display(description="region", ordering="region")
    def what(self, event: CacheEvent) -> str:
        return event.region or "all"

    @admin.display(description="organisation", ordering="org_id")
    def whose(self, event: CacheEvent) -> str:
        return event.org_id or "all"

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 -- Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 -- the same
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 -- the same
        return False


class CachedModelAdminMixin(admin.ModelAdmin):
    """Actions on the list page of a model on whose rows cached values depend.

    A page with actions of its own adds them: `actions = [*CachedModelAdminMixin.actions, "mine"]`.
    """

    actions = ["clear_cached_copies", "warm_cache"]

    def has_clear_cache_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("caching.clear_cacheregion")

    def has_warm_cache_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("caching.warm_cacheregion")

    @admin.action(description="Clear cached copies", permissions=["clear_cache"])
    def clear_cached_copies(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Forget whatever depends on the selected rows, on all hosts."""
        chosen = f"{queryset.count()} {model_ngettext(queryset)}"
        try:
            cache_clear_rows(rows=queryset, user=request.user)
        except RedisUnavailable as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"Cleared the cached copies of {chosen}.", messages.SUCCESS)

    @admin.action(description="Warm cache", permissions=["warm_cache"])
    def warm_cache(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Load what is hot of the organisations that the selected rows belong to."""
        try:
            loaded = sum(cache_warm_rows(rows=queryset, user=request.user).values())
        except RedisUnavailable as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"Loaded {value_count(loaded)} into the cache.", messages.SUCCESS)
