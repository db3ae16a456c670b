"""Errors of the API: every 4xx has a stable code, beside words that may change.

`{"code": "…", "detail": "…"}`; a 400 keeps its own form, the messages of each field. The code is in the header
X-Error-Code of all of them, a 400's too.
"""

from typing import Any

from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

HEADER = "X-Error-Code"


def handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's EXCEPTION_HANDLER; it makes Http404 and PermissionDenied of Django's to its own."""
    response = exception_handler(exc, context)
    if response is None:
        return None
    if not isinstance(exc, ValidationError) and isinstance(response.data, dict):
        detail = response.data.get("detail")
        if isinstance(detail, ErrorDetail):
            response.data = {"code": detail.code, **response.data}
    code = response.data.get("code", "invalid") if isinstance(response.data, dict) else "invalid"
    response.headers[HEADER] = str(code) if not isinstance(exc, ValidationError) else "invalid"
    return response
