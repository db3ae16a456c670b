"""What the notifier's tests share."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from celery import current_app
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from notifier import relay, requests
from notifier.backends import memory, telegram
from notifier.models import RateRequest
from rates.quotes import Quote
from tests.standins.telegram import TOKEN, TelegramStandin

POST = "/api/v1/rate-requests/"


@pytest.fixture
def outbox() -> list[memory.Message]:
    memory.outbox.clear()
    return memory.outbox


@pytest.fixture
def standin(settings: Any) -> Iterator[TelegramStandin]:
    """The Bot API's stand-in, with the settings that lead to it."""
    with TelegramStandin() as running:
        settings.NOTIFIER_BACKEND = "telegram"
        settings.BOT_TOKEN = TOKEN
        settings.TELEGRAM_API_URL = running.url
        settings.TELEGRAM_TIMEOUT_SECONDS = 5
        yield running
        telegram.close()


@pytest.fixture
def usd() -> Quote:
    """As in the sheet of 2026-04-25."""
    return Quote("USD", "Доллар США", "US Dollar", 1, Decimal("75.5273"), dt.date(2026, 4, 25), True)


@pytest.fixture
def found(usd: Quote) -> dict[str, Any]:
    """What `fetch_rate` returns for USD."""
    return {"found": True, "quote": usd.to_json()}


@pytest.fixture
def row(db: None) -> RateRequest:
    return requests.accept("USD", 42)


@pytest.fixture
def api(db: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> "Api":
    return Api(django_capture_on_commit_callbacks)


class Api:
    """A client whose requests commit."""

    def __init__(self, on_commit: DjangoCaptureOnCommitCallbacks) -> None:
        self.client = APIClient(SERVER_NAME="localhost", enforce_csrf_checks=True)
        self.on_commit = on_commit

    def post(self, body: Any, **options: Any) -> Any:
        options.setdefault("format", "json")
        return self.call("post", options.pop("path", POST), body, **options)

    def raw(self, body: bytes, content_type: str = "application/json", **options: Any) -> Any:
        return self.call("generic", "POST", POST, body, content_type=content_type, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.call("get", path, **options)

    def call(self, how: str, *args: Any, **options: Any) -> Any:
        with self.on_commit(execute=True):
            return getattr(self.client, how)(*args, **options)


@pytest.fixture
def published() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Takes the messages that are published, by then, of what was accepted: their task, args and chain."""

    def take() -> list[dict[str, Any]]:
        relay.publish_due()
        return taken()

    def taken() -> list[dict[str, Any]]:
        with current_app.connection_for_read() as connection:
            channel = connection.default_channel
            queues = ("rates", "notifications")
            return [message for queue in queues for message in drain(channel, queue)]

    taken()
    yield take
    taken()


def drain(channel: Any, queue: str) -> Iterator[dict[str, Any]]:
    channel.queue_declare(queue)
    while message := channel.basic_get(queue, no_ack=True):
        args, kwargs, embed = json.loads(message.body)
        headers = message.properties.get("headers") or message.headers
        yield {
            "id": headers["id"],
            "task": headers["task"],
            "args": args,
            "kwargs": kwargs,
            "chain": embed["chain"],
            "embed": embed,
        }


@pytest.fixture
def broker_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing fails as it does where no broker answers."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("no broker is there")

    monkeypatch.setattr("kombu.messaging.Producer.publish", refuse)
