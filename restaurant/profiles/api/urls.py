"""Where organisations, their profiles, and tokens answer, below /api/v1/."""

from django.urls import path

from restaurant.profiles.api.tokens import TokenView
from restaurant.profiles.api.views import (
    BusinessSettingsView,
    OrganisationsView,
    ProfileLiteView,
    ProfilesView,
    ProfileView,
)

urlpatterns = [
    path("token/", TokenView.as_view(), name="token"),
    path("orgs/", OrganisationsView.as_view(), name="organisations"),
    path("profiles/", ProfilesView.as_view(), name="profiles"),
    path("orgs/<slug:org>/profile/", ProfileView.as_view(), name="profile"),
    path("orgs/<slug:org>/profile/lite/", ProfileLiteView.as_view(), name="profile_lite"),
    path("orgs/<slug:org>/settings/", BusinessSettingsView.as_view(), name="business_settings"),
]
