"""A level of delayed messages as a worker sees it, and where its records go when their wait is over (see delay.py)."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from confluent_kafka import TopicPartition
from kombu.exceptions import OperationalError

from .delay import LEVELS, Waiting, delay_topic, left_header, level_for
from .errors import MessageTooLarge
from .kinds import DELAY
from .options import Options
from .producer import Outgoing
from .records import DEAD_ORIGIN, DEAD_REASON, DEAD_TIME, BadRecord, Headers

logger = logging.getLogger(__name__)

#: What a topic has refused is offered to it again after the waits of these levels, and the last one's again and again;
#: after so many tries it goes to the dead letters. All in all a day.
RETRY_LEVELS = LEVELS[:6]
MAX_TRIES = 20
#: Where not even a level takes a record: the longest pause, in seconds.
MAX_PAUSE = 60.0


@dataclass(slots=True)
class Delayed:
    """A record at the head of a level."""

    offset: int
    value: bytes
    headers: Headers  # without those of `waiting`
    stored_at: float  # seconds since 1970, by the broker's clock
    waiting: Waiting | BadRecord
    fetched_at: float = field(default_factory=time.monotonic)

    @property
    def waited(self) -> float:
        """For how many seconds it has been here at the least, whatever the clocks say."""
        return time.monotonic() - self.fetched_at

    @property
    def target(self) -> str:
        return "the dead letters" if isinstance(self.waiting, BadRecord) else self.waiting.target


@dataclass(slots=True)
class Level:
    """One partition that is ours: what of it is fetched and waits, usually no more than its head."""

    topic: str
    partition: int
    seconds: int
    heads: deque[Delayed] = field(default_factory=deque)
    fetched: int | None = None  # the offset after what was fetched
    committed: int | None = None
    paused: bool | None = None  # None: we don't know
    failures: int = 0
    not_before: float = 0.0  # on the monotonic clock

    def arrive(self, offset: int, value: bytes, headers: Headers, stored_at: float) -> None:
        waiting: Waiting | BadRecord
        try:
            waiting, headers = Waiting.read(headers)
        except BadRecord as bad:
            waiting = bad
        self.heads.append(Delayed(offset, value, headers, stored_at, waiting))
        self.fetched = offset + 1

    def over_in(self, now: float) -> float:
        """In how many seconds its first record may go on, where it is `now` by the broker's clock."""
        if not self.heads:
            return float("inf")
        wait = self.heads[0].stored_at + self.seconds - now
        if isinstance(self.heads[0].waiting, BadRecord):
            wait = 0.0
        return max(wait, self.not_before - time.monotonic())

    def take_over(self, now: float) -> list[Delayed]:
        taken = []
        while self.heads and self.over_in(now) <= 0:
            taken.append(self.heads.popleft())
        return taken

    def give_back(self, failed: list[Delayed]) -> None:
        """Records that could not go anywhere; none where all went."""
        self.heads.extendleft(reversed(failed))
        self.failures = min(self.failures + 1, 10) if failed else 0
        if failed:
            self.not_before = time.monotonic() + random.uniform(0.5, 1.0) * min(2.0**self.failures, MAX_PAUSE)

    @property
    def position(self) -> TopicPartition | None:
        """What may be committed, where that is news."""
        done = self.heads[0].offset if self.heads else self.fetched
        return None if done is None or done == self.committed else TopicPartition(self.topic, self.partition, done)


def onward(level: Level, item: Delayed, options: Options) -> Outgoing:
    """Its next level, or its queue."""
    waiting = item.waiting
    if isinstance(waiting, BadRecord):
        return dead(level, item, str(waiting), options)
    remaining, left = waiting.due - time.time(), waiting.after(item.waited)
    following = level_for(remaining if left is None else min(remaining, left), options.delay_after)
    if following is None:
        more = [] if left is None else [left_header(left)]
        return Outgoing(waiting.target, item.value, [*item.headers, *more])
    return _outgoing(following, item, replace(waiting, left=left), options)


def aside(level: Level, item: Delayed, failure: OperationalError, options: Options) -> Outgoing:
    """Where a record goes that could not go on: it is tried again later, and in the end it is a dead letter."""
    waiting = item.waiting
    if isinstance(waiting, BadRecord):
        return dead(level, item, str(waiting), options)
    if isinstance(failure, MessageTooLarge) or waiting.tries + 1 >= MAX_TRIES:
        return dead(level, item, f"{failure} (tries: {waiting.tries + 1})", options)
    retry = RETRY_LEVELS[min(waiting.tries, len(RETRY_LEVELS) - 1)]
    again = Waiting(waiting.target, waiting.due, waiting.tries + 1, waiting.after(item.waited))
    return _outgoing(retry, item, again, options)


def _outgoing(seconds: int, item: Delayed, waiting: Waiting, options: Options) -> Outgoing:
    topic = delay_topic(options.topic_prefix, seconds)
    return Outgoing(topic, item.value, [*item.headers, *waiting.headers()], DELAY)


def dead(level: Level, item: Delayed, reason: str, options: Options) -> Outgoing:
    """The level's own dead letters, because the target's may refuse it too; replayed, it passes through the level."""
    origin = f"{level.topic}:{level.partition}:{item.offset}"
    logger.error("a delayed task becomes a dead letter: %s (from %s)", reason, origin)
    waiting = item.waiting
    own = [] if isinstance(waiting, BadRecord) else Waiting(waiting.target, waiting.due).headers()
    about: Headers = [
        (DEAD_REASON, reason[:1000].encode()),
        (DEAD_ORIGIN, origin.encode()),
        (DEAD_TIME, datetime.now(UTC).isoformat(timespec="milliseconds").encode()),
    ]
    return Outgoing(level.topic + options.dead_letter_suffix, item.value, [*item.headers, *own, *about])
