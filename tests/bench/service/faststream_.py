"""The same service with FastStream on confluent-kafka: one producer a process, each message acknowledged when it is
handled.

`uvicorn tests.bench.service.faststream_:app` takes requests; `python -m tests.bench.service.faststream_ rates` and
`… notify` handle them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import redis.asyncio
from fastapi import FastAPI
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker
from pydantic import BaseModel

REQUESTS, MESSAGES = os.environ["BENCH_TOPICS"].split(",")
broker = KafkaBroker(os.environ["KAFKA_BOOTSTRAP_SERVERS"], acks="all", enable_idempotence=True)


class RateRequest(BaseModel):
    currency_char_code: str
    telegram_id: int


class Message(BaseModel):
    telegram_id: int
    text: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await broker.start()
    yield
    await broker.stop()


app = FastAPI(lifespan=lifespan)


@app.post("/api/v1/rate-requests/", status_code=202)
async def ask(request: RateRequest) -> dict[str, str]:
    await broker.publish(request, REQUESTS)
    return {"status": "accepted"}


def rates() -> None:
    cache = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)

    @broker.subscriber(REQUESTS, group_id="bench-rates", auto_offset_reset="earliest", ack_policy=AckPolicy.ACK)
    @broker.publisher(MESSAGES)
    async def fetch(request: RateRequest) -> Message:
        value = str(await cache.get(request.currency_char_code))
        return Message(telegram_id=request.telegram_id, text=f"{request.currency_char_code}: {value}")


def notify() -> None:
    url = f"{os.environ['TELEGRAM_API_URL']}/bot{os.environ['BOT_TOKEN']}/sendMessage"
    sessions: list[aiohttp.ClientSession] = []

    @broker.subscriber(MESSAGES, group_id="bench-notify", auto_offset_reset="earliest", ack_policy=AckPolicy.ACK)
    async def send(message: Message) -> None:
        if not sessions:
            sessions.append(aiohttp.ClientSession())
        body = {"chat_id": message.telegram_id, "text": message.text}
        async with sessions[0].post(url, json=body) as answer:
            await answer.read()


if __name__ == "__main__":
    {"rates": rates, "notify": notify}[sys.argv[1]]()
    asyncio.run(FastStream(broker).run())
