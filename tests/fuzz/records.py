"""What may be in a topic: a record is a message, or BadRecord; with keys only what is signed is one."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hypothesis import strategies as st

from project.kafka.records import BadRecord, Headers, decode, encode, number
from project.kafka.signing import keys_of
from tests.fuzz.runner import Input

KEYS = keys_of("0123456789abcdef-one 0123456789abcdef-two")
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
# What kombu's JSON makes to other types as it reads.
TYPED = st.fixed_dictionaries(
    {
        "__type__": st.sampled_from(["datetime", "date", "uuid", "decimal", "bytes", "base64", "no"]) | JSON,
        "__value__": JSON,
    }
)
ANYTHING = JSON | TYPED
PROPERTIES = st.fixed_dictionaries({}, optional={"delivery_info": st.just({}) | ANYTHING, "delivery_tag": ANYTHING})
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "body": st.just("e30=") | ANYTHING,
        "headers": st.dictionaries(st.text(max_size=9), ANYTHING, max_size=3) | ANYTHING,
        "properties": PROPERTIES | ANYTHING,
        "content-type": ANYTHING,
    },
)
GOOD = st.fixed_dictionaries(
    {
        "body": st.text(),
        "headers": st.dictionaries(st.text(max_size=9), JSON, max_size=3),
        "properties": st.fixed_dictionaries({"delivery_info": st.just({}), "delivery_tag": st.uuids().map(str)}),
    }
)
VALUES = st.binary() | (GOOD | MESSAGES | ANYTHING).map(lambda data: json.dumps(data).encode())
HEADERS = st.lists(
    st.tuples(st.sampled_from(["celery-deliveries", "x"]), st.none() | st.text() | st.binary()), max_size=3
)
CASES = st.tuples(VALUES, HEADERS, st.integers(0, 200))


def answer(drawn: tuple[bytes, Headers, int]) -> str:
    value, headers, place = drawn
    assert isinstance(number(headers, "celery-deliveries"), int)
    _refused(value)
    try:
        message = decode(value)
    except BadRecord as bad:
        assert str(bad)
        return "refused"
    signed = encode(message, KEYS)
    assert decode(signed, KEYS) is not None
    # One bit of it is another.
    spot = place % len(signed)
    _refused(signed[:spot] + bytes([signed[spot] ^ 1]) + signed[spot + 1 :])
    return "a message"


def _refused(value: bytes) -> None:
    try:
        decode(value, KEYS)
    except BadRecord:
        return
    raise AssertionError("a record that isn't signed is taken for a message")


def inputs() -> Iterator[Input]:
    yield Input("Kafka records", CASES, answer)
