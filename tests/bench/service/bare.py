"""The limit: confluent-kafka without any framework, nothing stored, batches confirmed and committed as one.

`uvicorn tests.bench.service.bare:app` takes requests; `python -m tests.bench.service.bare rates` and `… notify` handle
them.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import redis
from confluent_kafka import Consumer, Producer

KAFKA = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
REQUESTS, MESSAGES = os.environ["BENCH_TOPICS"].split(",")
ACCEPTED = b'{"status": "accepted"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ACCEPTED))]


def new_producer() -> Producer:
    return Producer({"bootstrap.servers": KAFKA, "acks": "all", "enable.idempotence": True, "linger.ms": 0})


class Web:
    """The ASGI application: an answer when the broker has confirmed."""

    def __init__(self) -> None:
        self._producer = new_producer()
        threading.Thread(target=self._poll, daemon=True).start()

    def _poll(self) -> None:
        while True:
            self._producer.poll(0.1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, loop = (await receive())["body"], asyncio.get_running_loop()
        json.loads(body)
        confirmed = loop.create_future()

        def done(error: Any, message: Any) -> None:
            loop.call_soon_threadsafe(confirmed.set_result, error)

        self._producer.produce(REQUESTS, body, on_delivery=done)
        status = 503 if await confirmed else 202
        await send({"type": "http.response.start", "status": status, "headers": HEADERS})
        await send({"type": "http.response.body", "body": ACCEPTED})


def rates() -> None:
    cache, producer = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True), new_producer()
    for batch in batches(REQUESTS):
        for request in batch:
            value = str(cache.get(request["currency_char_code"]))
            text = f"{request['currency_char_code']}: {value}"
            producer.produce(MESSAGES, json.dumps({"chat_id": request["telegram_id"], "text": text}))
        producer.flush()


def notify() -> None:
    address = urlsplit(os.environ["TELEGRAM_API_URL"])
    api = http.client.HTTPConnection(str(address.hostname), address.port)
    for batch in batches(MESSAGES):
        for message in batch:
            body = json.dumps(message)
            api.request(
                "POST", f"/bot{os.environ['BOT_TOKEN']}/sendMessage", body, {"Content-Type": "application/json"}
            )
            api.getresponse().read()


def batches(topic: str) -> Iterator[list[Any]]:
    """Committed when the next one is asked for."""
    settings = {"bootstrap.servers": KAFKA, "group.id": f"bench-{topic}", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.subscribe([topic])
    while True:
        first = consumer.poll(1.0)
        if first is None or first.error():
            continue
        records = [first, *consumer.consume(99, timeout=0)]
        yield [json.loads(record.value() or b"") for record in records if not record.error()]
        consumer.commit(asynchronous=False)


if __name__ == "__main__":
    {"rates": rates, "notify": notify}[sys.argv[1]]()
else:
    app = Web()
