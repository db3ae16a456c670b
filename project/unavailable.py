"""The database away: 503 with Retry-After instead of a traceback, in the form of the address (JSON below /api/)."""

import logging
import sys
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.defaults import server_error as djangos_server_error

log = logging.getLogger(__name__)

# Seconds after which it makes sense to ask again.
RETRY_AFTER = 5
AWAY = (OperationalError, InterfaceError)
DETAIL = "The database does not answer. Nothing was done; try again later."


class DatabaseAwayMiddleware:
    """For what a view raises. A transaction that was open is rolled back by then."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return unavailable(request, error) if isinstance(error, AWAY) else None


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: the same for what other middleware raises (sessions, users)."""
    error = sys.exc_info()[1]
    return unavailable(request, error) if isinstance(error, AWAY) else djangos_server_error(request)


def unavailable(request: HttpRequest, error: BaseException) -> HttpResponse:
    log.error("%s %s: 503, the database does not answer: %s", request.method, request.path, str(error).strip())
    if not connection.in_atomic_block:
        connection.close()  # the next request begins with a new one
    headers = {"Retry-After": str(RETRY_AFTER)}
    if request.path.startswith(("/api/", "/currency-info")):
        return JsonResponse({"detail": DETAIL}, status=503, headers=headers)
    return HttpResponse(f"{DETAIL}\n", status=503, headers=headers, content_type="text/plain; charset=utf-8")
