"""Who may do what with rate requests: staff all, a token what its scopes say with its own requests, anybody else
only to ask, where a setting allows it, and to follow a request whose random id they know.

What isn't allowed is 401 where a token would help, 403 where another token would.
"""

from django.conf import settings
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from notifier.models import RateRequest
from project.accounts.authentication import is_staff, token_of


def check_may_ask(request: Request) -> None:
    """Raises NotAuthenticated or PermissionDenied."""
    token = token_of(request)
    if token is not None:
        if not token.may_request:
            raise PermissionDenied("This token lacks the scope request.", code="missing_scope")
    elif not (is_staff(request) or settings.ALLOW_ANONYMOUS_REQUESTS):
        raise NotAuthenticated("Asking for a rate takes a token with the scope request.")


def check_may_list(request: Request) -> None:
    """Raises NotAuthenticated or PermissionDenied."""
    token = token_of(request)
    if token is not None:
        if not token.may_read:
            raise PermissionDenied("This token lacks the scope read.", code="missing_scope")
    elif not is_staff(request):
        raise NotAuthenticated("The list takes a token with the scope read.")


def may_read(request: Request, row: RateRequest) -> bool:
    """All of it, who gets it and the text too."""
    token = token_of(request)
    return is_staff(request) or (token is not None and token.may_read and row.token_id == token.pk)


def check_may_cancel(request: Request, row: RateRequest) -> None:
    """Staff, or whoever asked: the token; and of an anonymous request, who knows its id. Raises PermissionDenied."""
    token = token_of(request)
    if not is_staff(request) and row.token_id != (token.pk if token else None):
        raise PermissionDenied("This is another token's request.", code="not_yours")


def scope(request: Request) -> str:
    """Whose Idempotency-Keys these are."""
    token = token_of(request)
    if token is not None:
        return f"token:{token.pk}"
    return f"user:{request.user.pk}" if request.user and request.user.is_authenticated else "anonymous"


class MayAsk(BasePermission):
    """For what changes something; reading is decided row by row."""

    def has_permission(self, request: Request, view: object) -> bool:
        if request.method == "POST":
            check_may_ask(request)
        return True
