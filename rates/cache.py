"""The newest answer in Redis, shared by all processes, and the lock that lets one of them ask the CBR.

Redis away is no reason to fail: every function then logs a warning and says that it has nothing.
"""

import enum
import functools
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from django.conf import settings
from redis.exceptions import LockError, RedisError

from project import redis_client
from rates.answer import Answer

logger = logging.getLogger(__name__)

# A new format gets a new key, so that two versions can run side by side while one replaces the other.
ANSWER_KEY = "rates:newest:1"
LOCK_KEY = "rates:newest:lock"
# Raised by every change of what is stored.
NUMBER_KEY = "rates:changes"
# A question takes some 25 seconds at worst; the lock of a process that died in it goes after this.
LOCK_SECONDS = 30
POLL_SECONDS = 0.05
# Until when marks stand, by time.monotonic(), for when Redis is away.
_flags: dict[str, float] = {}


class Flight(enum.Enum):
    """A process' part: LEADER asks, OTHERS still ask, ALONE cannot see whether others do."""

    LEADER = "leader"
    OTHERS = "others"
    ALONE = "alone"


def client() -> redis.Redis:
    return redis_client.client(settings.REDIS_URL)


def get() -> Answer | None:
    """The cached answer, or None."""
    try:
        text = client().get(ANSWER_KEY)
    except RedisError as error:
        logger.warning("The cache of rates is away: %s", error)
        return None
    try:
        return _read(str(text)) if text else None
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("The cached rates can't be read: %r", error)
        return None


@functools.lru_cache(maxsize=1)
def _read(text: str) -> Answer:
    """Every request reads the same for a minute, and to read it takes as long as to ask for it."""
    return Answer.loads(text)


def put(answer: Answer, seconds: float) -> None:
    """Keeps `answer` for `seconds`."""
    try:
        client().set(ANSWER_KEY, answer.dumps(), px=max(int(seconds * 1000), 1))
    except RedisError as error:
        logger.warning("The cache of rates is away: %s", error)


def forget() -> None:
    """Drops the cached answer, for a sheet that came by another way, and what was made of the stored rates."""
    try:
        client().delete(ANSWER_KEY)
    except RedisError as error:
        logger.warning("The cache of rates is away: %s", error)
    changed()


def changed() -> None:
    """Tells all processes that stored rates have changed; to be called when that is committed."""
    try:
        client().incr(NUMBER_KEY)
    except RedisError as error:
        logger.warning("The cache of rates is away: %s", error)


@contextmanager
def single_flight(wait_seconds: float, key: str = LOCK_KEY) -> Iterator[Flight]:
    """Waits until the one who holds the lock has held it for `wait_seconds`, takes it for the block where it is given
    back by then, and says what came of it."""
    lock = client().lock(key, timeout=LOCK_SECONDS, sleep=POLL_SECONDS, thread_local=False)
    try:
        left = max(wait_seconds - _held_for(key), 0.0)
        flight = Flight.LEADER if lock.acquire(blocking_timeout=left) else Flight.OTHERS
    except RedisError as error:
        logger.warning("The lock of rates is away: %s", error)
        flight = Flight.ALONE
    try:
        yield flight
    finally:
        if flight is Flight.LEADER:
            try:
                lock.release()
            except (LockError, RedisError) as error:
                logger.warning("The lock of rates was lost: %s", error)


def _held_for(key: str) -> float:
    """Seconds."""
    left: int = client().pttl(key)  # negative where nobody holds it
    return LOCK_SECONDS - left / 1000 if left >= 0 else 0.0


def set_flag(key: str, seconds: float) -> None:
    """Sets a mark that goes by itself; where Redis is away, for this process only."""
    _flags[key] = time.monotonic() + seconds
    try:
        client().set(key, 1, px=max(int(seconds * 1000), 1))
    except RedisError as error:
        logger.warning("The cache of rates is away: %s", error)


def flag(key: str) -> bool:
    """Whether the mark is set."""
    try:
        return bool(client().exists(key))
    except RedisError as error:
        logger.warning("The cache of rates is away: %s", error)
        return _flags.get(key, 0.0) > time.monotonic()
