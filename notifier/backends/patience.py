"""While who is told is slow, one process of all waits for it: the others leave such messages to the broker for a while.

Without that the few processes of a pool would all wait, each for as long as a call may take, and what goes to others
(Telegram, webhooks, what beat has done) would wait behind them. A process finds by a call of its own who is slow, and
whose turn it is to wait Redis knows: one turn for all of them. Without Redis each process waits for itself.
"""

import logging
import random
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
#: So long a process takes somebody for slow after such a call. Seconds.
BELIEVED = 30.0
#: After so long a message to somebody slow asks again, and, sooner, one to somebody of whom nothing is known. Seconds.
ASK_AGAIN, TRY_AGAIN = (3.0, 9.0), (0.5, 2.0)
#: So long a process trusts somebody who has answered in time, though others of the kind don't.
TRUSTED = 600.0
#: Beyond the longest call: for a process that dies while it is its turn.
SLACK = 5.0
TURN = "notifier:turn"

#: By who is called, and by kind.
_slow_until: dict[str, float] = {}
_trusted_until: dict[str, float] = {}


@contextmanager
def patience(who: str, longest: float, kind: str = "") -> Iterator[None]:
    """Around one call, of at most so many seconds, to `who`. Raises Busy where that is slow and another waits.

    `kind` where there are many of whom each may be slow: while one is, those that we know nothing good of wait as well.
    """
    begun = time.monotonic()
    slow = begun < _slow_until.get(who, 0.0)
    doubted = begun < _slow_until.get(kind, 0.0) and begun >= _trusted_until.get(who, 0.0)
    ours = (slow or doubted) and _take_turn(who, longest, ASK_AGAIN if slow else TRY_AGAIN)
    try:
        yield
    finally:
        _note(who, begun, longest, kind)
        if ours:
            with suppress(RedisError):  # it ends by itself
                redis_client.client(settings.REDIS_URL).delete(TURN)


def _note(who: str, begun: float, longest: float, kind: str) -> None:
    """What the call tells of who was called; whoever wasn't called lately is forgotten."""
    ended = time.monotonic()
    slow = ended - begun >= SLOW_SHARE * longest
    if slow and who not in _slow_until:
        log.warning("%s took %.1f s: one process at a time waits for it", who, ended - begun)
    for believed in (_slow_until, _trusted_until):
        for other in [other for other, until in tuple(believed.items()) if other == who or until < ended]:
            believed.pop(other, None)
    if slow:
        _slow_until[who] = ended + BELIEVED
        if kind:
            _slow_until[kind] = ended + BELIEVED
    elif kind:
        _trusted_until[who] = ended + TRUSTED


def _take_turn(who: str, longest: float, again: tuple[float, float]) -> bool:
    """Whether it has to be given back. Raises Busy, with a time between the two of `again`."""
    lasts = int((longest + SLACK) * 1000)
    try:
        taken = redis_client.client(settings.REDIS_URL).set(TURN, "1", nx=True, px=lasts)
    except RedisError as error:
        log.warning("Redis is away, this process waits for %s, which may be slow, whatever others do: %s", who, error)
        return False
    if not taken:
        raise Busy(f"{who} is slow, or may be, and another process waits", retry_after=random.uniform(*again))
    return True
