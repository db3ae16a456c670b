"""What a client gets for its POST: 202, or 400 that says what is wrong with which field."""

import json
import uuid
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from notifier import requests
from notifier.backlog import backlog
from notifier.models import RateRequest
from tests.notifier.conftest import Api

GOOD = {"currency_char_code": "USD", "telegram_id": 42}
BAD_CODE = ["Must be three Latin letters, such as USD."]
BAD_ID = ["Must be an integer other than 0, of at most 64 bits: a person's id, or a group's (negative)."]


def test_a_good_request_is_accepted(api: Api, published: Any) -> None:
    answer = api.post(GOOD)
    row = RateRequest.objects.get()
    url = f"http://localhost{reverse('rate-request-detail', args=[row.pk])}"
    assert answer.status_code == 202
    assert answer.json() == {"id": str(row.pk), "status": "accepted", "status_url": url}
    assert answer.headers["Location"] == url
    assert (row.currency_char_code, row.telegram_id, row.status) == ("USD", 42, "accepted")


def test_the_chain_is_published_once(api: Api, published: Any) -> None:
    request_id = api.post(GOOD).json()["id"]
    (message,) = published()
    assert message["task"] == "rates.tasks.fetch_rate"
    assert message["args"] == ["USD", request_id]
    (step,) = message["chain"]
    assert (step["task"], step["args"]) == ("notifier.tasks.notify", [request_id])
    (errback,) = message["embed"]["errbacks"]
    assert (errback["task"], errback["args"]) == ("notifier.tasks.give_up", [request_id])
    assert [one["task"] for one in step["options"]["link_error"]] == ["notifier.tasks.give_up"]
    assert RateRequest.objects.get().publishes == 1


def test_a_post_does_not_ask_the_broker(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a POST asked the broker")

    monkeypatch.setattr("kombu.connection.Connection.connect", never)
    monkeypatch.setattr("kombu.messaging.Producer.publish", never)
    answer = api.post(GOOD)
    row = RateRequest.objects.get()
    assert answer.status_code == 202
    assert (row.status, row.publishes, row.published_at, row.sweep_at) == ("accepted", 0, None, row.accepted_at)


def test_a_post_costs_one_query(api: Api, django_assert_num_queries: Any) -> None:
    assert api.post(GOOD).status_code == 202  # and the backlog is counted, once a second
    # and on PostgreSQL NOTIFY, and the savepoint that in a test is the transaction of both
    with django_assert_num_queries(1 if connection.vendor == "sqlite" else 4):
        assert api.post(GOOD).status_code == 202


def test_a_backlog_that_is_full_refuses(api: Api, settings: Any) -> None:
    for _ in range(3):
        api.post(GOOD)
    settings.MAX_BACKLOG = 3
    backlog.forget()
    answer = api.post(GOOD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "waiting" in answer.json()["detail"]
    assert RateRequest.objects.count() == 3
    requests.fail(RateRequest.objects.all()[0].pk, "x", "y")
    backlog.forget()
    assert api.post(GOOD).status_code == 202


def test_the_backlog_is_counted_once_a_second(api: Api, django_assert_num_queries: Any) -> None:
    backlog.forget()
    with django_assert_num_queries(1):
        backlog.check()
        backlog.check()


@pytest.mark.parametrize("code", ["usd", " usd ", "Usd", "\tUSD"])
def test_case_and_blanks_of_the_code_do_not_matter(api: Api, published: Any, code: str) -> None:
    assert api.post(GOOD | {"currency_char_code": code}).status_code == 202
    assert RateRequest.objects.get().currency_char_code == "USD"


def test_a_code_that_no_sheet_has_is_accepted(api: Api, published: Any) -> None:
    assert api.post(GOOD | {"currency_char_code": "XXX"}).status_code == 202


@pytest.mark.parametrize("telegram_id", [1, -1, 2**63 - 1, -(2**63), -1001234567890, "42", "-7", " 5 "])
def test_ids_of_people_and_groups(api: Api, published: Any, telegram_id: Any) -> None:
    assert api.post(GOOD | {"telegram_id": telegram_id}).status_code == 202
    assert RateRequest.objects.get().telegram_id == int(telegram_id)


@pytest.mark.parametrize(
    "code", ["", " ", "US", "USDT", "U D", "12A", "ДОЛ", "US\0", "USD\n", "ＵＳＤ", 123, True, 1.5, ["USD"], {"a": 1}]
)
def test_codes_that_are_none(api: Api, code: Any) -> None:
    answer = api.post(GOOD | {"currency_char_code": code})
    assert (answer.status_code, list(answer.json())) == (400, ["currency_char_code"])
    assert answer.json()["currency_char_code"] in (BAD_CODE, ["This field may not be blank."])


@pytest.mark.parametrize(
    "telegram_id",
    [
        *[0, "0", "-0", True, False, 1.0, 42.5, 1e3, "1e3", "1.0", "", "x", "٤٢", "+5", "1_0", "0x10", "4 2", "5\0"],
        *[2**63, -(2**63) - 1, 10**30, "9" * 5000, "9223372036854775808", [], [42], {}, "@name"],
    ],
)
def test_ids_that_are_none(api: Api, telegram_id: Any) -> None:
    answer = api.post(GOOD | {"telegram_id": telegram_id})
    assert (answer.status_code, answer.json()) == (400, {"telegram_id": BAD_ID})


def test_every_field_is_told_at_once(api: Api) -> None:
    answer = api.post({})
    assert answer.status_code == 400
    required = ["This field is required."]
    assert answer.json() == {"currency_char_code": required, "telegram_id": required}
    assert api.raw(b"").json() == answer.json()
    nulls = api.post({"currency_char_code": None, "telegram_id": None}).json()
    assert nulls == {name: ["This field may not be null."] for name in GOOD}


DEEP = b'{"a":' * 3000 + b"1" + b"}" * 3000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"nonsense", "not JSON"),
        (b'{"telegram_id": NaN}', "not JSON"),
        (b'{"telegram_id": 1' + b"0" * 5000 + b"}", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b"42", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"USD"', "must be a JSON object"),
        (b'{"a": "\xff\xfe"}', "not UTF-8"),
        ('{"currency_char_code": "USD"}'.encode("utf-16"), "not UTF-8"),
        (DEEP, "the limit is 16384"),
        (b"[" * 8000 + b"]" * 8000, "nested too deeply"),
        (b'{"a": "' + b"x" * 20000 + b'"}', "the limit is 16384"),
    ],
)
def test_bodies_that_can_not_be_read(api: Api, body: bytes, words: str) -> None:
    answer = api.raw(body)
    assert answer.status_code == 400
    assert list(answer.json()) == ["body"]
    assert words in answer.json()["body"][0]


