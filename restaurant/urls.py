"""Where each part of the site answers."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from caching.api import urls as caches
from caching.api.metrics import MetricsView

# What browsers ask for unless a page says otherwise.
_TO_ICON = RedirectView.as_view(url=f"{settings.STATIC_URL}caching/icon.svg")
_TO_DOCS = RedirectView.as_view(pattern_name="docs")

urlpatterns = [
    # First what is asked for most: Django tries them in this order.
    path("api/<str:version>/", include("restaurant.profiles.api.urls")),
    path("api/<str:version>/", include("orders.api.urls")),
    path("api/<str:version>/", include("billing.api.urls")),
    path("", _TO_DOCS),
    path("api/", _TO_DOCS),
    path("favicon.ico", _TO_ICON),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
    path("api/login/", include("rest_framework.urls")),
    path("api/v1/", include(caches.api_urlpatterns)),
    path("health/", include("restaurant.health")),
    path("metrics", MetricsView.as_view(), name="metrics"),
    # Before the admin site, which would swallow them.
    path("admin/", include(caches)),
    path("admin/", admin.site.urls),
]

handler400 = "restaurant.api.handlers.bad_request"
handler403 = "restaurant.api.handlers.permission_denied"
handler404 = "restaurant.api.handlers.not_found"
handler500 = "restaurant.api.handlers.server_error"
