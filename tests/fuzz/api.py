"""The API as its own OpenAPI document tells it: schemathesis makes what that allows and what it doesn't, over WSGI, and
holds each answer against it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import schemathesis

# Loaded here, with the other modules: amid the tests, Python 3.11 may fail to compile it (CPython's gh-106905).
import schemathesis.specs.openapi.schemas
from django.utils import timezone
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi import checks

from notifier.models import RateRequest
from project.accounts.models import ApiToken
from project.wsgi import application
from tests.fuzz.runner import Input

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
# An answer with a page for browsers is no part of the document.
ACCEPT = st.sampled_from([*[None] * 12, "*/*", "application/json", "text/csv", "image/png", "no/such", "*", "\xff"])
CODES = st.sampled_from(["USD", "eur", "KZT", "RUB"])
Status = RateRequest.Status


def callers() -> list[str | None]:
    """The values of `Authorization` that there are: nobody, tokens of all scopes, and what is no token."""
    secrets = [
        ApiToken.objects.issue(f"fuzz {scopes}", may_read="r" in scopes, may_request="q" in scopes)[1]
        for scopes in ("rq", "r", "q", "")
    ]
    known = [f"Bearer {secret}" for secret in secrets]
    return [*[None] * 6, *known[:1] * 6, *known[1:], "Bearer rates_no", "Basic eDp5"]


def requests() -> list[str]:
    """The ids of a request in each state, of nobody and of a token."""
    now, token = timezone.now(), ApiToken.objects.order_by("pk").first()
    told = {"found": True, "nominal": 100, "value": Decimal("16.3172"), "sheet_date": now.date(), "fresh": True}
    states: dict[str, dict[str, Any]] = {
        Status.ACCEPTED: {},
        Status.FETCHING: {"fetching_at": now, "error_code": "no_rates", "error": "away"},
        Status.NOTIFYING: {"notifying_at": now, "lease_until": now + dt.timedelta(hours=1), **told},
        Status.DELIVERED: {"finished_at": now, "text": "1 USD", **told},
        Status.FAILED: {"finished_at": now, "error_code": "blocked", "error": "no"},
        Status.CANCELLED: {"finished_at": now, "found": False, "sheet_date": now.date(), "fresh": False},
    }
    where: list[dict[str, Any]] = [
        {"telegram_id": 42},
        {"telegram_id": -1001234567890, "token": token},
        {"webhook_url": "https://example.org/", "token": token},
    ]
    rows = [
        RateRequest(currency_char_code="KZT", status=status, **fields, **to)
        for status, fields in states.items()
        for to in where
    ]
    return [str(row.pk) for row in RateRequest.objects.bulk_create(rows)]


def inputs() -> Iterator[Input]:
    """One for each operation. The database has rates; tokens and requests are added to it."""
    load_all_checks()
    known, who = requests(), st.sampled_from(callers())
    document = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application)
    for found in document.get_all_operations():
        operation = found.ok()
        modes = [GenerationMode.POSITIVE]
        if any([*operation.query, *operation.headers, *operation.path_parameters, *operation.body]):
            modes.append(GenerationMode.NEGATIVE)
        made = st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])
        there = {"id": st.sampled_from(known), "char_code": CODES}
        if operation.path.endswith("/convert/"):
            there |= {"from": CODES, "to": CODES}
        cases = st.tuples(made, who, ACCEPT, st.none() | st.fixed_dictionaries(there))
        yield Input(f"{operation.method.upper()} {operation.path}", cases, answer)


def answer(drawn: tuple[Case, str | None, str | None, dict[str, str] | None]) -> str:
    """The status. What is asked for is often made one that is there: by chance nearly none would be."""
    case, who, accept, there = drawn
    for name, value in (there or {}).items():
        for made in (case.path_parameters, case.query):
            if name in made:
                made[name] = value
    headers = {name: value for name, value in (("Authorization", who), ("Accept", accept)) if value is not None}
    response = case.call(headers=headers)
    case.validate_response(response, checks=CHECKS)
    return str(response.status_code)
