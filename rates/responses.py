"""Whole answers of the API in Redis, for as long as what they were made of doesn't change.

Every change of stored rates raises a number (`rates.cache.changed`), and an answer counts only under the number that
stood before it was made. Where Redis is away, every answer is made anew.
"""

import base64
import hashlib
import json
import logging
import time
from dataclasses import dataclass

from django.conf import settings
from redis.exceptions import RedisError

from rates import cache

logger = logging.getLogger(__name__)

PREFIX = "rates:answer:1:"
# A change whose number could not be raised is told after this at the latest.
SECONDS = 60
MAX_BYTES = 256 * 1024
# A Redis that is away is asked again after this.
AWAY_SECONDS = 5.0
# By the address of Redis, as time.monotonic() counts.
_away_until: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Stored:
    """The body of an answer with status 200, and the headers that go with it."""

    body: bytes
    headers: dict[str, str]
    # When a newer sheet is expected, as time.time() counts; 0 where one is due already.
    until: float


def key_of(*parts: str) -> str:
    """The key for what an answer depends on."""
    return PREFIX + hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def get(key: str) -> tuple[str | None, Stored | None]:
    """The number now (None: Redis is away, so `put` nothing), and the answer if there is one under it."""
    if time.monotonic() < _away_until.get(settings.REDIS_URL, 0.0):
        return None, None
    try:
        number, text = cache.client().mget([cache.NUMBER_KEY, key])
    except RedisError as error:
        _away_until[settings.REDIS_URL] = time.monotonic() + AWAY_SECONDS
        logger.warning("The cache of answers is away: %s", error)
        return None, None
    number = str(number or "0")
    if not text:
        return number, None
    data = json.loads(text)
    if data["number"] != number or 0 < data["until"] <= time.time():
        return number, None
    return number, Stored(base64.b64decode(data["body"]), data["headers"], data["until"])


def put(key: str, number: str, stored: Stored) -> None:
    """Keeps an answer that was made while `number` stood."""
    if len(stored.body) > MAX_BYTES:
        return
    data = {
        "number": number,
        "headers": stored.headers,
        "until": stored.until,
        "body": base64.b64encode(stored.body).decode(),
    }
    try:
        cache.client().set(key, json.dumps(data), ex=SECONDS)
    except RedisError as error:
        logger.warning("The cache of answers is away: %s", error)
