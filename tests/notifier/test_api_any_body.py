"""Whatever is posted, the answer is 202 or an error of the client's that says what is wrong: never a 5xx."""

import json
from typing import Any

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.models import RateRequest
from tests.notifier.conftest import Api

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just("USD"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries({}, optional={"currency_char_code": JSON, "telegram_id": JSON, "other": JSON})
BODIES = st.binary() | JSON.map(lambda data: json.dumps(data).encode()) | FIELDS.map(lambda d: json.dumps(d).encode())
KINDS = st.sampled_from(
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]
)


@given(body=BODIES, kind=KINDS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_body(api: Api, published: Any, body: bytes, kind: str) -> None:
    with transaction.atomic():
        answer = api.raw(body, kind)
        assert answer.status_code in (202, 400, 415), answer.content
        if answer.status_code == 202:
            row = RateRequest.objects.get(pk=answer.json()["id"])
            assert row.currency_char_code.isupper() and row.telegram_id != 0
        elif answer.status_code == 400:
            assert all(isinstance(errors, list) and errors for errors in answer.json().values())


@given(code=st.from_regex(r"[A-Za-z]{3}", fullmatch=True), telegram_id=st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_good_body(api: Api, published: Any, code: str, telegram_id: int) -> None:
    answer = api.post({"currency_char_code": code, "telegram_id": telegram_id})
    assert answer.status_code == (202 if telegram_id else 400)
    if telegram_id:
        row = RateRequest.objects.get(pk=answer.json()["id"])
        assert (row.currency_char_code, row.telegram_id) == (code.upper(), telegram_id)
