"""The record's value: what kombu's JSON can carry comes back as it was."""

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads

from project.kafka.records import BadRecord, decode, encode

PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
#: What JSON itself doesn't have, and kombu marks.
TYPED = st.datetimes(timezones=st.just(dt.UTC)) | st.uuids() | st.decimals(allow_nan=False, allow_infinity=False)
HEADERS = st.dictionaries(
    st.text(max_size=9),
    PLAIN | TYPED | st.lists(PLAIN | TYPED, max_size=3) | st.dictionaries(st.text(max_size=9), TYPED),
)


@given(HEADERS)
def test_headers_come_back_as_kombu_would_give_them(headers: dict[str, Any]) -> None:
    message = {"body": "e30=", "headers": headers, "properties": {"delivery_info": {"routing_key": "q"}}}
    assert decode(encode(message)) == loads(dumps(message))


def test_a_time_an_id_and_a_decimal_keep_their_types() -> None:
    headers = {"at": dt.datetime(2026, 4, 25, tzinfo=dt.UTC), "id": uuid.UUID(int=7), "price": Decimal("75.5273")}
    message = {"body": "e30=", "headers": headers, "properties": {"delivery_info": {}}}
    assert decode(encode(message))["headers"] == headers


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        *[("bytes", None), ("base64", 1), ("decimal", "x"), ("decimal", None), ("uuid", "x"), ("uuid", {})],
        *[("datetime", 7), ("date", "2026-13-01")],
    ],
)
def test_a_value_that_is_none_of_its_type_makes_a_record_no_message(type_: str, value: Any) -> None:
    """Whatever kombu's decoder of that type says to it: a reader must not end by what others write."""
    headers = {"x": {"__type__": type_, "__value__": value}}
    record = {"body": "e30=", "headers": headers, "properties": {"delivery_info": {}}}
    with pytest.raises(BadRecord):
        decode(json.dumps(record).encode())
