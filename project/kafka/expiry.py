"""When a message is too old to be delivered: its own ``expiration``, and its queue's ``x-message-ttl``.

What counts is the time at which the broker took it in, by the broker's clock, so that the clocks of those who publish
and consume may differ. A message that is put back into its queue keeps its first time in a header.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from kombu.exceptions import OperationalError

from .kinds import BROADCAST
from .options import Options, settings_key
from .producer import ConfirmedProducer
from .records import PUBLISHED, Headers, Message, number
from .shared import PerProcess
from .topics import Topics

logger = logging.getLogger(__name__)

#: How long a comparison of the clocks is believed, in seconds; after one that failed, how long until the next.
COMPARE_EVERY = 600.0
COMPARE_AGAIN = 10.0
SAY_EVERY = 10.0


def published_at(timestamp: int, headers: Headers) -> int:
    """When the broker first had a record's message, in milliseconds since 1970."""
    return number(headers, PUBLISHED) or timestamp


def time_to_live(message: Message, queue_ttl: int | None) -> int | None:
    """In milliseconds; None where the message never expires.

    A Celery task that expires is delivered all the same: the worker tells those who wait for it that it is revoked.
    """
    headers = message.get("headers") or {}
    if "task" in headers and headers.get("expires"):
        return queue_ttl
    text = message["properties"].get("expiration")
    if text is None:  # nearly always, and an exception takes longer than all the rest here
        return queue_ttl
    try:
        own = int(text)
    except (TypeError, ValueError):
        return queue_ttl
    return own if queue_ttl is None else min(own, queue_ttl)


class Expired:
    """How many messages of each queue were dropped because of their age; the log tells it now and then."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._said: dict[str, float] = {}

    def add(self, queue: str) -> None:
        self.counts[queue] += 1
        now = time.monotonic()
        if now - self._said.get(queue, float("-inf")) > SAY_EVERY:
            self._said[queue] = now
            logger.info("%s: %d messages expired before they could be delivered", queue, self.counts[queue])


class BrokerClock:
    """The brokers' time, as far as this process can tell. Safe to share among threads, not across a fork.

    It is asked only where messages can expire; Kafka tells its time only to those who write.
    """

    def __init__(self, topic_prefix: str, topics: Topics, producer: ConfirmedProducer) -> None:
        self._topic = topic_prefix + "celery.clock"
        self._topics, self._producer = topics, producer
        self._started: float | None = None  # their time when our monotonic clock began, in milliseconds
        self._compare_at = float("-inf")
        self._lock = threading.Lock()

    def now(self) -> float:
        """Milliseconds since 1970. Where the brokers could never be asked, it is the time here."""
        with self._lock:
            if time.monotonic() >= self._compare_at:
                self._compare()
            return time.time() * 1000 if self._started is None else self._started + time.monotonic() * 1000

    def _compare(self) -> None:
        try:
            self._topics.partitions(self._topic, BROADCAST)
            # The second is the better one: its way was open already.
            _, self._started = self._ask(), self._ask()
            self._compare_at = time.monotonic() + COMPARE_EVERY
        except OperationalError as error:
            logger.warning("the brokers can't be asked for their time, by which messages expire: %s", error)
            self._compare_at = time.monotonic() + COMPARE_AGAIN

    def _ask(self) -> float:
        before = time.monotonic()
        theirs = self._producer.send(self._topic, b"")
        return theirs - (before + time.monotonic()) * 500


_clocks: PerProcess[BrokerClock] = PerProcess()


def shared_clock(
    config: Mapping[str, Any], options: Options, topics: Topics, producer: ConfirmedProducer
) -> BrokerClock:
    """This process' idea of the time that the brokers of this configuration have."""
    key = settings_key(config), options.key
    return _clocks.get(key, lambda: BrokerClock(options.topic_prefix, topics, producer))