@pytest.mark.parametrize("charset", ["utf-16", "hex", "rot13", "koi8-r", "idna"])
def test_only_utf_8(api: Api, charset: str) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = api.raw(b"{}", f"{kind}; charset={charset}")
        assert (answer.status_code, answer.json()) == (400, {"body": ["The body must be in UTF-8."]})


def test_a_chunked_body_is_refused(api: Api) -> None:
    answer = api.raw(b"", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="")
    assert answer.status_code == 400
    assert "Content-Length" in answer.json()["body"][0]


def test_forms_that_can_not_be_read(api: Api) -> None:
    many = b"&".join(b"a%d=1" % number for number in range(1500))
    urlencoded = api.raw(many, "application/x-www-form-urlencoded")
    multipart = api.raw(b"rubbish", "multipart/form-data")
    assert [urlencoded.status_code, multipart.status_code] == [400, 400]
    assert [list(urlencoded.json()), list(multipart.json())] == [["body"], ["body"]]


def test_other_media_types(api: Api) -> None:
    answer = api.raw(b"<a/>", "application/xml")
    assert (answer.status_code, list(answer.json())) == (415, ["code", "detail"])


def test_lone_surrogates_and_unknown_fields(api: Api) -> None:
    answer = api.raw(json.dumps({"currency_char_code": "\ud800", "telegram_id": "\ud800", "\ud800": 1}).encode())
    assert (answer.status_code, sorted(answer.json())) == (400, ["currency_char_code", "telegram_id"])


def test_nothing_refused_is_kept_or_published(api: Api, published: Any) -> None:
    api.post({"currency_char_code": "USD", "telegram_id": 0})
    assert not RateRequest.objects.exists()
    assert published() == []


def test_the_older_path(api: Api, published: Any) -> None:
    answer = api.post(GOOD, path="/currency-info")
    assert answer.status_code == 202
    assert answer.headers["Location"].endswith(f"/api/v1/rate-requests/{RateRequest.objects.get().pk}/")
    assert api.post({"telegram_id": 1}, path="/currency-info").status_code == 400
    assert api.get("/currency-info").status_code == 405


@pytest.mark.parametrize("key", [uuid.uuid4(), "42", "x" * 300, "%00"])
def test_requests_that_do_not_exist(api: Api, key: Any) -> None:
    assert api.get(f"/api/v1/rate-requests/{key}/").status_code == 404
