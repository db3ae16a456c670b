"""The database away: 503 with Retry-After, on every address and from every layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError
from django.test import Client

from notifier import requests
from notifier.models import RateRequest
from project import unavailable

REQUEST = "/api/v1/rate-requests/"
BODY = {"currency_char_code": "USD", "telegram_id": 42}


@pytest.fixture
def client() -> Client:
    return Client(SERVER_NAME="localhost", raise_request_exception=False)


@pytest.fixture(params=[OperationalError("server closed the connection"), InterfaceError("connection already closed")])
def away(request: pytest.FixtureRequest, db: None) -> Iterator[None]:
    with no_database(request.param):
        yield


@contextmanager
def no_database(error: Exception) -> Iterator[None]:
    def execute(*args: Any, **kwargs: Any) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.backends.utils.CursorWrapper.execute", execute)
        yield


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_post_is_refused_and_nothing_is_done(client: Client) -> None:
    for path in (REQUEST, "/currency-info"):
        with no_database(OperationalError("server closed the connection")):
            answer = client.post(path, BODY, content_type="application/json")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "Nothing was done" in answer.json()["detail"]
    assert not RateRequest.objects.exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize(("left_alone", "status"), [(60.0, 503), (0.0, 202)])
def test_a_database_that_hangs_is_left_alone_for_a_while(
    client: Client, monkeypatch: pytest.MonkeyPatch, left_alone: float, status: int
) -> None:
    """Each that asks would take a thread of web for as long as it waits, until none is left to answer."""
    monkeypatch.setattr(unavailable, "SLOW", 0.0)
    monkeypatch.setattr(unavailable, "LEFT_ALONE", left_alone)
    with no_database(OperationalError("no answer within 5 s")):
        assert client.post(REQUEST, BODY, content_type="application/json").status_code == 503
    answer = client.post(REQUEST, BODY, content_type="application/json")
    assert (answer.status_code, RateRequest.objects.exists()) == (status, status == 202)


@pytest.mark.parametrize("path", ["/api/v1/rates/", f"{REQUEST}0d5be5d5-9bd3-4c68-a0b7-6a6fd8b5a3f1/"])
def test_reading_by_the_api(client: Client, away: None, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["Content-Type"] == "application/json"


def test_a_session_that_can_not_be_read(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("somebody"))
    with no_database(OperationalError("server closed the connection")):
        answer = client.get("/admin/notifier/raterequest/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The database does not answer" in answer.content.decode()


def test_another_error_stays_what_it_is(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(*args: Any, **kwargs: Any) -> None:
        raise KeyError("x")

    monkeypatch.setattr(requests, "accept", accept)
    assert client.post(REQUEST, BODY, content_type="application/json").status_code == 500
