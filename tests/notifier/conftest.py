"""What the notifier's tests share."""

import asyncio
import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import redis
from celery import current_app
from django.db import connections
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from notifier import relay, requests
from notifier.backends import memory, telegram
from notifier.backends.telegram_session import make_bot
from notifier.bot.app import InHand, dispatcher
from notifier.bot.pace import paced
from notifier.models import RateRequest
from rates.quotes import Quote
from rates.sheets import Sheet, SheetRate
from rates.store import save_sheet
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
def bot(standin: TelegramStandin, published: Callable[[], list[Any]]) -> Iterator[TelegramStandin]:
    """The bot polls the stand-in, in a loop of its own."""
    stop = threading.Event()

    async def serve() -> None:
        in_hand = InHand()
        one, speaker = dispatcher(in_hand), paced(make_bot())
        polling = asyncio.create_task(one.start_polling(speaker, handle_signals=False, polling_timeout=1))
        while not stop.is_set() and not polling.done():
            await asyncio.sleep(0.02)
        if not polling.done():
            await one.stop_polling()
        await polling
        await in_hand.finish()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    yield standin
    stop.set()
    thread.join(20)
    connections.close_all()


def sheet(day: dt.date, **values: str) -> None:
    """Store a sheet: USD="75.5273", JPY="48.15" for 100, and IRR="53.9256" for a million."""
    ids = {"USD": "R01235", "EUR": "R01239", "CNY": "R01375", "JPY": "R01820", "KZT": "R01335", "IRR": "R01300"}
    nominals = {"JPY": 100, "KZT": 100, "IRR": 1_000_000}
    rates = [
        SheetRate(ids[code], "000", code, nominals.get(code, 1), code, Decimal(value)) for code, value in values.items()
    ]
    save_sheet(Sheet(day, tuple(rates)))


FRIDAY, SATURDAY = dt.date(2026, 4, 24), dt.date(2026, 4, 25)


@pytest.fixture
def sheets(db: None) -> None:
    """Of two days; USD rises, EUR falls, the yen stays."""
    sheet(FRIDAY, USD="75.0000", EUR="88.9000", CNY="11.0000", JPY="48.1500", KZT="16.0000")
    sheet(SATURDAY, USD="75.5273", EUR="88.0110", CNY="11.0500", JPY="48.1500", KZT="16.3172")


@pytest.fixture
def empty_redis(redis_server: str, settings: Any) -> Iterator[str]:
    settings.REDIS_URL = redis_server
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        yield redis_server


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
