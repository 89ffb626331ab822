"""The API of organisations and their profiles."""

from typing import ClassVar, Final, cast
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from restaurant.api.conditional import ComposedBody, cached_response
from restaurant.api.openapi import cached_note
from restaurant.api.pagination import list_response
from restaurant.api.query import query_check
from restaurant.api.views import NonAtomicView
from restaurant.profiles.api.access import Action, OrganisationView
from restaurant.profiles.api.serializers import Organisation, OrganisationList, ProfileList, ProfileUpdateSerializer
from restaurant.profiles.cached import (
    BusinessSettings,
    Profile,
    ProfileLite,
    business_settings,
    profile,
    profile_lite,
)
from restaurant.profiles.selectors import memberships_of_user, org_ids_of_member
from restaurant.profiles.services import profile_update

MAX_BATCH: Final = 100


class OrganisationsView(APIView):
    """The organisations of the user who asks."""

    @extend_schema(
        operation_id="organisations",
        summary="My organisations and my role in each",
        tags=["profiles"],
        responses=OrganisationList,
    )
    def get(self, request: Request, **_: str) -> Response:
        """List the organisations you belong to, with your role in each. Read from the database."""
        query_check(request, ())
        memberships = memberships_of_user(user_id=cast("UUID", request.user.pk))
        rows = [Organisation(org_id=each.org_id, name=each.org.name, role=each.role) for each in memberships]
        return list_response(len(rows), rows)


class ProfileView(OrganisationView):
    """A business profile."""

    actions: ClassVar = {"GET": Action.READ_PROFILE, "PATCH": Action.UPDATE_PROFILE}

    @extend_schema(
        operation_id="profile",
        summary="The whole profile",
        tags=["profiles"],
        responses=Profile,
        description=f"The whole business profile.\n\n{cached_note(profile)}",
    )
    def get(self, request: Request, org: str, **_: str) -> HttpResponseBase:
        query_check(request, ())
        return cached_response(request, profile.entry(org))

    @extend_schema(
        operation_id="profile_update",
        summary="Change the profile",
        tags=["profiles"],
        request=ProfileUpdateSerializer,
        responses=Profile,
    )
    def patch(self, request: Request, org: str, **_: str) -> HttpResponseBase:
        """Change the fields that are sent (owner, manager); answers with the whole profile."""
        changes = ProfileUpdateSerializer(data=request.data, partial=True)
        changes.is_valid(raise_exception=True)
        profile_update(org_id=org, updates=changes.validated_data)
        return cached_response(request, profile.entry(org))


class ProfileLiteView(OrganisationView):
    """What lists and headings need of a business profile."""

    actions: ClassVar = {"GET": Action.READ_PROFILE}

    @extend_schema(
        operation_id="profile_lite",
        summary="The profile in short",
        tags=["profiles"],
        responses=ProfileLite,
        description=f"What lists and headings need of a business profile.\n\n{cached_note(profile_lite)}",
    )
    def get(self, request: Request, org: str, **_: str) -> HttpResponseBase:
        query_check(request, ())
        return cached_response(request, profile_lite.entry(org))


class BusinessSettingsView(OrganisationView):
    """How an organisation sells."""

    actions: ClassVar = {"GET": Action.READ_PROFILE}

    @extend_schema(
        operation_id="business_settings",
        summary="Currency, tax, hours and services",
        tags=["profiles"],
        responses=BusinessSettings,
        description=f"How the organisation sells: money, tax, hours, services. Change them through the profile."
        f"\n\n{cached_note(business_settings)}",
    )
    def get(self, request: Request, org: str, **_: str) -> HttpResponseBase:
        query_check(request, ())
        return cached_response(request, business_settings.entry(org))


class ProfilesView(NonAtomicView):
    """Many business profiles at once."""

    @extend_schema(
        operation_id="profiles",
        summary="Many profiles at once",
        tags=["profiles"],
        parameters=[
            OpenApiParameter(
                "org", str, many=True, required=True, description=f"1 to {MAX_BATCH} organisations: `?org=a&org=b`."
            )
        ],
        responses=ProfileList,
        description="Those of the business profiles that you may see, in the order asked for; others are left out."
        f"\n\n{cached_note(profile)}",
    )
    def get(self, request: Request, **_: str) -> HttpResponseBase:
        query_check(request, ("org",))
        wanted = list(dict.fromkeys(request.query_params.getlist("org")))
        if not 1 <= len(wanted) <= MAX_BATCH:
            raise ValidationError({"org": f"Name 1 to {MAX_BATCH} organisations: ?org=a&org=b."})
        own = org_ids_of_member(user_id=cast("UUID", request.user.pk), org_ids=wanted)
        found = profile.get_many([(org,) for org in wanted if org in own])
        results = tuple(each for each in found.values() if each is not None)
        return cached_response(request, ComposedBody(ProfileList(count=len(results), results=results)))
