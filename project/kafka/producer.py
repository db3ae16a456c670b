"""Confirmed publishing: `send` returns when the broker has the message, or raises within `publish_timeout`.

One client (client.py) serves all threads of a process, so that threads that publish at once share batches.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message
from kombu.exceptions import OperationalError

from . import meter
from .client import Client, Delivery
from .errors import UNKNOWN, MessageTooLarge, PublishFailed, publish_error
from .kinds import QUEUE, Kind
from .options import settings_key
from .quiet import Repeats
from .records import Headers
from .shared import PerProcess
from .together import Finish, current
from .topics import Topics

logger = logging.getLogger(__name__)
logger.addFilter(Repeats())  # events that nobody takes: one line, not one for each


#: How long the end of the interpreter waits for what was posted last, in seconds.
LAST_FLUSH = 1.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One of many messages for `send_all`. Its topic is made as `kind` where it isn't there."""

    topic: str
    value: bytes | None
    headers: Headers | None = None
    kind: Kind = QUEUE


class Outcome(Delivery):
    """What became of one of many: `failure` is None where it is stored. Where the topic's records get their time from
    the broker, `epoch` is its time when our monotonic clock began, in seconds since 1970, or a little before."""

    __slots__ = ("epoch", "failure")

    def __init__(self) -> None:
        super().__init__()
        self.failure: OperationalError | None = None
        self.epoch: float | None = None

    @contextlib.contextmanager
    def failing(self, topic: str) -> Iterator[None]:
        """Whatever is raised within is why this message failed, and concerns no other one."""
        try:
            yield
        except OperationalError as failure:
            self.failure = failure
        except Exception as error:  # a topic's name that can't be, no memory, no more threads
            logger.exception("a message for %s", topic)
            self.failure = PublishFailed(f"{topic!r}: {type(error).__name__}: {error}")

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            kind, milliseconds = message.timestamp()
            if kind == TIMESTAMP_LOG_APPEND_TIME:
                self.epoch = milliseconds / 1000 - time.monotonic()
        super().__call__(error, message)


