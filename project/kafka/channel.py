"""kombu's channel on Kafka: queues are topics, and consuming is membership in a consumer group."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable
from time import monotonic
from typing import Any

from amqp.protocol import queue_declare_ok_t
from kombu.transport import virtual

from .consumer import GroupConsumer, Record
from .producer import ConfirmedProducer, shared_producer
from .qos import QoS
from .records import BadRecord, Message, decode, encode, topic_name
from .topics import Topics, shared_topics

logger = logging.getLogger(__name__)

#: How long `basic_get` waits for a message that it knows to be there, in seconds: when it has to become a member of
#: the group first, and when it is one (the message may be in another member's hands).
GET_JOIN_TIMEOUT = 15.0
GET_TIMEOUT = 0.5


class Channel(virtual.Channel):  # type: ignore[misc]  # kombu has no types
    """A channel has memberships of its own, so that closing it gives its unfinished messages to others."""

    do_restore = False
    supports_fanout = False

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        self._qos: QoS | None = None
        self.closed = False
        super().__init__(connection, **kwargs)
        self.options = connection.options
        self._address = connection.address
        self._members: dict[str, GroupConsumer] = {}  # by queue
        self._callbacks: dict[str, tuple[Callable[[Any], Any], bool]] = {}
        self._tags = itertools.count(1)
        self._clients: tuple[int, Topics, ConfirmedProducer] | None = None

    # --- publishing -------------------------------------------------------------------------------------------------

    def _put(self, queue: str, message: Message, **kwargs: Any) -> None:
        self._producer.send(self._topic(queue), encode(message))

    def _requeue(self, record: Record, message: Any) -> None:
        raw = message.serializable()
        raw["properties"]["delivery_info"]["redelivered"] = True
        self._producer.send(record.topic, encode(raw))

    def _dead_letter(self, record: Record, reason: str) -> None:
        """Keep a record that nobody can handle where it can be looked at, so that the ones behind it go on."""
        topic = record.topic + self.options.dead_letter_suffix
        origin = f"{record.topic}:{record.partition}:{record.offset}"
        self._producer.send(
            topic, record.value, [*record.headers, ("reason", reason.encode()), ("origin", origin.encode())]
        )
        logger.error("a record went to %s: %s (from %s)", topic, reason, origin)

    # --- queues -----------------------------------------------------------------------------------------------------

    def queue_declare(self, queue: str = "", passive: bool = False, **kwargs: Any) -> queue_declare_ok_t:
        """Make the queue's topic. Its length is counted only for `passive`, because counting asks every partition."""
        if passive:
            return super().queue_declare(queue, passive=True, **kwargs)
        queue = queue or f"amq.gen-{os.urandom(16).hex()}"
        self._new_queue(queue)
        return queue_declare_ok_t(queue, 0, 0)

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        self._topics.partitions(self._topic(queue))

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return self._topics.exists(self._topic(queue))

    def _size(self, queue: str) -> int:
        topic = self._topic(queue)
        return self._topics.length(topic, self.options.group_of(topic))

    def _purge(self, queue: str) -> int:
        topic = self._topic(queue)
        return self._topics.finish_all(topic, self.options.group_of(topic))

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        self._topics.delete(self._topic(queue))

    # --- consuming --------------------------------------------------------------------------------------------------

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[[Any], Any], consumer_tag: str, **kwargs: Any
    ) -> None:
        self._new_queue(queue)
        self._tag_to_queue[consumer_tag] = queue
        self._consumers.add(consumer_tag)
        self._callbacks[queue] = callback, no_ack
        self._member(queue)

    def basic_cancel(self, consumer_tag: str) -> None:
        if consumer_tag not in self._consumers:
            return
        self._consumers.remove(consumer_tag)
        queue = self._tag_to_queue.pop(consumer_tag)
        if queue not in self._tag_to_queue.values():
            self._callbacks.pop(queue, None)
            self._members[queue].retire()

    def deliver_next(self) -> int:
        """Hand the next record of each queue to its callback, up to the prefetch limit; returns how many it took."""
        taken = 0
        for queue, (callback, no_ack) in tuple(self._callbacks.items()):
            if not self.qos.can_consume():
                break
            record = self._members[queue].take()
            if record is None:
                continue
            taken += 1
            message = self._receive(record, no_ack)
            if message is not None:
                callback(message)
        return taken

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any | None:
        """One message or None. Becoming a member of the group takes the first call some seconds."""
        member = self._members.get(queue)
        if member is None and not self._size(queue):
            return None
        deadline = monotonic() + (GET_JOIN_TIMEOUT if member is None else GET_TIMEOUT)
        member = self._member(queue)
        while True:
            record = member.take()
            message = None if record is None else self._receive(record, no_ack)
            if message is not None:
                return message
            if record is None and (not self._size(queue) or not self.connection.wait(deadline - monotonic())):
                return None

    def _member(self, queue: str) -> GroupConsumer:
        """Our membership in the queue's group, from now on."""
        member = self._members.get(queue)
        if member is None or not member.revive():
            topic = self._topic(queue)
            config = {
                **self.options.client_config(self._address.hosts, self._address.credentials),
                **self.options.consumer_config(topic),
            }
            member = self._members[queue] = GroupConsumer(topic, config, self.options, self.connection.wake)
        return member

    def _receive(self, record: Record, no_ack: bool) -> Any | None:
        try:
            raw = decode(record.value)
        except BadRecord as error:
            self._dead_letter(record, str(error))
            record.finish()
            return None
        properties = raw["properties"]
        properties["delivery_tag"] = tag = next(self._tags)
        info = properties["delivery_info"]
        info["redelivered"] = record.redelivered or info.get("redelivered", False)
        message = self.Message(raw, channel=self)
        if no_ack:
            record.finish()
        else:
            self.qos.append(message, tag, record)
        return message

    @property
    def qos(self) -> QoS:
        if self._qos is None:
            self._qos = QoS(self._requeue)
        return self._qos

    def basic_recover(self, requeue: bool = False) -> None:
        if not requeue:
            raise NotImplementedError("messages can only be recovered by putting them back: requeue=True")
        self.qos.restore_unacked()

    # --- life -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Leave the group: what is not acknowledged goes to another member."""
        if self.closed:
            return
        self.closed = True
        self._consumers.clear()
        self._callbacks.clear()
        members, self._members = self._members, {}
        for member in members.values():
            member.stop()
        for member in members.values():
            member.join()
        self.qos.clear()
        if self.connection is not None:
            self.connection.close_channel(self)

    def _topic(self, queue: str) -> str:
        return topic_name(self.options.topic_prefix, queue)

    @property
    def _topics(self) -> Topics:
        return self._process_clients()[1]

    @property
    def _producer(self) -> ConfirmedProducer:
        return self._process_clients()[2]

    def _process_clients(self) -> tuple[int, Topics, ConfirmedProducer]:
        """The clients that this process shares; a channel that came through a fork gets its own process' ones."""
        if self._clients is None or self._clients[0] != os.getpid():
            config = self.options.client_config(self._address.hosts, self._address.credentials)
            topics = shared_topics(config, self.options)
            producer = shared_producer(
                {**config, **self.options.producer_config()}, topics, self.options.publish_timeout
            )
            self._clients = os.getpid(), topics, producer
        return self._clients
