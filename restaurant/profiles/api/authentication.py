"""Who asks, and in which role, is looked up in the database with every request: what is taken away ends at once."""

from typing import cast
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from rest_framework import authentication
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from restaurant.profiles.models import User
from restaurant.profiles.selectors import membership_role, token_get

__all__ = ["TokenAuthentication", "role_of"]


class TokenAuthentication(authentication.TokenAuthentication):
    """DRF's own, whose query finds the user's role in the organisation of the address, too."""

    org_id = ""
    role: str | None = None

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        self.org_id = request.parser_context["kwargs"].get("org", "")
        signed_in: tuple[User, Token] | None = super().authenticate(request)
        return signed_in

    def authenticate_credentials(self, key: str) -> tuple[User, Token]:
        # A server in front of us lets no NUL pass; what calls the application itself may.
        token, self.role = token_get(key=key, org_id=self.org_id) if "\x00" not in key else (None, None)
        if token is None:
            raise AuthenticationFailed(_("Invalid token."))
        if not token.user.is_active:
            raise AuthenticationFailed(_("User inactive or deleted."))
        return token.user, token


def role_of(request: Request, org_id: str) -> str | None:
    """Return the signed-in user's role in the organisation, None for a stranger; without a token that is a query."""
    # Each request has one of its own.
    found = request.successful_authenticator
    if isinstance(found, TokenAuthentication) and found.org_id == org_id:
        return found.role
    return membership_role(user_id=cast("UUID", request.user.pk), org_id=org_id)
