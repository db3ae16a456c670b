"""Reading of a request's body: bounded, UTF-8, and whatever is wrong with it is the client's error."""

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http.multipartparser import MultiPartParserError
from rest_framework import parsers
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.request import Request

UTF8 = {"utf-8", "utf8", "us-ascii", "ascii"}


def check_size(request: Request) -> None:
    """Refuse a body before it is read. Raises ValidationError.

    Django reads no more than Content-Length, and nothing without it (a chunked body), so that is what to check.
    """
    meta = request.META
    if meta.get("HTTP_TRANSFER_ENCODING") and not meta.get("CONTENT_LENGTH"):
        raise ValidationError({"body": ["Send the body with a Content-Length, not in chunks."]})
    try:
        length = int(meta.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = -1
    if length < 0:
        raise ValidationError({"body": ["The Content-Length is not a number."]})
    if length > settings.API_MAX_BODY_BYTES:
        limit = settings.API_MAX_BODY_BYTES
        raise ValidationError({"body": [f"The body has {length} bytes, the limit is {limit}."]})
    charset = (request._request.content_params or {}).get("charset", "utf-8")
    if charset.strip("\"'").lower() not in UTF8:
        raise ValidationError({"body": ["The body must be in UTF-8."]})


class JSONParser(parsers.JSONParser):
    """DRF's, but always UTF-8, and nesting too deep for Python is a parse error."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            data = json.loads(stream.read().decode("utf-8"), parse_constant=_no_constant)
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None
        if not isinstance(data, dict):
            raise ParseError("The body must be a JSON object.")
        return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class _Form:
    """What a form parser may raise for a bad body, as DRF's ParseError."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(*args, **kwargs)  # type: ignore[misc]
        except (SuspiciousOperation, BadRequest, MultiPartParserError, ValueError) as error:
            raise ParseError(f"The form can't be read: {error}.") from None


class FormParser(_Form, parsers.FormParser):
    pass


class MultiPartParser(_Form, parsers.MultiPartParser):
    pass
