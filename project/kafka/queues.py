"""What a channel declares and publishes to: queues, exchanges and what binds them."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import time
import weakref
from collections.abc import Mapping
from typing import Any

from amqp.protocol import queue_declare_ok_t
from kombu.transport import virtual
from kombu.transport.base import to_rabbitmq_queue_arguments

from .arguments import QueueArguments
from .bindings import Binding, Bindings, shared_bindings
from .broadcast import TransientQueue, broadcast_topic
from .delay import detour
from .errors import BrokerUnavailable
from .expiry import BrokerClock, shared_clock
from .kinds import BROADCAST
from .producer import ConfirmedProducer, shared_producer
from .purge import purge
from .ranks import Levels, level_of, level_topic, lowest_priorities, priority_of
from .records import SEQUENCE, Headers, Message, encode, topic_name
from .topics import Topics, shared_topics

logger = logging.getLogger(__name__)

NO_ARGUMENTS = QueueArguments()
#: A topic that isn't there for so long after it was made has been forgotten, in seconds.
FRESH = 2.0
#: This process' channels.
_open: weakref.WeakSet[QueueChannel] = weakref.WeakSet()
os.register_at_fork(after_in_child=_open.clear)


class QueueChannel(virtual.Channel):  # type: ignore[misc]  # kombu has no types
    """The half of a channel that declares queues and publishes to them; channel.py consumes."""

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.options = connection.options
        self._keys = self.options.keys
        self._address = connection.address
        self._own_transients: set[str] = set()
        _open.add(self)
        self._clients: tuple[int, Topics, ConfirmedProducer, Bindings, BrokerClock] | None = None

    # --- publishing -------------------------------------------------------------------------------------------------

    def basic_publish(self, message: Message, exchange: str, routing_key: str, **kwargs: Any) -> None:
        """Store a message in every queue that the exchange routes it to. Raises PublishFailed or BrokerUnavailable."""
        if self.connection is None:
            # Where a declaration before it found the broker away, kombu has connected anew, and publishes here still.
            raise BrokerUnavailable("this channel is closed: the broker was away")
        self._inplace_augment_message(message, exchange, routing_key)
        if exchange:
            durable, transient = self._route(exchange, routing_key, is_event=self._is_event(exchange, message))
        else:
            transient = self._is_transient(routing_key)
            durable = set() if transient else {routing_key}
        for queue in durable:
            self._put(queue, message)
        if transient:
            self._broadcast(exchange, message)

    def _put(self, queue: str, message: Message, **kwargs: Any) -> None:
        topic = self._topic(queue)
        headers: Headers = []
        priority = priority_of(message["properties"])
        if priority or self._arguments(queue).max_priority:
            topic, headers = level_of(self._topics.levels(topic), priority), [self._sequence()]
        topic, delay = detour(message, topic, time.time(), self.options, self._topics)
        self._producer.send(topic, encode(message, self._keys), [*headers, *(delay or ())] or None)

    def _sequence(self) -> tuple[str, bytes]:
        """A header that tells the order of messages that reach the broker within one of its milliseconds."""
        return SEQUENCE, str(time.time_ns()).encode()

    def _broadcast(self, exchange: str, message: Message) -> None:
        topic = broadcast_topic(self.options.topic_prefix, exchange)
        self._topics.partitions(topic, BROADCAST)
        if self._is_event(exchange, message):
            self._producer.post(topic, encode(message, self._keys))
        else:
            self._producer.send(topic, encode(message, self._keys))

    def _is_event(self, exchange: str, message: Message) -> bool:
        """A worker has better things to do than to wait for each: most of the time nobody listens."""
        return message["properties"].get("delivery_mode") == 1 and self._type_of(exchange) == "topic"

    def _route(self, exchange: str, routing_key: str, is_event: bool) -> tuple[set[str], bool]:
        """The durable queues that a message goes to, and whether any transient one does.

        Where the bindings that are known have no queue for it, they are read again, but not for an event.
        """
        rows = self._bindings.of_events(exchange) if is_event else self._bindings.of(exchange)
        matching = self._match(exchange, routing_key, rows)
        if not matching and not is_event:
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

    # --- queues -----------------------------------------------------------------------------------------------------

    def queue_declare(
        self,
        queue: str = "",
        passive: bool = False,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> queue_declare_ok_t:
        """Make the queue's topic; a queue that is to die with this connection gets none (see broadcast.py).

        The length is counted only for `passive`, because counting asks every partition. Raises ConfigurationError
        for arguments that can't be.
        """
        if passive:
            return super().queue_declare(queue, passive=True, **kwargs)
        queue = queue or f"amq.gen-{os.urandom(16).hex()}"
        durable = durable and not (exclusive or auto_delete)
        read = QueueArguments.read(queue, arguments, durable)
        if durable:
            self.connection.arguments[queue] = read
            self._new_queue(queue)
        else:
            self._new_transient(queue, read)
        return queue_declare_ok_t(queue, 0, 0)

    def prepare_queue_arguments(self, arguments: Mapping[str, Any], **kwargs: Any) -> Mapping[str, Any]:
        """kombu's `Queue(message_ttl=…, max_priority=…)` as AMQP's arguments."""
        prepared: Mapping[str, Any] = to_rabbitmq_queue_arguments(arguments, **kwargs)
        return prepared

    def _arguments(self, queue: str) -> QueueArguments:
        transient = self.connection.transients.get(queue)
        found: QueueArguments = transient.arguments if transient else self.connection.arguments.get(queue, NO_ARGUMENTS)
        return found

    def _new_transient(self, queue: str, arguments: QueueArguments) -> None:
        if queue not in self.connection.transients:
            self.connection.transients[queue] = TransientQueue(arguments)
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
            if topic not in transient.begins:
                transient.begins[topic] = self._end_of(topic)
        self._bindings.add(Binding(exchange, type_, routing_key or "", pattern, queue, transient is not None))

    def _end_of(self, topic: str) -> int:
        """Of a broadcast topic, which is made again where the broker has forgotten it."""
        try:
            return self._topics.end(topic, FRESH)
        except BrokerUnavailable:
            self._topics.forget(topic)
            self._topics.partitions(topic, BROADCAST)
            return self._topics.end(topic)

    def _take_back_transients(self) -> None:
        """Whoever reads the table need not know our queues any more. Nobody waits for that."""
        for queue in self._own_transients:
            if self.connection.transients.pop(queue, None) is not None:
                self._bindings.remove(queue, wait=False)

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
        topic = self._topic(queue)
        for lowest in lowest_priorities(self._arguments(queue).max_priority):
            self._topics.partitions(level_topic(topic, lowest))

    def _levels(self, queue: str, fresh: bool = False) -> Levels:
        return self._topics.levels(self._topic(queue), fresh)

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return queue in self.connection.transients or self._topics.exists(self._topic(queue))

    def _size(self, queue: str) -> int:
        if queue in self.connection.transients:
            return 0
        topics, group_of = self._levels(queue).values(), self.options.group_of
        return sum(self._topics.length(topic, group_of(topic)) for topic in topics)

    def _purge(self, queue: str) -> int:
        return sum(purge(self._topics, self.options, topic) for topic in self._levels(queue, fresh=True).values())

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        for topic in self._levels(queue, fresh=True).values():
            self._topics.delete(topic)
        self.connection.arguments.pop(queue, None)

    # --- clients ----------------------------------------------------------------------------------------------------

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

    @property
    def _clock(self) -> BrokerClock:
        return self._process_clients()[4]

    def _process_clients(self) -> tuple[int, Topics, ConfirmedProducer, Bindings, BrokerClock]:
        """The clients that this process shares; a channel that came through a fork gets its own process' ones."""
        if self._clients is None or self._clients[0] != os.getpid():
            config = self.options.client_config(self._address.hosts, self._address.credentials)
            topics = shared_topics(config, self.options)
            producer = shared_producer(
                {**config, **self.options.producer_config()}, topics, self.options.publish_timeout
            )
            bindings = shared_bindings(config, self.options, topics, producer)
            clock = shared_clock(config, self.options, topics, producer)
            self._clients = os.getpid(), topics, producer, bindings, clock
        return self._clients


@atexit.register
def _take_back_all() -> None:
    """Commands such as `celery inspect` end without closing what they opened, and a table that nobody tidies grows."""
    for channel in tuple(_open):
        with contextlib.suppress(Exception):  # whatever is wrong with one, the others go on, and the process ends
            if channel.connection is not None:
                channel._take_back_transients()
