"""kombu's channel on Kafka: queues are topics, and consuming is membership in a consumer group."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable
from time import monotonic
from typing import Any

from amqp.protocol import queue_declare_ok_t
from kombu.exceptions import OperationalError
from kombu.transport import virtual

from .bindings import Binding, Bindings, shared_bindings
from .broadcast import BroadcastReader, TransientQueue, broadcast_topic
from .consumer import GroupConsumer, Record, join_all
from .errors import BrokerUnavailable, MessageTooLarge
from .producer import ConfirmedProducer, shared_producer
from .qos import QoS
from .records import BadRecord, Headers, Message, decode, encode, topic_name
from .topics import BROADCAST, Topics, shared_topics

logger = logging.getLogger(__name__)

#: How long `basic_get` waits for a message that it knows to be there, in seconds: when it has to become a member of
#: the group first, and when it is one (the message may be in another member's hands).
GET_JOIN_TIMEOUT = 15.0
GET_TIMEOUT = 0.5


class Channel(virtual.Channel):  # type: ignore[misc]  # kombu has no types
    """A channel has memberships of its own, so that closing it gives its unfinished messages to others."""

    do_restore = False

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        self._qos: QoS | None = None
        self.closed = False
        super().__init__(connection, **kwargs)
        self.options = connection.options
        self._address = connection.address
        self._members: dict[str, GroupConsumer] = {}  # by queue
        self._callbacks: dict[str, tuple[Callable[[Any], Any], bool]] = {}
        self._reader: BroadcastReader | None = None
        self._listening: dict[str, Callable[[Any], Any]] = {}  # by transient queue
        self._own_transients: set[str] = set()
        self._tags = itertools.count(1)
        self._clients: tuple[int, Topics, ConfirmedProducer, Bindings] | None = None

    # --- publishing -------------------------------------------------------------------------------------------------

    def basic_publish(self, message: Message, exchange: str, routing_key: str, **kwargs: Any) -> None:
        """Store a message in every queue that the exchange routes it to. Raises PublishFailed or BrokerUnavailable."""
        self._inplace_augment_message(message, exchange, routing_key)
        if exchange:
            durable, transient = self._route(exchange, routing_key)
        else:
            transient = self._is_transient(routing_key)
            durable = set() if transient else {routing_key}
        for queue in durable:
            self._put(queue, message)
        if transient:
            self._broadcast(exchange, message)

    def _put(self, queue: str, message: Message, **kwargs: Any) -> None:
        self._producer.send(self._topic(queue), encode(message))

    def _broadcast(self, exchange: str, message: Message) -> None:
        topic = broadcast_topic(self.options.topic_prefix, exchange)
        self._topics.partitions(topic, BROADCAST)
        if message["properties"].get("delivery_mode") == 1 and self._type_of(exchange) == "topic":
            # Events: a worker has better things to do than to wait for the confirmation of each.
            self._producer.post(topic, encode(message))
        else:
            self._producer.send(topic, encode(message))

    def _route(self, exchange: str, routing_key: str) -> tuple[set[str], bool]:
        """The durable queues that a message goes to, and whether any transient one does."""
        rows = self._bindings.of(exchange)
        matching = self._match(exchange, routing_key, rows)
        if not matching and self._type_of(exchange) == "direct":
            rows = self._bindings.of(exchange, missed=True)
            matching = self._match(exchange, routing_key, rows)
        transient = {row.queue for row in rows if row.transient}
        return matching - transient, bool(matching & transient)

    def _match(self, exchange: str, routing_key: str, rows: list[Binding]) -> set[str]:
        if not rows:
            return set()
        table = [(row.routing_key, row.pattern, row.queue) for row in rows]
        found: set[str] = self.exchange_types[rows[0].type].lookup(table, exchange, routing_key, None)
        return found

    def _type_of(self, exchange: str) -> str:
        declared: str = self.state.exchanges.get(exchange, {}).get("type", "direct")
        return declared

    def _is_transient(self, queue: str) -> bool:
        """Whether a queue that is addressed by its name has no topic of its own (the reply queue of rpc results)."""
        if queue in self.connection.transients:
            return True
        if self._topics.exists(self._topic(queue)):
            return False
        rows = self._bindings.of("", missed=True)
        return any(row.transient and row.queue == queue for row in rows)

    def _requeue(self, record: Record, message: Any) -> None:
        raw = message.serializable()
        raw["properties"]["delivery_info"]["redelivered"] = True
        self._producer.send(record.topic, encode(raw))

    def _dead_letter(self, record: Record, reason: str) -> None:
        """Keep a record that nobody can handle where it can be looked at, so that the ones behind it go on."""
        topic = record.topic + self.options.dead_letter_suffix
        origin = f"{record.topic}:{record.partition}:{record.offset}"
        about: Headers = [("reason", reason[:1000].encode()), ("origin", origin.encode())]
        try:
            try:
                self._producer.send(topic, record.value, [*record.headers, *about])
            except MessageTooLarge:
                self._producer.send(topic, None, about)
        except OperationalError as error:
            record.consumer.put_back(record)
            raise BrokerUnavailable(f"a bad record can't be kept in {topic}: {error}") from error
        record.finish()
        logger.error("a record went to %s: %s (from %s)", topic, reason, origin)

    # --- queues -----------------------------------------------------------------------------------------------------

    def queue_declare(
        self,
        queue: str = "",
        passive: bool = False,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        **kwargs: Any,
    ) -> queue_declare_ok_t:
        """Make the queue's topic; a queue that is to die with this connection gets none (see broadcast.py).

        The length is counted only for `passive`, because counting asks every partition.
        """
        if passive:
            return super().queue_declare(queue, passive=True, **kwargs)
        queue = queue or f"amq.gen-{os.urandom(16).hex()}"
        if exclusive or auto_delete or not durable:
            self._new_transient(queue)
        else:
            self._new_queue(queue)
        return queue_declare_ok_t(queue, 0, 0)

    def _new_transient(self, queue: str) -> None:
        if queue not in self.connection.transients:
            self.connection.transients[queue] = TransientQueue()
            self._own_transients.add(queue)
            self._bind("", "direct", queue, None, queue)

    def queue_bind(
        self, queue: str, exchange: str = "", routing_key: str = "", arguments: Any = None, **kwargs: Any
    ) -> None:
        super().queue_bind(queue, exchange, routing_key, arguments, **kwargs)
        type_ = self._type_of(exchange)
        _, pattern, _ = self.exchange_types[type_].prepare_bind(queue, exchange, routing_key, arguments)
        self._bind(exchange, type_, routing_key, pattern, queue)

    def _bind(self, exchange: str, type_: str, routing_key: str, pattern: str | None, queue: str) -> None:
        transient = self.connection.transients.get(queue)
        if transient is not None:
            topic = broadcast_topic(self.options.topic_prefix, exchange)
            self._topics.partitions(topic, BROADCAST)
            transient.begins.setdefault(topic, self._topics.end(topic))
        self._bindings.add(Binding(exchange, type_, routing_key or "", pattern, queue, transient is not None))

    def after_reply_message_received(self, queue: str) -> None:
        """The reply queue of remote control stays for the next question; it goes with the channel."""

    def queue_unbind(
        self, queue: str, exchange: str = "", routing_key: str = "", arguments: Any = None, **kwargs: Any
    ) -> None:
        super().queue_unbind(queue, exchange, routing_key, arguments, **kwargs)
        self._bindings.remove(queue, exchange, routing_key)

    def queue_delete(self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any) -> None:
        if if_empty and self._size(queue):
            return
        self.state.queue_bindings_delete(queue)
        for exchange in self.state.exchanges.values():
            exchange["table"] = [row for row in exchange.get("table", ()) if row[2] != queue]
        self._bindings.remove(queue)
        if self.connection.transients.pop(queue, None) is None:
            self._delete(queue)

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        self._topics.partitions(self._topic(queue))

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return queue in self.connection.transients or self._topics.exists(self._topic(queue))

    def _size(self, queue: str) -> int:
        if queue in self.connection.transients:
            return 0
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
        self._tag_to_queue[consumer_tag] = queue
        self._consumers.add(consumer_tag)
        transient = self.connection.transients.get(queue)
        if transient is not None:
            self._listening[queue] = callback
            self._broadcasts().listen(transient.begins)
            return
        self._new_queue(queue)
        self._callbacks[queue] = callback, no_ack
        self._member(queue)

    def basic_cancel(self, consumer_tag: str) -> None:
        if consumer_tag not in self._consumers:
            return
        self._consumers.remove(consumer_tag)
        queue = self._tag_to_queue.pop(consumer_tag)
        if queue in self._tag_to_queue.values():
            return
        if self._listening.pop(queue, None) is None:
            self._callbacks.pop(queue, None)
            self._members[queue].retire()

    def deliver_next(self) -> int:
        """Hand the next record of each queue to its callback, up to the prefetch limit; returns how many it took."""
        # Remote control first: it may be about the very tasks.
        taken = self._deliver_broadcasts()
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

    def _deliver_broadcasts(self) -> int:
        taken = 0
        while self._reader is not None and (item := self._reader.take()) is not None:
            taken += 1
            topic, offset, value = item
            try:
                raw = decode(value)
            except BadRecord as error:
                logger.warning("a broadcast in %s is no message: %s", topic, error)
                continue
            info = raw["properties"]["delivery_info"]
            for queue in self._bound_here(info.get("exchange") or "", info.get("routing_key") or ""):
                callback = self._listening.get(queue)
                if callback is not None and offset >= self._begins(queue).get(topic, offset + 1):
                    callback(self._message(decode(value)))
        return taken

    def _bound_here(self, exchange: str, routing_key: str) -> set[str]:
        if not exchange:
            return {routing_key}
        table = self.state.exchanges.get(exchange, {}).get("table", ())
        found: set[str] = self.typeof(exchange).lookup(table, exchange, routing_key, None)
        return found

    def _begins(self, queue: str) -> dict[str, int]:
        transient = self.connection.transients.get(queue)
        return {} if transient is None else transient.begins

    def _broadcasts(self) -> BroadcastReader:
        if self._reader is None:
            config = self.options.client_config(self._address.hosts, self._address.credentials)
            self._reader = BroadcastReader(config, self.options, self.connection.wake)
        return self._reader

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
            info = raw["properties"]["delivery_info"]
            info["redelivered"] = record.redelivered or info.get("redelivered", False)
            message = self._message(raw)
        except Exception as error:  # noqa: BLE001  (whatever is wrong with one record, those behind it must go on)
            self._dead_letter(record, f"{type(error).__name__}: {error}")
            return None
        if no_ack:
            record.finish()
        else:
            self.qos.append(message, message.delivery_tag, record)
        return message

    def _message(self, raw: Message) -> Any:
        raw["properties"]["delivery_tag"] = next(self._tags)
        return self.Message(raw, channel=self)

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
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()
        members, self._members = self._members, {}
        for member in members.values():
            member.stop()
        join_all(members.values())
        if reader is not None:
            reader.join()
        for queue in self._own_transients:
            if self.connection.transients.pop(queue, None) is not None:
                self._bindings.remove(queue, wait=False)
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

    @property
    def _bindings(self) -> Bindings:
        return self._process_clients()[3]

    def _process_clients(self) -> tuple[int, Topics, ConfirmedProducer, Bindings]:
        """The clients that this process shares; a channel that came through a fork gets its own process' ones."""
        if self._clients is None or self._clients[0] != os.getpid():
            config = self.options.client_config(self._address.hosts, self._address.credentials)
            topics = shared_topics(config, self.options)
            producer = shared_producer(
                {**config, **self.options.producer_config()}, topics, self.options.publish_timeout
            )
            bindings = shared_bindings(config, self.options, topics, producer)
            self._clients = os.getpid(), topics, producer, bindings
        return self._clients
