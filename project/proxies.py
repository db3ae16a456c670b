"""From which address a request comes, where proxies stand before the web server."""

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """What the outermost of our proxies (NUM_PROXIES of them) has seen: what stands before that in X-Forwarded-For can
    be anybody's invention."""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    if not settings.NUM_PROXIES or not forwarded:
        return peer
    return forwarded[-min(settings.NUM_PROXIES, len(forwarded))]
