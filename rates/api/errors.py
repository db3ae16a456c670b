"""Errors of the client's: each has a `code` that stays, and a `detail` to read."""

from typing import Any

from django.forms.utils import ErrorDict
from rest_framework.exceptions import APIException


class BadParameters(APIException):
    """What is wrong, parameter by parameter, beside `code` and `detail`."""

    status_code = 400

    def __init__(self, errors: ErrorDict) -> None:
        by_name: dict[str, list[str]] = {name: [str(text) for text in texts] for name, texts in errors.items()}
        name, texts = next(iter(by_name.items()))
        self.detail: Any = {"code": "bad_parameters", "detail": f"{name}: {texts[0]}", **by_name}


class Missing(APIException):
    """There is no such rate or sheet."""

    status_code = 404

    def __init__(self, code: str, detail: str, **more: Any) -> None:
        self.detail: Any = {"code": code, "detail": detail, **more}
