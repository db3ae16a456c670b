"""The few HTTP calls of bin/run, to its own web server."""

import json
import urllib.request
from http.client import HTTPException
from typing import Any

TIMEOUT_SECONDS = 10.0
# A proxy of the environment has no say in calls to this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str) -> bool:
    try:
        with _opener.open(url, timeout=2.0) as response:
            return bool(response.status == 200)
    except (OSError, HTTPException):
        return False


def get(url: str, token: str) -> dict[str, Any]:
    """Raises OSError, urllib's HTTPError (an OSError) for 4xx and 5xx among them."""
    return _json(urllib.request.Request(url, headers=_headers(token)))


def post(url: str, body: dict[str, Any], token: str) -> dict[str, Any]:
    """Raises as get() does."""
    headers = {**_headers(token), "Content-Type": "application/json"}
    return _json(urllib.request.Request(url, json.dumps(body).encode(), headers))


def _headers(token: str) -> dict[str, str]:
    return {"Accept": "application/json", "Authorization": f"Bearer {token}"}


def _json(request: urllib.request.Request) -> dict[str, Any]:
    with _opener.open(request, timeout=TIMEOUT_SECONDS) as response:
        return dict(json.load(response))
