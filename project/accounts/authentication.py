"""`Authorization: Bearer …`: who asks."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from project.accounts import tokens
from project.accounts.models import ApiToken

SCHEME = "Bearer"


class BearerAuthentication(BaseAuthentication):
    """`request.auth` is the ApiToken; a token is nobody of the admin's users."""

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        """Raises AuthenticationFailed for a token that is none, or was revoked: never as if none was given."""
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != SCHEME.lower().encode():
            return None
        token = ApiToken.objects.of(words[1].decode("latin-1")) if len(words) == 2 else None
        if token is None:
            raise AuthenticationFailed("This token is unknown or was revoked.", code="invalid_token")
        tokens.used(token)
        return AnonymousUser(), token

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


def token_of(request: Request) -> ApiToken | None:
    return request.auth if isinstance(request.auth, ApiToken) else None


def is_staff(request: Request) -> bool:
    """Somebody of the admin, by their session."""
    return bool(request.user and request.user.is_staff)
