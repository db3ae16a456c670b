"""kombu's channel on Kafka: queues are topics, and consuming is membership in a consumer group."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic, time
from typing import Any, TypeVar

from kombu.exceptions import OperationalError

from . import meter
from .buffer import Record
from .consumer import GroupConsumer, Member
from .delay import hold_no_longer
from .errors import BrokerUnavailable, MessageTooLarge
from .expiry import published_at
from .listening import ListeningChannel
from .priorities import OrderedConsumer, PriorityConsumer
from .qos import QoS
from .ranks import queue_topic
from .records import (
    DEAD_DELIVERIES,
    DEAD_ORIGIN,
    DEAD_REASON,
    DEAD_TIME,
    DELIVERIES,
    PUBLISHED,
    Headers,
    decode,
    encode,
    number,
)
from .shared import close_deadline
from .topic_watch import shared_watch
from .trim import shared_trimmer

logger = logging.getLogger(__name__)

Consumer = TypeVar("Consumer", bound=GroupConsumer)

#: How long `basic_get` waits for a message that it knows to be there, in seconds: when it has to become a member of
#: the group first, and when it is one (the message may be in another member's hands).
GET_JOIN_TIMEOUT = 15.0
GET_TIMEOUT = 0.5


class Channel(ListeningChannel):
    """A channel has memberships of its own, so that closing it gives its unfinished messages to others."""

    do_restore = False

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        self._qos: QoS | None = None
        self.closed = False
        super().__init__(connection, **kwargs)
        self._members: dict[str, Member] = {}  # by queue
        self._callbacks: dict[str, tuple[Callable[[Any], Any], bool]] = {}

    # --- consuming --------------------------------------------------------------------------------------------------

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,
        callback: Callable[[Any], Any],
        consumer_tag: str,
        nowait: bool = False,
        **kwargs: Any,
    ) -> None:
        """Become a member of the queue's group. Who has no event loop waits here until that is done (for the last of
        its queues: kombu says `nowait` for those before), so that the timeouts of `drain_events` count from then on.
        """
        self._tag_to_queue[consumer_tag] = queue
        self._consumers.add(consumer_tag)
        if queue in self.connection.transients:
            self._listen(queue, callback)
            return
        self._new_queue(queue)
        self._callbacks[queue] = callback, no_ack
        self._member(queue)
        self.connection.move_delayed(self._topics, self._producer)
        if not nowait and not self.connection.asynchronous:
            self._await_members()

    def _await_members(self) -> None:
        deadline = monotonic() + self.options.session_timeout + self.options.connect_timeout
        for queue in self._callbacks:
            self._members[queue].await_settled(deadline)

    def basic_cancel(self, consumer_tag: str) -> None:
        if consumer_tag not in self._consumers:
            return
        self._consumers.remove(consumer_tag)
        queue = self._tag_to_queue.pop(consumer_tag)
        if queue in self._tag_to_queue.values():
            return
        if not self._stop_listening(queue):
            self._callbacks.pop(queue, None)
            self._members[queue].retire()

    def deliver_next(self) -> int:
        """Hand the next message of each queue, and the next broadcast, to their callbacks; returns how many.

        Not more than the prefetch limit allows.
        """
        # Remote control first: it may be about the very tasks.
        broadcasts: int = self._deliver_broadcast()
        return broadcasts + self.deliver_messages()

    def deliver_ready(self, limit: int) -> int:
        """The same until nothing is ready, or about `limit` are delivered. Called on each turn of an event loop."""
        total = 0
        while self._reader is not None and total < limit and (delivered := self._deliver_broadcast()):
            total += delivered
        while self._callbacks and total < limit and self.qos.can_consume() and (delivered := self.deliver_messages()):
            total += delivered
        return total

    def deliver_messages(self) -> int:
        """The next message of each queue, without broadcasts."""
        delivered = 0
        for queue, (callback, no_ack) in tuple(self._callbacks.items()):
            if not self.qos.can_consume():
                break
            while (record := self._members[queue].take()) is not None:
                message = self._receive(queue, record, no_ack)
                if message is not None:
                    delivered += 1
                    self._hand_over(message, record, callback)
                    break
        return delivered

    def _hand_over(self, message: Any, record: Record, callback: Callable[[Any], Any]) -> None:
        try:
            callback(message)
        except Exception:
            # Celery ends in order where it can't make a task of a message; the next worker would do so again.
            record.blame()
            raise

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any | None:
        """One message or None. Becoming a member of the group takes the first call some seconds."""
        member = self._members.get(queue)
        if member is None and not self._size(queue):
            return None
        deadline = monotonic() + (GET_JOIN_TIMEOUT if member is None else GET_TIMEOUT)
        member = self._member(queue)
        while True:
            record = member.take()
            message = None if record is None else self._receive(queue, record, no_ack)
            if message is not None:
                return message
            if record is not None:  # nothing to deliver; the next one, if any, must be on its way
                deadline = min(deadline, monotonic() + GET_TIMEOUT)
            if record is None and (not self._size(queue) or not self.connection.wait(deadline - monotonic())):
                return None

    def _member(self, queue: str) -> Member:
        """Our membership in the queue's group, from now on."""
        member = self._members.get(queue)
        if member is None or not member.revive():
            if member is not None and not self.connection.asynchronous:
                member.join(close_deadline())  # or the new one would find the old one's partitions taken
            member = self._members[queue] = self._join(queue)
        return member

    def _join(self, queue: str) -> Member:
        levels = self._levels(queue)
        if len(levels) > 1:
            topics = [levels[lowest] for lowest in sorted(levels, reverse=True)]
            return PriorityConsumer([self._consume_topic(OrderedConsumer, topic, held=True) for topic in topics])
        return self._consume_topic(GroupConsumer if self.connection.asynchronous else OrderedConsumer, levels[0])

    def _consume_topic(self, kind: type[Consumer], topic: str, **more: bool) -> Consumer:
        config = {
            **self.options.client_config(self._address.hosts, self._address.credentials),
            **self.options.consumer_config(topic),
        }
        trimmer = shared_trimmer(self._topics, self.options) if self.options.trim else None
        consumer = kind(topic, config, self.options, self.connection.wake, trimmer, **more)
        shared_watch(self._topics).add(consumer)
        return consumer

    def _receive(self, queue: str, record: Record, no_ack: bool) -> Any | None:
        deliveries = earlier_deliveries(record)
        if 0 < self.options.delivery_limit <= deliveries:
            self._dead_letter(record, f"delivered {deliveries} times without an end")
            return None
        if 0 < self.options.max_message_bytes < len(record.value):
            self._dead_letter(record, f"{len(record.value)} bytes, more than max_message_bytes")
            return None
        try:
            raw = decode(record.value, self._keys)
            if self._has_expired(queue, raw, record.timestamp, record.headers):
                record.finish()
                meter.count("expired", record.topic)
                return None
            hold_no_longer(raw, record.headers, time())
            info = raw["properties"]["delivery_info"]
            info["redelivered"] = record.redelivered or info.get("redelivered", False)
            info["delivery_count"] = deliveries
            message = self._message(raw)
        except Exception as error:  # noqa: BLE001  (whatever is wrong with one record, those behind it must go on)
            self._dead_letter(record, f"{type(error).__name__}: {error}")
            return None
        meter.count("delivered", record.topic)
        if info["redelivered"] or deliveries:
            meter.count("redelivered", record.topic)
        if no_ack:
            record.finish()
        else:
            self.qos.append(message, message.delivery_tag, record)
        return message

    def _requeue(self, record: Record, message: Any) -> None:
        raw = message.serializable()
        raw["properties"]["delivery_info"]["redelivered"] = True
        headers: Headers = [
            (DELIVERIES, str(earlier_deliveries(record) + 1).encode()),
            (PUBLISHED, str(published_at(record.timestamp, record.headers)).encode()),
            self._sequence(),
        ]
        self._producer.send(record.topic, encode(raw, self._keys), headers)
        meter.count("requeued", record.topic)

    def _dead_letter(self, record: Record, reason: str) -> None:
        """Keep a record that nobody can handle, or that kills who does, where it can be looked at: those behind it
        go on."""
        topic = queue_topic(record.topic) + self.options.dead_letter_suffix
        origin = f"{record.topic}:{record.partition}:{record.offset}"
        about: Headers = [
            (DEAD_REASON, reason[:1000].encode()),
            (DEAD_ORIGIN, origin.encode()),
            (DEAD_TIME, datetime.now(UTC).isoformat(timespec="milliseconds").encode()),
            (DEAD_DELIVERIES, str(earlier_deliveries(record)).encode()),
        ]
        try:
            try:
                self._producer.send(topic, record.value, [*record.headers, *about])
            except MessageTooLarge:
                self._producer.send(topic, None, about)
        except OperationalError as error:
            record.consumer.put_back(record)
            raise BrokerUnavailable(f"a record can't be kept in {topic}: {error}") from error
        record.finish()
        meter.count("dead_lettered", record.topic)
        logger.error("a record went to %s: %s (from %s)", topic, reason, origin)

    @property
    def qos(self) -> QoS:
        if self._qos is None:
            self._qos = QoS(self._requeue, self._dead_letter)
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
        reader = self._end_listening()
        members, self._members = self._members, {}
        for member in members.values():
            member.stop()
        deadline = close_deadline()
        for member in members.values():
            member.join(deadline)
        if reader is not None:
            reader.join(deadline)
        self._take_back_transients()
        self.qos.clear()
        if self.connection is not None:
            self.connection.close_channel(self)


def earlier_deliveries(record: Record) -> int:
    """How often a message was handed out before: as this record, and as those that it is a requeued copy of."""
    return number(record.headers, DELIVERIES) + record.deliveries
