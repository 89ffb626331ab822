"""What clients send about profiles and get about their organisations."""

from rest_framework import serializers

from caching import Snapshot
from restaurant.api.serializers import StrictSerializer
from restaurant.profiles.cached import Profile
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.services import UPDATABLE


class ProfileUpdateSerializer(StrictSerializer, serializers.ModelSerializer[BusinessProfile]):
    """The fields of a profile to change; what is left out stays as it is."""

    # A number without a country code is understood by the service, which knows the organisation's country.
    phone = serializers.CharField(max_length=32, required=False, allow_blank=True)

    class Meta:
        model = BusinessProfile
        fields = UPDATABLE


class TokenRequestSerializer(StrictSerializer):
    """The name and password of a user."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, style={"input_type": "password"})


class TokenAnswer(Snapshot, frozen=True):
    """Send it as `Authorization: Token ...`."""

    token: str


class Organisation(Snapshot, frozen=True):
    """An organisation one belongs to, and one's role in it."""

    org_id: str
    name: str
    role: str


class OrganisationList(Snapshot, frozen=True):
    """All organisations one belongs to."""

    count: int
    results: tuple[Organisation, ...]


class ProfileList(Snapshot, frozen=True):
    """Those of the profiles asked for that one may see, in the order asked for."""

    count: int
    results: tuple[Profile, ...]
