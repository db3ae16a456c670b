"""Celery's own ceiling: a kombu transport that hands over messages made beforehand, from memory, at no cost.

What it can't do faster, no broker can: Celery itself, its pool and the tasks are all that is measured. The messages are
what Celery's client makes for the same tasks, parsed already; kombu makes its object of each when it is handed over, as
for any virtual transport. The prefetch limit holds; an ack only makes room. Like any asynchronous transport it is
driven by the worker's event loop: by a file descriptor, and on each turn.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from kombu.transport import virtual
from kombu.utils.json import dumps, loads

#: As many in one go as `project.kafka` delivers.
BURST = 256


class Slots:
    """The prefetch limit."""

    def __init__(self) -> None:
        self.prefetch_count = 0
        self.taken: set[int] = set()

    def can_consume(self) -> bool:
        return not self.prefetch_count or len(self.taken) < self.prefetch_count

    def can_consume_max_estimate(self) -> int:
        return max(0, self.prefetch_count - len(self.taken))


class Channel(virtual.Channel):
    do_restore = False
    supports_fanout = True

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self._slots = Slots()
        self._callback: Callable[[Any], Any] | None = None
        self._messages: deque[dict[str, Any]] = deque()

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[[Any], Any], consumer_tag: str, **kwargs: Any
    ) -> None:
        self._consumers.add(consumer_tag)
        self._tag_to_queue[consumer_tag] = queue
        if queue == os.environ["BENCH_QUEUE"]:
            self._callback = callback
            self._messages.extend(prepared(int(os.environ["BENCH_PREPARED"])))
            self.connection.ring()

    def basic_cancel(self, consumer_tag: str) -> None:
        self._consumers.discard(consumer_tag)
        if self._tag_to_queue.pop(consumer_tag, None) == os.environ["BENCH_QUEUE"]:
            self._callback = None

    def deliver(self) -> int:
        callback, slots, messages = self._callback, self._slots, self._messages
        if callback is None:
            return 0
        delivered = 0
        while messages and delivered < BURST and slots.can_consume():
            message = self.Message(messages.popleft(), channel=self)
            slots.taken.add(message.delivery_tag)
            callback(message)
            delivered += 1
        return delivered

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        self._slots.taken.discard(delivery_tag)
        self.connection.ring_from_thread()

    def basic_reject(self, delivery_tag: int, requeue: bool = False) -> None:
        self.basic_ack(delivery_tag)

    @property
    def qos(self) -> Slots:
        return self._slots

    def _new_queue(self, queue: str, **kwargs: Any) -> None: ...

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return True

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None: ...

    def _put_fanout(self, exchange: str, message: Any, routing_key: str, **kwargs: Any) -> None: ...

    def _queue_bind(self, *args: Any) -> None: ...

    def _size(self, queue: str) -> int:
        return 0

    def _purge(self, queue: str) -> int:
        return 0

    def close(self) -> None:
        self._callback = None
        self._consumers.clear()
        if self.connection is not None:
            self.connection.close_channel(self)


class Transport(virtual.Transport):
    Channel = Channel
    driver_type = driver_name = "ceiling"
    implements = virtual.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset(["direct", "topic", "fanout"]), heartbeats=False
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._rung = False
        self._lock = threading.Lock()
        self._loop_thread = 0

    def driver_version(self) -> str:
        return "0"

    def ring(self) -> None:
        with self._lock:
            if not self._rung:
                self._rung = True
                self._ringer.send(b"\0")

    def ring_from_thread(self) -> None:
        """The event loop's own acks are followed by a turn of it; those of a thread pool have to wake it."""
        if threading.get_ident() != self._loop_thread:
            self.ring()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        self._loop_thread = threading.get_ident()
        loop.add_reader(self._bell, self._on_bell)
        loop.on_tick.add(self._on_tick)

    def _on_bell(self, *args: Any) -> None:
        with self._lock:
            self._rung = False
            self._bell.recv(64)
        self._deliver()

    def _on_tick(self) -> None:
        # The pool hands over tasks on a tick too, maybe before this one: have the loop turn once more.
        if self._deliver():
            self.ring()

    def _deliver(self) -> int:
        return sum(channel.deliver() for channel in tuple(self.channels))


def prepared(count: int) -> list[dict[str, Any]]:
    """Messages of `count` no-op tasks, as they look after a way through a broker."""
    from .app import app

    raws: list[dict[str, Any]] = []

    class Capture(virtual.Channel):
        def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
            raws.append(loads(dumps(message)))

        def _new_queue(self, queue: str, **kwargs: Any) -> None: ...

        def _has_queue(self, queue: str, **kwargs: Any) -> bool:
            return True

        def _size(self, queue: str) -> int:
            return 0

    class Capturing(virtual.Transport):
        Channel = Capture

        def driver_version(self) -> str:
            return "0"

    from kombu import Connection

    with Connection(transport=Capturing) as connection, app.amqp.Producer(connection) as producer:
        for number in range(count):
            app.send_task("noop", (number,), producer=producer)
    for tag, raw in enumerate(raws, 1):
        raw["properties"]["delivery_tag"] = tag
    return raws
