"""While who is told is slow, one process of all waits for it: the others leave such messages to the broker for a while.

Without that the few processes of a pool would all wait, each for as long as a call may take, and what goes to others
(Telegram, webhooks, what beat has done) would wait behind them. A process finds by a call of its own who is slow, and
whose turn it is to wait Redis knows: one turn for all of them. Without Redis each process waits for itself.
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
#: So long a process takes somebody for slow after such a call; and after so long a message asks again. Seconds.
BELIEVED, ASK_AGAIN = 30.0, 3.0
#: Beyond the longest call: for a process that dies while it is its turn.
SLACK = 5.0
TURN = "notifier:turn"

_slow_until: dict[str, float] = {}


@contextmanager
def patience(who: str, longest: float) -> Iterator[None]:
    """Around one call, of at most so many seconds, to `who`. Raises Busy where that is slow and another waits."""
    begun = time.monotonic()
    ours = begun < _slow_until.get(who, 0.0) and _take_turn(who, longest)
    try:
        yield
    finally:
        _note(who, begun, longest)
        if ours:
            with suppress(RedisError):  # it ends by itself
                redis_client.client(settings.REDIS_URL).delete(TURN)


def _note(who: str, begun: float, longest: float) -> None:
    """What the call tells of who was called; whoever wasn't slow lately is forgotten."""
    ended = time.monotonic()
    slow = ended - begun >= SLOW_SHARE * longest
    if slow and who not in _slow_until:
        log.warning("%s took %.1f s: one process at a time waits for it", who, ended - begun)
    for other in [other for other, until in tuple(_slow_until.items()) if other == who or until < ended]:
        _slow_until.pop(other, None)
    if slow:
        _slow_until[who] = ended + BELIEVED


def _take_turn(who: str, longest: float) -> bool:
    """Whether it has to be given back. Raises Busy."""
    lasts = int((longest + SLACK) * 1000)
    try:
        taken = redis_client.client(settings.REDIS_URL).set(TURN, "1", nx=True, px=lasts)
    except RedisError as error:
        log.warning("Redis is away, this process waits for %s, which is slow, whatever others do: %s", who, error)
        return False
    if not taken:
        raise Busy(f"{who} is slow, and another process waits", retry_after=ASK_AGAIN)
    return True
