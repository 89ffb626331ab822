"""Tokens, for clients that keep no session."""

from django.contrib.auth import authenticate
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from restaurant.api.throttling import TokenThrottle
from restaurant.profiles.api.serializers import TokenAnswer, TokenRequestSerializer


class TokenView(APIView):
    """The token of a user: one each, until it is revoked."""

    def get_permissions(self) -> list[BasePermission]:
        return [AllowAny() if self.request.method == "POST" else IsAuthenticated()]

    def get_throttles(self) -> list[BaseThrottle]:
        return [TokenThrottle()] if self.request.method == "POST" else super().get_throttles()

    @extend_schema(
        operation_id="token_obtain",
        summary="A token for a name and password",
        tags=["token"],
        request=TokenRequestSerializer,
        responses=TokenAnswer,
        auth=[],
    )
    def post(self, request: Request, **_: str) -> Response:
        """Return your token for your name and password; limited to a few attempts per minute."""
        credentials = TokenRequestSerializer(data=request.data)
        credentials.is_valid(raise_exception=True)
        user = authenticate(request, **credentials.validated_data)
        if user is None:
            raise ValidationError("No active user has this name and password.")
        token, _is_new = Token.objects.get_or_create(user=user)
        # A secret is kept by nobody in between.
        return Response({"token": token.key}, headers={"Cache-Control": "no-store"})

    @extend_schema(
        operation_id="token_revoke", summary="Revoke one's token", tags=["token"], request=None, responses={204: None}
    )
    def delete(self, request: Request, **_: str) -> Response:
        """Revoke your token; a new one can be obtained."""
        Token.objects.filter(user=request.user.pk).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)
