"""What the owner of a token does with requests: list, filter, repeat safely, ask for many, cancel."""

import datetime as dt
import threading
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from notifier import delivery, idempotency, requests
from notifier.models import IdempotencyKey, RateRequest
from project.accounts.models import ApiToken
from tests.notifier.conftest import POST, Api

GOOD = {"currency_char_code": "USD", "telegram_id": 42}
BATCH = f"{POST}batch/"


def bearer(**scopes: bool) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {ApiToken.objects.issue('a client', **scopes)[1]}"}


@pytest.fixture
def owner(db: None) -> dict[str, str]:
    return bearer()


def found_codes(api: Api, owner: dict[str, str], **query: Any) -> list[str]:
    answer = api.get(POST, data=query, **owner)
    assert answer.status_code == 200, answer.json()
    return [row["currency_char_code"] for row in answer.json()["results"]]


def test_a_token_lists_its_own_requests_with_all_there_is(api: Api, owner: dict[str, str], row: RateRequest) -> None:
    api.post(GOOD | {"currency_char_code": "EUR"}, **owner)
    api.post(GOOD | {"currency_char_code": "CNY"}, **bearer())
    (seen,) = api.get(POST, **owner).json()["results"]
    assert (seen["currency_char_code"], seen["telegram_id"], seen["text"]) == ("EUR", 42, "")
    assert api.get(seen["status_url"], **owner).json()["telegram_id"] == 42
    assert api.get(seen["status_url"], **bearer()).json()["telegram_id"] == "…"
    assert api.get(seen["status_url"], **bearer(may_read=False)).json()["text"] is None


def test_filters_and_order(api: Api, owner: dict[str, str]) -> None:
    for number, code in enumerate(["USD", "EUR", "CNY"], start=1):
        api.post({"currency_char_code": code, "telegram_id": number}, **owner)
    old = RateRequest.objects.get(currency_char_code="USD")
    RateRequest.objects.filter(pk=old.pk).update(created_at=dt.datetime(2026, 4, 25, 10, tzinfo=dt.UTC))
    requests.fail(RateRequest.objects.get(currency_char_code="EUR").pk, "blocked", "why")
    assert found_codes(api, owner) == ["CNY", "EUR", "USD"]
    assert found_codes(api, owner, ordering="created_at") == ["USD", "EUR", "CNY"]
    assert found_codes(api, owner, status="failed") == ["EUR"]
    assert found_codes(api, owner, status=["failed", "accepted"], created_after="2026-04-26T00:00:00Z") == [
        "CNY",
        "EUR",
    ]
    assert found_codes(api, owner, created_before="2026-04-25T10:00:01Z") == ["USD"]
    assert found_codes(api, owner, currency="cny") == ["CNY"]
    assert found_codes(api, owner, telegram_id=2) == ["EUR"]
    assert found_codes(api, owner, error_code="blocked") == ["EUR"]
    first = api.get(POST, data={"page_size": 2, "ordering": "created_at"}, **owner).json()
    assert len(first["results"]) == 2
    assert [row["currency_char_code"] for row in api.get(first["next"], **owner).json()["results"]] == ["CNY"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("status", "lost"), ("telegram_id", "x"), ("telegram_id", 2**63), ("telegram_id", "9" * 400)],
        *[("created_after", "yesterday"), ("created_after", "0001-01-01T00:00:00+14:00"), ("error_code", "\0")],
        *[("created_before", "9999-12-31T23:59:59-14:00"), ("currency", "\0")],
    ],
)
def test_filters_that_can_not_be(api: Api, owner: dict[str, str], name: str, value: Any) -> None:
    answer = api.get(POST, data={name: value}, **owner)
    assert (answer.status_code, list(answer.json())) == (400, [name])
    assert answer.headers["X-Error-Code"] == "invalid"


def test_what_a_scope_lacks(api: Api, owner: dict[str, str]) -> None:
    listed = api.get(POST, **bearer(may_read=False))
    asked = api.post(GOOD, **bearer(may_request=False))
    for answer in (listed, asked):
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert not RateRequest.objects.exists()


