"""While Telegram is slow, one process of all waits for it: the others leave their messages to the broker for a moment.

Without that the few processes of a pool would all wait, each for TELEGRAM_TIMEOUT_SECONDS, and what isn't Telegram's
(webhooks, what beat has done) would wait behind them. A process finds by a call of its own that Telegram is slow, and
whose turn it is Redis knows; without Redis each waits for itself.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.conf import settings
from redis.exceptions import RedisError

from notifier.backends.base import Busy
from project import redis_client

log = logging.getLogger(__name__)

#: Of the longest that a call may take: one that took so much was slow.
SLOW_SHARE = 0.5
#: So long a process takes Telegram for slow after such a call; and after so long a message asks again. Seconds.
BELIEVED, ASK_AGAIN = 30.0, 3.0
#: Beyond the longest call: for a process that dies while it is its turn.
SLACK = 5.0
TURN = "telegram:turn"

_slow_until = 0.0


@contextmanager
def patience() -> Iterator[None]:
    """Around one call of the Bot API. Raises Busy where Telegram is slow and another process waits for it."""
    global _slow_until
    begun = time.monotonic()
    ours = begun < _slow_until and _take_turn()
    try:
        yield
    finally:
        took = time.monotonic() - begun
        slow = took >= SLOW_SHARE * settings.TELEGRAM_TIMEOUT_SECONDS
        if slow and not _slow_until:
            log.warning("Telegram took %.1f s: one process at a time waits for it", took)
        _slow_until = begun + took + BELIEVED if slow else 0.0
        if ours:
            with suppress(RedisError):  # it ends by itself
                redis_client.client(settings.REDIS_URL).delete(TURN)


def _take_turn() -> bool:
    """Whether it has to be given back. Raises Busy."""
    lasts = int((settings.TELEGRAM_TIMEOUT_SECONDS + SLACK) * 1000)
    try:
        taken = redis_client.client(settings.REDIS_URL).set(TURN, "1", nx=True, px=lasts)
    except RedisError as error:
        log.warning("Redis is away, this process waits for a slow Telegram whatever others do: %s", error)
        return False
    if not taken:
        raise Busy("Telegram is slow, and another process waits for it", retry_after=ASK_AGAIN)
    return True
