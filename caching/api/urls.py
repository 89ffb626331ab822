"""Addresses of the caches: `api_urlpatterns` for the API, `urlpatterns` for the short ones beside the admin site.

Include `urlpatterns` under `admin/` before the admin site, which answers for everything below its own address.
"""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from caching.api.history import CacheHistoryViewSet
from caching.api.views import CacheStatsViewSet, UndocumentedCacheStatsViewSet

__all__ = ["api_urlpatterns", "urlpatterns"]

_router = SimpleRouter()
_router.register("caches", CacheStatsViewSet, basename="cache")

api_urlpatterns = [
    # Before the regions, whose names they are not.
    path("caches/history/", CacheHistoryViewSet.as_view({"get": "history"}), name="cache-history"),
    path("caches/report/", CacheHistoryViewSet.as_view({"get": "report"}), name="cache-report"),
    *_router.urls,
]

urlpatterns = [
    path("cache-stats", CacheStatsViewSet.as_view({"get": "list"}), name="cache-stats"),
    path("cache-clear", CacheStatsViewSet.as_view({"post": "clear"}), name="cache-clear"),
    # A client that adds a slash would be redirected otherwise, and its POST lost.
    path("cache-stats/", UndocumentedCacheStatsViewSet.as_view({"get": "list"})),
    path("cache-clear/", UndocumentedCacheStatsViewSet.as_view({"post": "clear"})),
]
