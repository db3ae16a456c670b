"""`/healthz` and `/readyz` of the web process, for whoever starts, restarts and balances web servers.

A middleware before all others and not a view: a probe comes by the container's address, which is in no ALLOWED_HOSTS,
and without TLS. The answers name states alone; what is wrong in detail stands in the log.
"""

import logging
from collections.abc import Callable
from typing import Literal

from django.http import HttpRequest, HttpResponse, JsonResponse

from project import services

log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]
State = Literal["ok", "away"]
#: How long each of Kafka and Redis may take to answer, in seconds: a probe waits for both.
PATIENCE = 0.5


class HealthMiddleware:
    """`/healthz`: 200 while the process answers at all; it asks nothing else.

    `/readyz`: 200 while requests can be served, else 503 with Retry-After: with the database, migrated. Kafka and
    Redis are only told of: without them a request is accepted, written down, and published later.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        self._said = ""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/healthz":
            return _plain(JsonResponse({"status": "ok"}))
        if request.path == "/readyz":
            return _plain(self._ready())
        return self._get_response(request)

    def _ready(self) -> HttpResponse:
        wrong = {
            "database": services.migrated_database(),
            "kafka": services.kafka(PATIENCE),
            "redis": services.redis_server(PATIENCE),
        }
        self._say("; ".join(filter(None, wrong.values())))
        states: dict[str, State] = {name: "away" if text else "ok" for name, text in wrong.items()}
        ready = not wrong["database"]
        body = {"status": "ready" if ready else "not ready", **states}
        return JsonResponse(body, status=200 if ready else 503, headers={} if ready else {"Retry-After": "5"})

    def _say(self, text: str) -> None:
        """Once for each change: probes come every few seconds."""
        if text != self._said:
            log.warning("readyz: %s", text or "all services answer again")
            self._said = text


def _plain(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
