"""The database away: 503 with Retry-After instead of a traceback, in the form of the address (JSON below /api/)."""

import logging
import sys
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.defaults import server_error as djangos_server_error

log = logging.getLogger(__name__)

# Seconds after which it makes sense to ask again.
RETRY_AFTER = 5
AWAY = (OperationalError, InterfaceError)
# A database that took so long to fail hangs, and is left alone for a while; both in seconds.
SLOW, LEFT_ALONE = 1.0, 2.0
# Of an answer of ours.
MARK = "database_away"
DETAIL = "The database does not answer. Nothing was done; try again later."


class DatabaseAwayMiddleware:
    """For what a view raises. A transaction that was open is rolled back by then.

    Where the database hangs, each request would take a thread until its wait is over, and the next ones would wait for
    a thread: most are refused at once then.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._until = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begun = time.monotonic()
        if begun < self._until:
            return unavailable(request, "it was just seen to hang")
        response = self.get_response(request)
        if hasattr(response, MARK) and (now := time.monotonic()) - begun >= SLOW:
            self._until = now + LEFT_ALONE
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return unavailable(request, error) if isinstance(error, AWAY) else None


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: the same for what other middleware raises (sessions, users)."""
    error = sys.exc_info()[1]
    return unavailable(request, error) if isinstance(error, AWAY) else djangos_server_error(request)


def unavailable(request: HttpRequest, error: BaseException | str) -> HttpResponse:
    log.error("%s %s: 503, the database does not answer: %s", request.method, request.path, str(error).strip())
    if not connection.in_atomic_block:
        connection.close()  # the next request begins with a new one
    headers = {"Retry-After": str(RETRY_AFTER)}
    if request.path.startswith(("/api/", "/currency-info")):
        answer: HttpResponse = JsonResponse({"code": "database_away", "detail": DETAIL}, status=503, headers=headers)
    else:
        answer = HttpResponse(f"{DETAIL}\n", status=503, headers=headers, content_type="text/plain; charset=utf-8")
    setattr(answer, MARK, True)
    return answer
