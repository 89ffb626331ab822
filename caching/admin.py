"""The caches page of the admin site, the audit records, and actions for the pages of cached models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.contrib import admin, messages
from django.contrib.admin.utils import model_ngettext
from django.contrib.auth import get_user_model
from django.contrib.messages.storage.base import Message
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_GET, require_POST

from caching.dashboard.forms import TargetForm
from caching.dashboard.live import LEAST_READS, MEMORY_TARGET_BYTES, SCOPES, SPANS, live, past
from caching.dashboard.parts import key_parts
from caching.display import loaded_count, value_count
from caching.errors import RedisUnavailable, UnknownKey
from caching.models import CacheEvent, CacheRegion
from caching.operations import (
    cache_clear,
    cache_clear_key,
    cache_clear_rows,
    cache_warm,
    cache_warm_key,
    cache_warm_rows,
)
from caching.outcome import CLEARED_LATER, WARMED_HERE, clear_waits, nothing_here, why_nothing_warmed
from caching.periods import MINUTES
from caching.registry import registry
from caching.reporting import Reported
from caching.rows_admin import RowsAdmin
from caching.runtime import runtime

__all__ = ["CacheEventAdmin", "CacheRegionAdmin", "CachedModelAdminMixin"]

_FOUND = 10
_MAX_SOUGHT = 64
# What the button of a region's row has to say is shown there, too.
_OF_ROW = "row-"

#: What was done, in words, and how well: a level of messages.
Said = tuple[str, int]


@admin.register(CacheRegion)
class CacheRegionAdmin(admin.ModelAdmin):
    """A page instead of rows: what every region does, live, and what may be done to it."""

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
            path("live/", wrap(self.live_view), name="caching_cacheregion_live"),
            path("history/", wrap(self.past_view), name="caching_cacheregion_history"),
            path("organisations/", wrap(self.organisations_view), name="caching_cacheregion_organisations"),
            path("clear/", wrap(self.clear_view), name="caching_cacheregion_clear"),
            path("warm/", wrap(self.warm_view), name="caching_cacheregion_warm"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the caches."""
        return self._page(request, TargetForm(), extra_context)

    @method_decorator(require_GET)
    def live_view(self, request: HttpRequest) -> HttpResponse:
        """Answer with the figures of the page, which asks for them again and again."""
        self._require(request, "view")
        return JsonResponse(live(_scope(request)))

    @method_decorator(require_GET)
    def past_view(self, request: HttpRequest) -> HttpResponse:
        """Answer with what the caches did in the last quarter of an hour, day or month, over all servers."""
        self._require(request, "view")
        return JsonResponse(past(request.GET.get("step", "")))

    @method_decorator(require_GET)
    def organisations_view(self, request: HttpRequest) -> HttpResponse:
        """Answer with organisations whose id or name is like the text; for those who may clear or warm one."""
        self._require(request, "clear", "warm")
        text = request.GET.get("q", "").strip()[:_MAX_SOUGHT]
        find = registry.find_organisations
        found = find(text, _FOUND) if find is not None and text else ()
        return JsonResponse({"found": [{"org": org, "name": name} for org, name in found]})

    @method_decorator(require_POST)
    def clear_view(self, request: HttpRequest) -> HttpResponse:
        """Clear what the form names; asks back before everything is cleared."""
        self._require(request, "clear")
        form = TargetForm(request.POST)
        if not form.is_valid():
            return self._refuse(request, form, "clear")
        if not any(form.cleaned_data.values()) and "confirmed" not in request.POST:
            context = {**self._context(request), "title": "Clear everything?"}
            return TemplateResponse(request, "admin/caching/cacheregion/clear_confirmation.html", context)

        def clear(region: str, org: str, key: list[str | int]) -> Said:
            found: bool | None = True
            if key:
                found = cache_clear_key(region=region, org=org, parts=key, user=request.user)
            else:
                cache_clear(regions=[region] if region else [], orgs=[org] if org else [], user=request.user)
            if found is False and not clear_waits():
                return f"{nothing_here()} {form.key_described}".strip(), messages.WARNING
            said = f"Cleared {form.described}. The next read of each value comes from the database."
            return f"{said} {CLEARED_LATER}" if clear_waits() else said, messages.SUCCESS

        return self._operate(request, form, "clear", clear)

    @method_decorator(require_POST)
    def warm_view(self, request: HttpRequest) -> HttpResponse:
        """Warm what the form names."""
        self._require(request, "warm")
        form = TargetForm(request.POST)
        if not form.is_valid():
            return self._refuse(request, form, "warm")

        def warm(region: str, org: str, key: list[str | int]) -> Said:
            if key:
                loaded = cache_warm_key(region=region, org=org, parts=key, user=request.user)
            else:
                loaded = cache_warm(regions=[region] if region else [], orgs=[org] if org else [], user=request.user)
            if not any(loaded.values()):
                why = why_nothing_warmed(region, key=bool(key))
                return f"Nothing was warmed of {form.described}. {why}", messages.WARNING
            said = f"Warmed {form.described}: {value_count(sum(loaded.values()))} loaded."
            return said if runtime.redis is not None else f"{said} {WARMED_HERE}", messages.SUCCESS

        return self._operate(request, form, "warm", warm)

    def _operate(self, request: HttpRequest, form: TargetForm, verb: str, operate: Callable[..., Said]) -> HttpResponse:
        try:
            said, level = operate(**form.cleaned_data)
        except UnknownKey as error:
            form.add_error("key", " ".join([str(error), form.key_described]).strip())
            return self._refuse(request, form, verb)
        except RedisUnavailable as error:
            said, level = str(error), messages.ERROR
        page = reverse("admin:caching_cacheregion_changelist")
        page = f"{page}?scope={_scope(request)}" if "scope" in request.GET else page
        if "row" in request.POST:
            # Back to the button that was pressed: its address makes browsers scroll there, and focus it.
            region = form.cleaned_data["region"]
            self.message_user(request, said, level, extra_tags=f"{_OF_ROW}{region}")
            return HttpResponseRedirect(f"{page}#{verb}-{quote(region)}")
        self.message_user(request, said, level)
        return HttpResponseRedirect(page)

    def _refuse(self, request: HttpRequest, form: TargetForm, verb: str) -> HttpResponse:
        """Show the page again, and say at its top what is wrong: the form is far below."""
        self.message_user(request, f"Nothing was {verb}ed. {form.refuse()}", messages.ERROR)
        return self._page(request, form)

    def _require(self, request: HttpRequest, *verbs: str) -> None:
        """Let those pass who may look, and do one of these."""
        allowed = any(request.user.has_perm(f"caching.{verb}_cacheregion") for verb in verbs)
        if not (allowed and self.has_view_permission(request)):
            raise PermissionDenied

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts}

    def _page(
        self, request: HttpRequest, form: TargetForm, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._require(request, "view")
        scope = _scope(request)
        figures = live(scope)
        context = {
            **self._context(request),
            "title": "Caches",
            "live": figures,
            "rows": list(figures["regions"].values()),
            "tiles": list(figures["health"].values()),
            "start": {
                "figures": figures,
                "live_url": f"{reverse('admin:caching_cacheregion_live')}?scope={scope}",
                "history_url": reverse("admin:caching_cacheregion_history"),
                "spans": SPANS,
                "steps": {step: 60 * MINUTES[step] for step in SPANS},
                "least_reads": LEAST_READS,
                "organisations_url": reverse("admin:caching_cacheregion_organisations"),
                "memory_target": MEMORY_TARGET_BYTES,
            },
            "scope": scope,
            "scopes": SCOPES,
            "form": form,
            "parts": [(row, key_parts(registry.get(row["name"]))) for row in figures["regions"].values()],
            "said": _said_of_rows(request),
            "may_clear": request.user.has_perm("caching.clear_cacheregion"),
            "may_warm": request.user.has_perm("caching.warm_cacheregion"),
            "may_see_events": request.user.has_perm("caching.view_cacheevent"),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/caching/cacheregion/change_list.html", context)


def _scope(request: HttpRequest) -> Reported:
    asked = request.GET.get("scope")
    return next((scope for scope in SCOPES if scope == asked), "fleet")


def _said_of_rows(request: HttpRequest) -> dict[str, Message]:
    """Return what is said of the rows of regions, by region; the page's list of messages has it as well."""
    told = [(each, each.extra_tags or "") for each in messages.get_messages(request)]
    return {tags.removeprefix(_OF_ROW): each for each, tags in told if tags.startswith(_OF_ROW)}


@admin.register(CacheEvent)
class CacheEventAdmin(RowsAdmin):
    """Records are looked at, never written or removed, in the admin."""

    list_display = ["at", "action", "what", "whose", "values", "key", "user"]
    list_filter = ["action", "region", "at"]
    search_fields = ["=region", "=org_id", "key", f"user__{get_user_model().USERNAME_FIELD}"]
    date_hierarchy = "at"

    class Media:
        css = {"all": ["caching/records.css"]}

    @admin.display(description="region", ordering="region")
    def what(self, event: CacheEvent) -> str:
        return event.region or "all"

    @admin.display(description="organisation", ordering="org_id")
    def whose(self, event: CacheEvent) -> str:
        return event.org_id or "all"

    @admin.display(description="warmed", ordering="loaded")
    def values(self, event: CacheEvent) -> str | None:
        return loaded_count(event)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 -- Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 -- the same
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 -- the same
        return False


class CachedModelAdminMixin(RowsAdmin):
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
            said = f"Cleared the cached copies of {chosen}."
            self.message_user(request, f"{said} {CLEARED_LATER}" if clear_waits() else said, messages.SUCCESS)

    @admin.action(description="Warm cache", permissions=["warm_cache"])
    def warm_cache(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Load what is hot of the organisations that the selected rows belong to."""
        try:
            loaded = cache_warm_rows(rows=queryset, user=request.user)
        except RedisUnavailable as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            if not any(loaded.values()):
                said = f"Nothing was loaded into the cache. {why_nothing_warmed('', key=False)}"
                self.message_user(request, said, messages.WARNING)
                return
            said = f"Loaded {value_count(sum(loaded.values()))} into the cache."
            said = said if runtime.redis is not None else f"{said} {WARMED_HERE}"
            self.message_user(request, said, messages.SUCCESS)
