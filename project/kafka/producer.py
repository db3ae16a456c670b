"""Confirmed publishing: `send` returns when the broker has the message, or raises within `publish_timeout`.

One librdkafka producer serves all threads of a process, so that threads that publish at once share batches. Delivery
reports arrive only while somebody polls: one of the waiting threads leads and polls for all, then hands over. (With
every thread polling for itself they take the reports from each other; with a thread of its own each report costs two
switches.)
"""

from __future__ import annotations

import itertools
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from .errors import PublishFailed, publish_error
from .options import process_key
from .records import Headers
from .topics import Topics

logger = logging.getLogger(__name__)


class Delivery:
    """One message on its way. `done` is set with the broker's answer; `wake` also when its waiter has to lead."""

    __slots__ = ("done", "error", "wake")

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.done = False
        self.error: KafkaError | None = None

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self.error = error
        self.done = True
        self.wake.set()


class ConfirmedProducer:
    """A producer that waits for the broker's confirmation. Safe to share among threads, not across a fork."""

    def __init__(self, config: Mapping[str, Any], topics: Topics, timeout: float) -> None:
        self._producer = Producer({**config, "logger": logger})
        self._topics = topics
        self._timeout = timeout
        self._leading = threading.Lock()
        self._waiting: deque[Delivery] = deque()
        # A burst of unkeyed records would stick to one partition: take them in turn, from a random start.
        self._turns = itertools.count(random.randrange(1 << 16))

    def send(self, topic: str, value: bytes | None, headers: Headers | None = None, key: bytes | None = None) -> None:
        """Store one message. Raises MessageTooLarge or PublishFailed."""
        try:
            self._send(topic, value, headers, key)
        except PublishFailed as failure:
            if not _unknown_topic(failure):
                raise
            # Deleted behind our back, maybe recreated with fewer partitions: look again, once.
            self._topics.forget(topic)
            self._send(topic, value, headers, key)

    def post(self, topic: str, value: bytes | None, key: bytes | None = None) -> None:
        """Send without waiting; a message that is lost is logged. For what the next one replaces anyway."""
        try:
            self._producer.produce(topic, value, key=key, partition=0, on_delivery=_log_failure)
            self._producer.poll(0)
        except (BufferError, KafkaException) as error:
            logger.warning("not sent to %s: %s", topic, error)

    def _send(self, topic: str, value: bytes | None, headers: Headers | None, key: bytes | None) -> None:
        delivery = Delivery()
        partition = next(self._turns) % self._topics.partitions(topic)
        try:
            self._producer.produce(topic, value, key=key, partition=partition, headers=headers, on_delivery=delivery)
        except BufferError as full:
            raise PublishFailed(f"{topic!r}: the local queue is full, the broker takes messages too slowly") from full
        except KafkaException as exception:
            raise publish_error(exception.args[0], topic, len(value or b"")) from exception
        self._wait(delivery)
        if delivery.error is not None:
            raise publish_error(delivery.error, topic, len(value or b"")) from KafkaException(delivery.error)

    def _wait(self, delivery: Delivery) -> None:
        # librdkafka itself gives up after message.timeout.ms; the second on top covers its timer's grain.
        deadline = time.monotonic() + self._timeout + 1.0
        self._waiting.append(delivery)
        try:
            while not delivery.done:
                if self._leading.acquire(blocking=False):
                    try:
                        self._lead(delivery, deadline)
                    finally:
                        self._leading.release()
                else:
                    delivery.wake.wait(max(0.0, deadline - time.monotonic()))
                    if not delivery.done:
                        delivery.wake.clear()
                if not delivery.done and time.monotonic() > deadline:
                    raise PublishFailed(f"no confirmation within {self._timeout:g} s")
        finally:
            self._waiting.remove(delivery)
            self._hand_over()

    def _lead(self, delivery: Delivery, deadline: float) -> None:
        while not delivery.done and time.monotonic() < deadline:
            self._producer.poll(min(1.0, max(0.0, deadline - time.monotonic())))

    def _hand_over(self) -> None:
        """Wake one of those who still wait: it polls next, should nobody do it."""
        for other in tuple(self._waiting):
            if not other.done:
                other.wake.set()
                return


def _log_failure(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        logger.warning("not sent to %s: %s", message.topic(), error.str())


def _unknown_topic(failure: PublishFailed) -> bool:
    cause = failure.__cause__
    return isinstance(cause, KafkaException) and cause.args[0].code() in (
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
    )


_producers: dict[tuple[int, str], ConfirmedProducer] = {}
_lock = threading.Lock()
#: A forked child must not even free the parent's clients: librdkafka's threads don't exist there.
_inherited: list[ConfirmedProducer] = []


def shared_producer(config: Mapping[str, Any], topics: Topics, timeout: float) -> ConfirmedProducer:
    """This process' producer of this configuration."""
    key = process_key(config)
    with _lock:
        if key not in _producers:
            _producers[key] = ConfirmedProducer(config, topics, timeout)
        return _producers[key]


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _inherited.extend(_producers.values())
    _producers.clear()


os.register_at_fork(after_in_child=_after_fork)
