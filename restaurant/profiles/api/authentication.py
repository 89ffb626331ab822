"""Who sends a token is looked up in the database with every request, so that a token that is revoked ends at once."""

from django.utils.translation import gettext_lazy as _
from rest_framework import authentication
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import AuthenticationFailed

from restaurant.profiles.models import User
from restaurant.profiles.selectors import token_get


class TokenAuthentication(authentication.TokenAuthentication):
    """DRF's own, by a query that is compiled once."""

    def authenticate_credentials(self, key: str) -> tuple[User, Token]:
        token = token_get(key=key)
        if token is None:
            raise AuthenticationFailed(_("Invalid token."))
        if not token.user.is_active:
            raise AuthenticationFailed(_("User inactive or deleted."))
        return token.user, token
