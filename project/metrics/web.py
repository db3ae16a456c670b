"""The web server's requests, by the name of their address and not by the address itself, of which there is no end."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram

GetResponse = Callable[[HttpRequest], HttpResponse]

REQUESTS = Counter("web_requests", "Answered requests.", ["view", "method", "status"])
SECONDS = Histogram(
    "web_request_seconds",
    "From a request to its answer, without the network.",
    ["view"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class MetricsMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.monotonic()
        response = self._get_response(request)
        view = request.resolver_match.view_name if request.resolver_match else "none"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(view or "unnamed", method, response.status_code).inc()
        SECONDS.labels(view or "unnamed").observe(time.monotonic() - began)
        return response
