"""Tasks that are due later wait in topics, not in a worker: in which one, and for how long.

Each level is a topic whose every record waits as long as the level says. So its records come to their end in the order
in which they were stored: only the first has to be watched, nothing is kept in memory, and what is done is a prefix
that can be trimmed. A task passes through as many levels as make up its time, the longest first (mover.py takes it on);
for the last seconds a worker holds it, by Celery's own clock.

That clock may be wrong, or was wrong where the time was written down that a task is due. So each record also says for
how long it has to wait from then on, and nobody holds it longer.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from .errors import AccessDenied
from .kinds import DELAY
from .options import Options
from .quiet import Repeats
from .records import BadRecord, Headers, Message
from .topics import Topics

logger = logging.getLogger(__name__)
logger.addFilter(Repeats())

#: How long a record of each level waits, in seconds: from 5 s to 3.8 days.
LEVELS = tuple(5 * 4**power for power in range(9))
#: A level is entered with this much time to spare, in seconds: so late may a record leave it without harm.
SPARE = 2.0
#: Of a record in a level: the topic that it is for, and when it is due, in seconds since 1970. Where that topic has
#: refused it, how often.
TARGET, DUE, TRIES = "celery-delay-topic", "celery-delay-until", "celery-delay-tries"
#: Of a record in a level or a queue: in how many seconds from when it was stored there it is due, at the latest.
LEFT = "celery-delay-left"
#: Clocks that differ by no more than this, in seconds, are taken for the same: an ETA is what Celery says it is.
TOLERANCE = 5.0


def delay_topic(prefix: str, level: int | str) -> str:
    return f"{prefix}celery.delay.{level}"


@cache
def delay_topics(prefix: str) -> Mapping[str, int]:
    """The levels' topics, with the seconds of each."""
    return {delay_topic(prefix, level): level for level in LEVELS}


def mover_group(options: Options) -> str:
    return f"{options.topic_prefix}celery.delay"


def consumers_of(topic: str, options: Options) -> str:
    """The consumer group of a topic: of those who move on what a level holds, or of a queue's workers."""
    return mover_group(options) if topic in delay_topics(options.topic_prefix) else options.group_of(topic)


def level_for(remaining: float, delay_after: float) -> int | None:
    """The level for a task that is due in `remaining` seconds; None where it is for its queue."""
    if delay_after <= 0 or remaining <= delay_after:
        return None
    return max((level for level in LEVELS if level + SPARE <= remaining), default=None)


def due_at(headers: Mapping[str, Any]) -> float | None:
    """When a Celery task is due, in seconds since 1970; None where it doesn't say so, or not in a way to be read."""
    eta = headers.get("eta")
    if not isinstance(eta, str) or "task" not in headers:
        return None
    try:
        when = datetime.fromisoformat(eta)
        # Celery's workers, too, take what has no zone for UTC.
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None  # the worker says so, as on any broker


def detour(message: Message, topic: str, now: float, options: Options, topics: Topics) -> tuple[str, Headers | None]:
    """The topic that a message for `topic` is written to now, and the record's headers.

    Raises BrokerUnavailable where a delay topic can't be made just now.
    """
    due = due_at(message.get("headers") or {})
    if due is None:
        return topic, None
    left = due - now
    level = level_for(left, options.delay_after)
    if level is None:
        return topic, [left_header(left)]
    by = delay_topic(options.topic_prefix, level)
    try:
        topics.partitions(by, DELAY)
    except AccessDenied as error:
        logger.warning("tasks that are due later are held by workers: %s", error)
        return topic, [left_header(left)]
    return by, Waiting(topic, due, left=left).headers()


def left_header(left: float) -> tuple[str, bytes]:
    return LEFT, repr(round(left, 3)).encode()


def hold_no_longer(message: Message, headers: Headers, now: float) -> None:
    """Bring a task's ETA forward where by the clock here, `now`, it is further away than it was when it was stored."""
    if not headers:  # nearly always
        return
    due, left = due_at(message.get("headers") or {}), _left(dict(headers))
    if due is not None and left is not None and due - now > left + TOLERANCE:
        message["headers"]["eta"] = (datetime.fromtimestamp(now, UTC) + timedelta(seconds=max(0.0, left))).isoformat()


def _left(headers: Mapping[str, str | bytes | None]) -> float | None:
    """None where it isn't said, as by older versions, or not in a way to be read."""
    try:
        return float(_text(headers.get(LEFT)))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a record in a level says of itself."""

    target: str
    due: float
    tries: int = 0
    left: float | None = None  # None: the record doesn't say

    def headers(self) -> Headers:
        own: Headers = [(TARGET, self.target.encode()), (DUE, repr(self.due).encode())]
        if self.tries:
            own.append((TRIES, str(self.tries).encode()))
        return own if self.left is None else [*own, left_header(self.left)]

    def after(self, seconds: float) -> float | None:
        """What is left, at the most, when it has waited for so many seconds."""
        return None if self.left is None else self.left - seconds

    @classmethod
    def read(cls, headers: Headers) -> tuple[Waiting, Headers]:
        """Ours, and the headers that are not. Raises BadRecord."""
        own = dict(headers)
        try:
            target, due, tries = own[TARGET], own[DUE], own.get(TRIES)
            waiting = cls(_text(target), float(_text(due)), int(_text(tries) or 0), _left(own))
            if not waiting.target or waiting.tries < 0 or not math.isfinite(waiting.due):
                raise ValueError("no topic, or no such tries or time")
        except (KeyError, ValueError) as error:
            raise BadRecord(f"not a delayed message: {type(error).__name__}: {error}") from error
        return waiting, [(name, value) for name, value in headers if name not in (TARGET, DUE, TRIES, LEFT)]


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