def test_anonymous_requests_are_a_setting(api: Api, owner: dict[str, str], settings: Any, admin_user: User) -> None:
    settings.ALLOW_ANONYMOUS_REQUESTS = False
    for path, body in ((POST, GOOD), ("/currency-info", GOOD), (BATCH, {})):
        answer = api.post(body, path=path)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert api.post(GOOD, **owner).status_code == 202
    assert "post-object-form" not in api.get(POST, HTTP_ACCEPT="text/html").content.decode()


# --- Idempotency-Key ---


@pytest.mark.parametrize("path", [POST, "/currency-info"])
def test_the_same_key_and_body_give_the_same_request(api: Api, owner: dict[str, str], path: str) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "one", **owner}
    first = api.post(GOOD, path=path, **key)
    requests.fail(first.json()["id"], "blocked", "why")
    again = api.post({"telegram_id": "42", "currency_char_code": " usd"}, path=path, **key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert (again.json(), again.headers["Location"]) == (first.json(), first.headers["Location"])
    assert ("Idempotent-Replay" in first.headers, again.headers["Idempotent-Replay"]) == (False, "true")
    assert RateRequest.objects.count() == 1


def test_another_body_is_a_conflict(api: Api, owner: dict[str, str]) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "one", **owner}
    api.post(GOOD, **key)
    for path, body in (
        (POST, GOOD | {"telegram_id": 43}),
        (BATCH, {"currency_char_code": "USD", "telegram_ids": [42]}),
    ):
        answer = api.post(body, path=path, **key)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
    assert RateRequest.objects.count() == 1


def test_a_key_is_its_tokens_own(api: Api) -> None:
    ids = {api.post(GOOD, HTTP_IDEMPOTENCY_KEY="one", **who).json()["id"] for who in (bearer(), bearer(), {}, {})}
    assert len(ids) == 3


def test_a_key_has_a_lifetime(api: Api, owner: dict[str, str]) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "one", **owner}
    api.post(GOOD, **key)
    IdempotencyKey.objects.update(created_at=timezone.now() - dt.timedelta(hours=25))
    assert api.post(GOOD | {"telegram_id": 43}, **key).status_code == 202
    IdempotencyKey.objects.create(scope="x", key="y", digest="", created_at=timezone.now() - dt.timedelta(hours=25))
    assert idempotency.forget_old() == 1
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "ключ", "x" * 256])
def test_keys_that_are_none(api: Api, key: str) -> None:
    answer = api.post(GOOD, HTTP_IDEMPOTENCY_KEY=key)
    assert (answer.status_code, list(answer.json())) == (400, ["Idempotency-Key"])


def test_what_is_refused_uses_no_key(api: Api, owner: dict[str, str]) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "one", **owner}
    assert api.post({"telegram_id": 0}, **key).status_code == 400
    assert api.post(GOOD, **key).status_code == 202


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_equal_posts_at_the_same_time_make_one_request() -> None:
    together, answers = threading.Barrier(6), []

    def post() -> None:
        together.wait()
        answers.append(APIClient().post(POST, GOOD, format="json", HTTP_IDEMPOTENCY_KEY="one").json()["id"])
        connection.close()

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 6
    assert set(answers) == {str(RateRequest.objects.get().pk)}


# --- batches ---


def test_a_batch(api: Api, owner: dict[str, str]) -> None:
    ids = [42, -1001234567890, *range(100, 198)]
    answer = api.post({"currency_char_code": "usd", "telegram_ids": ids}, path=BATCH, **owner)
    assert answer.status_code == 202
    accepted = answer.json()["requests"]
    assert [one["telegram_id"] for one in accepted] == ids
    rows = {str(row.pk): row for row in RateRequest.objects.select_related("token")}
    for one in accepted:
        row = rows[one["id"]]
        assert row.token
        assert (row.telegram_id, row.currency_char_code, row.token.name) == (one["telegram_id"], "USD", "a client")
        assert (one["status"], one["id"] in one["status_url"]) == ("accepted", True)


@pytest.mark.parametrize(
    ("ids", "fields"),
    [
        ([42, 0, "x", 43], ["telegram_ids.1", "telegram_ids.2"]),
        ([42, 43, 42], ["telegram_ids.2"]),
        ([], ["telegram_ids"]),
        (list(range(1, 102)), ["telegram_ids"]),
        (42, ["telegram_ids"]),
        (None, ["telegram_ids"]),
    ],
)
def test_of_a_bad_batch_nothing_is_accepted(api: Api, ids: Any, fields: list[str]) -> None:
    answer = api.post({"currency_char_code": "USD", "telegram_ids": ids}, path=BATCH)
    assert (answer.status_code, sorted(answer.json())) == (400, fields)
    assert all(isinstance(message, str) for messages in answer.json().values() for message in messages)
    assert not RateRequest.objects.exists()