class ConfirmedProducer:
    """A producer that waits for the broker's confirmation. Safe to share among threads, not across a fork."""

    def __init__(self, config: Mapping[str, Any], topics: Topics, timeout: float) -> None:
        self._config = dict(config)
        self._client = Client(self._config)
        self._topics = topics
        self._timeout = timeout
        # A burst of unkeyed records would stick to one partition: take them in turn, from a random start.
        self._turns = itertools.count(random.randrange(1 << 16))

    def send(self, topic: str, value: bytes | None, headers: Headers | None = None, key: bytes | None = None) -> int:
        """Store one message; returns its timestamp (ms since 1970: the broker's, where the topic is set so).

        Raises MessageTooLarge or PublishFailed, and BrokerUnavailable for a new topic. Among others (together.py) it
        only begins, and the timestamp is 0.
        """
        if (item := current()) is not None:
            item.add(self.begin(topic, value, headers, key))
            return 0
        began = time.monotonic()
        try:
            timestamp = self._send(topic, value, headers, key)
        except OperationalError:
            meter.count("publish_failed", topic)
            raise
        meter.count("published", topic)
        meter.time("publish", topic, time.monotonic() - began)
        return timestamp

    def _send(self, topic: str, value: bytes | None, headers: Headers | None, key: bytes | None) -> int:
        deadline = time.monotonic() + self._timeout
        while True:
            client = self._client
            delivery = Delivery()
            error = self._attempt(client, delivery, topic, value, headers, key)
            if error is None:
                return 0 if delivery.message is None else delivery.message.timestamp()[1]
            failure = publish_error(error, topic, len(value or b""))
            if isinstance(failure, MessageTooLarge):
                raise failure from KafkaException(error)
            self._after_failure(client, topic, error)
            if error.code() not in UNKNOWN or time.monotonic() > deadline:
                raise failure from KafkaException(error)
            # Deleted behind our back: it is made again, and the news of it needs a moment.
            time.sleep(random.uniform(0.05, 0.2))

    def post(self, topic: str, value: bytes | None, key: bytes | None = None) -> None:
        """Send without waiting; a message that is lost is logged. For what the next one replaces anyway."""
        try:
            self._client.produce(topic, value, key=key, partition=0, on_delivery=_log_failure)
        except (BufferError, KafkaException) as error:
            logger.warning("not sent to %s: %s", topic, error)
        self._client.serve()

    def begin(
        self, topic: str, value: bytes | None, headers: Headers | None = None, key: bytes | None = None
    ) -> Finish:
        """Send one message; what is returned waits for its confirmation and says what went wrong. Raises as `send`."""
        client, delivery, began = self._client, Delivery(), time.monotonic()
        deadline = began + self._timeout + 1.0
        if (refused := self._begin(client, delivery, topic, value, headers, key)) is not None:
            meter.count("publish_failed", topic)
            self._after_failure(client, topic, refused)
            raise publish_error(refused, topic, len(value or b""))

        def finish() -> OperationalError | None:
            client.wait(delivery, deadline)
            if (error := delivery.answer) is None:
                meter.count("published", topic)
                meter.time("publish", topic, time.monotonic() - began)
                return None
            meter.count("publish_failed", topic)
            self._after_failure(client, topic, error)
            return publish_error(error, topic, len(value or b""))

        return finish

    def send_all(self, messages: Sequence[Outgoing]) -> list[Outcome]:
        """Store many at once, and say of each what became of it. Raises nothing, and takes about `publish_timeout` at
        the most."""
        client, deadline = self._client, time.monotonic() + self._timeout
        outcomes = [Outcome() for _ in messages]
        for message, outcome in zip(messages, outcomes, strict=True):
            with outcome.failing(message.topic):
                if time.monotonic() > deadline:
                    raise PublishFailed(f"{message.topic!r}: no time was left for it")
                refused = self._begin(
                    client, outcome, message.topic, message.value, message.headers, None, message.kind
                )
                if refused is not None:
                    self._fail(client, message, refused)
        for message, outcome in zip(messages, outcomes, strict=True):
            with outcome.failing(message.topic):
                if outcome.failure is None:
                    client.wait(outcome, deadline + 1.0)
                    if (error := outcome.answer) is not None:
                        self._fail(client, message, error)
            meter.count("published" if outcome.failure is None else "publish_failed", message.topic)
        return outcomes

    def _fail(self, client: Client, message: Outgoing, error: KafkaError) -> NoReturn:
        self._after_failure(client, message.topic, error)
        raise publish_error(error, message.topic, len(message.value or b""))

    def flush(self, timeout: float) -> None:
        """Wait for what was posted, at most so many seconds."""
        self._client.flush(timeout)

    def _attempt(
        self,
        client: Client,
        delivery: Delivery,
        topic: str,
        value: bytes | None,
        headers: Headers | None,
        key: bytes | None,
    ) -> KafkaError | None:
        """What the broker, or librdkafka, says against the message; None where it is stored."""
        if (refused := self._begin(client, delivery, topic, value, headers, key)) is not None:
            return refused
        # librdkafka itself gives up after message.timeout.ms; the second on top covers its timer's grain.
        client.wait(delivery, time.monotonic() + self._timeout + 1.0)
        return delivery.answer

    def _begin(
        self,
        client: Client,
        delivery: Delivery,
        topic: str,
        value: bytes | None,
        headers: Headers | None,
        key: bytes | None,
        kind: Kind = QUEUE,
    ) -> KafkaError | None:
        """Returns what the first message to the partition failed by, where this one isn't sent because of that."""
        partition = next(self._turns) % self._topics.partitions(topic, kind)
        refused = client.follow(delivery, topic, partition, time.monotonic() + self._timeout + 1.0)
        if refused is not None:
            return refused
        try:
            client.produce(topic, value, key=key, partition=partition, headers=headers, on_delivery=delivery)
        except BufferError as full:
            client.give_up_first(topic, partition, delivery)
            raise PublishFailed(f"{topic!r}: the local queue is full, the broker takes messages too slowly") from full
        except KafkaException as exception:
            client.give_up_first(topic, partition, delivery)
            delivery.error, delivery.done = exception.args[0], True
        except BaseException:
            client.give_up_first(topic, partition, delivery)
            raise
        return None

    def _after_failure(self, client: Client, topic: str, error: KafkaError) -> None:
        self._topics.forget(topic)
        if error.fatal() or error.code() == KafkaError._MSG_TIMED_OUT:
            # A broker that has forgotten this producer's sequence refuses it for ever: begin a new one.
            self._replace(client)

    def _replace(self, client: Client) -> None:
        if self._client is client:
            self._client = Client(self._config)


def _log_failure(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        logger.warning("not sent to %s: %s", message.topic(), error.str())


_producers: PerProcess[ConfirmedProducer] = PerProcess()


def shared_producer(config: Mapping[str, Any], topics: Topics, timeout: float) -> ConfirmedProducer:
    """This process' producer of this configuration."""
    return _producers.get(settings_key(config), lambda: ConfirmedProducer(config, topics, timeout))


@atexit.register
def _flush_all() -> None:
    """What was posted last, such as that a queue of ours is gone, has nobody else who waits for it."""
    for producer in _producers.values():
        producer.flush(LAST_FLUSH)
