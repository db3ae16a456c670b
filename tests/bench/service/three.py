"""The design that this project grew out of: three services, two topics, and a producer opened for each message.

`uvicorn tests.bench.service.three:app` is the first; `python -m tests.bench.service.three rates` and `… notify` are
the others. Nothing is stored, and offsets are committed by time, as aiokafka does by default.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import aiohttp
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from fastapi import FastAPI
from pydantic import BaseModel

KAFKA = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
REQUESTS, MESSAGES = os.environ["BENCH_TOPICS"].split(",")
app = FastAPI()


class RateRequest(BaseModel):
    currency_char_code: str
    telegram_id: int


@app.post("/api/v1/rate-requests/", status_code=202)
async def ask(request: RateRequest) -> dict[str, str]:
    await publish(REQUESTS, request.model_dump())
    return {"status": "accepted"}


async def publish(topic: str, data: dict[str, Any]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=KAFKA)
    await producer.start()
    try:
        await producer.send_and_wait(topic, json.dumps(data).encode())
    finally:
        await producer.stop()


async def rates() -> None:
    cache = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    async for request in messages(REQUESTS):
        value = str(await cache.get(request["currency_char_code"]))
        text = f"{request['currency_char_code']}: {value}"
        await publish(MESSAGES, {"telegram_id": request["telegram_id"], "text": text})


async def notify() -> None:
    url = f"{os.environ['TELEGRAM_API_URL']}/bot{os.environ['BOT_TOKEN']}/sendMessage"
    async with aiohttp.ClientSession() as session:
        async for message in messages(MESSAGES):
            body = {"chat_id": message["telegram_id"], "text": message["text"]}
            async with session.post(url, json=body) as answer:
                await answer.read()


async def messages(topic: str) -> Any:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=KAFKA, group_id=f"bench-{topic}", auto_offset_reset="earliest")
    await consumer.start()
    try:
        async for record in consumer:
            yield json.loads(record.value)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run({"rates": rates, "notify": notify}[sys.argv[1]]())
