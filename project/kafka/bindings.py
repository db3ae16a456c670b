"""Which queue is bound to which exchange, for every process: a compacted topic holds the table.

Kafka knows no exchanges. kombu's virtual ones route by a table in the memory of one process; remote control, its
replies and events need the same table everywhere.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from .errors import UNKNOWN, BrokerUnavailable, checked, denied
from .groups import QUIET, patiently
from .kinds import TABLE
from .options import Options, settings_key
from .producer import ConfirmedProducer
from .shared import PerProcess
from .topics import Topics

logger = logging.getLogger(__name__)

#: How old the table may be when a message is routed by it, in seconds. Where it has no queue for a message it is read
#: again at once, however new it is: a reply is sent to a queue that was bound a moment ago.
STALE_AFTER = 1.0

#: How long an event may wait for the table, and how long no other one does after that, in seconds.
EVENT_PATIENCE = 0.5
EVENT_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Binding:
    """One row. A transient queue has no topic of its own: its messages are broadcast (see broadcast.py)."""

    exchange: str
    type: str
    routing_key: str
    pattern: str | None
    queue: str
    transient: bool

    @property
    def key(self) -> bytes:
        return json.dumps([self.exchange, self.routing_key, self.queue]).encode()

    @property
    def value(self) -> bytes:
        return json.dumps([self.type, self.pattern, self.transient]).encode()

    @classmethod
    def from_record(cls, key: bytes, value: bytes) -> Binding:
        exchange, routing_key, queue = json.loads(key)
        type_, pattern, transient = json.loads(value)
        return cls(exchange, type_, routing_key, pattern, queue, transient)


class Bindings:
    """The table as this process knows it. Safe to share among threads, not across a fork."""

    def __init__(
        self, config: Mapping[str, Any], options: Options, topics: Topics, producer: ConfirmedProducer
    ) -> None:
        self._topic = options.topic_prefix + "celery.bindings"
        self._options = options
        self._topics, self._producer = topics, producer
        self._rows: dict[bytes, Binding] = {}
        self._lock = threading.RLock()
        self._read_at = self._ask_again_at = float("-inf")
        own = {
            "group.id": options.reader_group,
            # A broker answers one request of a connection after the other: a fetch that waits holds up the next.
            # Nothing is fetched while the table is not read, so short waits cost nothing.
            "fetch.wait.max.ms": 5,
            **QUIET,
        }
        self._config = {**config, **options.consumer_config("bindings"), **own}
        topics.partitions(self._topic, TABLE)
        self._partition = TopicPartition(self._topic, 0)
        self._from_the_start()

    def add(self, binding: Binding) -> None:
        """Returns once every process that looks can see it."""
        with self._lock:
            self._catch_up(STALE_AFTER)
            if self._rows.get(binding.key) != binding:
                self._producer.send(self._topic, binding.value, key=binding.key)
                self._rows[binding.key] = binding

    def remove(
        self, queue: str, exchange: str | None = None, routing_key: str | None = None, wait: bool = True
    ) -> None:
        """Drop the bindings of a queue: all of them, or those to one exchange, or with one routing key.

        Without `wait` it is done sooner or later, or never where the broker is away: for queues that nobody reads.
        """
        send = self._producer.send if wait else self._producer.post
        with self._lock:
            if wait:
                self._catch_up(0.0)  # others may have bound it
            for key, row in tuple(self._rows.items()):
                if (
                    row.queue == queue
                    and exchange in (None, row.exchange)
                    and (routing_key is None or row.routing_key == routing_key)
                ):
                    send(self._topic, None, key=key)
                    del self._rows[key]

    def of(self, exchange: str, missed: bool = False) -> list[Binding]:
        """The bindings to an exchange; `missed` where the ones known before had no queue for a message."""
        with self._lock:
            self._catch_up(0.0 if missed else STALE_AFTER)
            return self._known(exchange)

    def of_events(self, exchange: str) -> list[Binding]:
        """The same, as far as it is known at once: a heartbeat must not hold up its worker while a broker is away."""
        with self._lock:
            if time.monotonic() >= self._ask_again_at:
                try:
                    self._catch_up(STALE_AFTER, EVENT_PATIENCE)
                except BrokerUnavailable as error:
                    logger.debug("events are routed by an old table: %s", error)
                    self._ask_again_at = time.monotonic() + EVENT_PAUSE
            return self._known(exchange)

    def _known(self, exchange: str) -> list[Binding]:
        return [row for row in self._rows.values() if row.exchange == exchange]

    def durable_queues(self) -> set[str]:
        """The queues that have a topic and are bound to anything."""
        with self._lock:
            self._catch_up(STALE_AFTER)
            return {row.queue for row in self._rows.values() if not row.transient}

    def _catch_up(self, stale_after: float, timeout: float | None = None) -> None:
        """Read what others wrote. Raises BrokerUnavailable where that takes too long."""
        now = time.monotonic()
        if now - self._read_at < stale_after:
            return
        timeout = self._options.connect_timeout if timeout is None else timeout
        try:
            end = self._end(timeout)
            if end < self._position:
                end = self._write_again(timeout)
            if self._position < end:
                patiently(lambda: self._read_up_to(end, now + timeout), timeout)
        except KafkaException as exception:
            raise BrokerUnavailable(f"the table of bindings: {exception.args[0].str()}") from exception
        self._read_at = now

    def _read_up_to(self, end: int, deadline: float) -> None:
        try:
            # Paused in between: nobody needs the news until a message is routed.
            self._consumer.resume([self._partition])
            self._stir(max(0.001, deadline - time.monotonic()))
            while self._position < end:
                self._read(deadline, end)
            self._consumer.pause([self._partition])
        except KafkaException as exception:
            if exception.args[0].code() in UNKNOWN:
                self._from_the_start()  # it was made a moment ago, and the broker that was asked hadn't heard of it yet
            raise

    def _end(self, timeout: float) -> int:
        try:
            return self._topics.end(self._topic, timeout)
        except BrokerUnavailable as error:
            cause = error.__cause__
            if not isinstance(cause, KafkaException) or cause.args[0].code() not in UNKNOWN:
                raise
        self._topics.forget(self._topic)
        self._topics.partitions(self._topic, TABLE)
        return self._topics.end(self._topic, timeout)

    def _write_again(self, timeout: float) -> int:
        """The broker has forgotten the table, as the embedded one does when it ends; each process knows all of it."""
        logger.warning("topic %s has been made anew: its %d bindings are written again", self._topic, len(self._rows))
        for key, row in self._rows.items():
            self._producer.send(self._topic, row.value, key=key)
        self._from_the_start()
        return self._end(timeout)

    def _from_the_start(self) -> None:
        """With a new consumer: one that has once heard that the topic isn't there believes so for half a minute."""
        self._consumer = checked(Consumer, self._config)
        self._consumer.assign([TopicPartition(self._topic, 0, 0)])
        self._consumer.pause([self._partition])
        self._position = 0

    def _stir(self, timeout: float) -> None:
        """Have librdkafka fetch now: what serves the broker sleeps up to a second, and only a request wakes it."""
        self._consumer.get_watermark_offsets(self._partition, timeout=timeout, cached=False)

    def _read(self, deadline: float, end: int) -> None:
        message = self._consumer.poll(0.05)
        error = None if message is None else message.error()
        if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise denied(error, f"read topic {self._topic!r}", "Read on it")
        if message is None or error is not None:
            # The last records before `end` may be gone by compaction: then the position passes them unseen.
            self._position = max(self._position, self._consumer.position([self._partition])[0].offset)
            if self._position < end:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise BrokerUnavailable("the table of bindings can't be read in time")
                self._stir(left)
            return
        key, value = message.key() or b"", message.value()
        self._position = (message.offset() or 0) + 1
        try:
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = Binding.from_record(key, value)
        except (ValueError, TypeError) as error:
            logger.warning("a record in %s is no binding: %s", self._topic, error)


_tables: PerProcess[Bindings] = PerProcess()


def shared_bindings(
    config: Mapping[str, Any], options: Options, topics: Topics, producer: ConfirmedProducer
) -> Bindings:
    """This process' view of the table behind this configuration."""
    key = settings_key(config), options.key
    return _tables.get(key, lambda: Bindings(config, options, topics, producer))