def test_a_batch_that_breaks_off_is_not_there(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    accept, left = requests.accept, [1, 2]

    def fails_at_the_third(*args: Any, **kwargs: Any) -> RateRequest:
        left.pop()
        return accept(*args, **kwargs)

    monkeypatch.setattr(requests, "accept", fails_at_the_third)
    with pytest.raises(IndexError):
        api.post({"currency_char_code": "USD", "telegram_ids": [1, 2, 3]}, path=BATCH)
    assert not RateRequest.objects.exists()


def test_a_batch_has_a_key_too(api: Api, owner: dict[str, str]) -> None:
    body = {"currency_char_code": "USD", "telegram_ids": [1, 2]}
    first, again = (api.post(body, path=BATCH, HTTP_IDEMPOTENCY_KEY="b", **owner).json() for _ in range(2))
    assert first == again
    assert RateRequest.objects.count() == 2


# --- cancelling ---


def cancel(api: Api, pk: Any, **who: str) -> Any:
    return api.post({}, path=reverse("rate-request-cancel", args=[pk]), **who)


def test_what_is_cancelled_is_not_sent(api: Api, row: RateRequest, outbox: list[Any], usd: Any) -> None:
    requests.start_fetching(row.pk)
    answer = cancel(api, row.pk)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert answer.json()["times"]["finished_at"]
    delivery.deliver({"found": True, "quote": usd.to_json()}, str(row.pk))
    assert outbox == []
    assert cancel(api, row.pk).status_code == 200
    row.refresh_from_db()
    assert (row.status, row.sweep_at) == ("cancelled", None)
    assert not requests.accept_again(row.pk)
    assert not requests.fail(row.pk, "stuck", "")


@pytest.mark.parametrize("state", ["being sent", "delivered", "failed"])
def test_too_late_to_cancel(api: Api, row: RateRequest, state: str) -> None:
    if state == "failed":
        requests.fail(row.pk, "blocked", "why")
    else:
        requests.start_notifying(row.pk, "text", {})
    if state == "delivered":
        requests.deliver(row.pk)
    answer = cancel(api, row.pk)
    assert (answer.status_code, answer.json()["code"], answer.headers["X-Error-Code"]) == (409, *["too_late"] * 2)
    row.refresh_from_db()
    assert row.status != "cancelled"


def test_between_two_tries_it_can_be_cancelled(api: Api, row: RateRequest) -> None:
    lease = requests.start_notifying(row.pk, "text", {})
    assert lease
    requests.release(row.pk, lease)
    assert cancel(api, row.pk).status_code == 200
    assert requests.start_notifying(row.pk, "text", {}) is None


def test_what_may_have_been_sent_cannot_be_cancelled(api: Api, row: RateRequest) -> None:
    lease = requests.start_notifying(row.pk, "text", {})
    assert lease
    requests.release(row.pk, lease, maybe_sent=True)
    assert cancel(api, row.pk).status_code == 409
    again = requests.start_notifying(row.pk, "text", {})
    assert again
    requests.give_back(row.pk, again, dt.timedelta(seconds=3))  # this try didn't even begin
    assert cancel(api, row.pk).status_code == 409


@pytest.mark.parametrize("cursor", ["cD14", "cD0wMDAxLTAxLTAxVDAwOjAwJTJCMDA6MDE=", "cD0lMDA="])
def test_a_cursor_that_is_none(api: Api, owner: dict[str, str], cursor: str) -> None:
    assert api.get(f"/api/v1/rate-requests/?cursor={cursor}", **owner).status_code == 404


def test_others_may_not_cancel(api: Api, owner: dict[str, str], row: RateRequest) -> None:
    pk = api.post(GOOD, **owner).json()["id"]
    for who in ({}, bearer()):
        answer = cancel(api, pk, **who)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
    assert cancel(api, row.pk, **owner).status_code == 403
    assert cancel(api, pk, **owner).status_code == 200
    assert cancel(api, uuid.uuid4(), **owner).status_code == 404
