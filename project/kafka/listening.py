"""The part of a channel that reads transient queues (see broadcast.py), and what all of its queues have in common."""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .broadcast import Broadcast, BroadcastReader
from .expiry import Expired, published_at, time_to_live
from .queues import QueueChannel
from .ranks import priority_of
from .records import BadRecord, Headers, Message, decode

logger = logging.getLogger(__name__)

#: How long messages of a transient queue with priorities wait for those that were published before, in seconds.
HOLD = 5.0


@dataclass(slots=True)
class Listener:
    """A transient queue that is consumed here; what waits is sorted where the queue has priorities."""

    callback: Callable[[Any], Any]
    ends: dict[str, int] = field(default_factory=dict)  # what was published before, by topic
    hold_until: float = 0.0
    waiting: list[tuple[int, int, Message]] = field(default_factory=list)


class ListeningChannel(QueueChannel):
    """Between the half that declares and publishes (queues.py) and the one that consumes (channel.py)."""

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.expired = Expired()
        self._reader: BroadcastReader | None = None
        self._listeners: dict[str, Listener] = {}  # by queue
        self._tags = itertools.count(1)

    def _listen(self, queue: str, callback: Callable[[Any], Any]) -> None:
        transient = self.connection.transients[queue]
        listener = self._listeners[queue] = Listener(callback)
        if transient.arguments.max_priority:
            listener.ends = {topic: self._topics.end(topic) for topic in transient.begins}
            listener.hold_until = time.monotonic() + HOLD
        if self._reader is None:
            config = self.options.client_config(self._address.hosts, self._address.credentials)
            self._reader = BroadcastReader(config, self.options, self.connection.wake)
        self._reader.listen(transient.begins)

    def _stop_listening(self, queue: str) -> bool:
        """False where the queue isn't a transient one that is consumed here."""
        return self._listeners.pop(queue, None) is not None

    def _end_listening(self) -> BroadcastReader | None:
        """The reader, told to stop, for the caller to join."""
        self._listeners.clear()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()
        return reader

    def _deliver_broadcast(self) -> int:
        """One, to whom it concerns; returns to how many queues. Only what reached a queue counts: who waits for one
        reply must not take another client's for an answer."""
        delivered = 0
        while not delivered and self._reader is not None and (item := self._reader.take()) is not None:
            try:
                delivered += self._distribute(item)
            except BadRecord as error:
                logger.warning("a broadcast in %s is no message: %s", item.topic, error)
        return delivered or self._deliver_waiting()

    def _distribute(self, item: Broadcast) -> int:
        """How many queues got it at once; it waits in those that have priorities."""
        raw = decode(item.value, self._keys)
        info = raw["properties"]["delivery_info"]
        delivered = 0
        for queue in self._bound_here(info.get("exchange") or "", info.get("routing_key") or ""):
            listener, transient = self._listeners.get(queue), self.connection.transients.get(queue)
            if listener is None or transient is None or item.offset < transient.begins.get(item.topic, item.offset + 1):
                continue
            if self._has_expired(queue, raw, item.timestamp, []):
                continue
            if transient.arguments.max_priority:
                priority = min(priority_of(raw["properties"]), transient.arguments.max_priority)
                heapq.heappush(listener.waiting, (-priority, next(self._tags), decode(item.value, self._keys)))
            else:
                delivered += 1
                listener.callback(self._message(decode(item.value, self._keys)))
        return delivered

    def _deliver_waiting(self) -> int:
        """The next message of a queue with priorities, unless those that were published before may still come."""
        for listener in tuple(self._listeners.values()):
            if listener.waiting and not self._holds(listener):
                listener.callback(self._message(heapq.heappop(listener.waiting)[2]))
                return 1
        return 0

    def _holds(self, listener: Listener) -> bool:
        if listener.ends and (
            time.monotonic() > listener.hold_until
            or (self._reader is not None and self._reader.has_read(listener.ends))
        ):
            listener.ends = {}
        return bool(listener.ends)

    def _bound_here(self, exchange: str, routing_key: str) -> set[str]:
        if not exchange:
            return {routing_key}
        table = self.state.exchanges.get(exchange, {}).get("table", ())
        found: set[str] = self.typeof(exchange).lookup(table, exchange, routing_key, None)
        return found

    def _message(self, raw: Message) -> Any:
        raw["properties"]["delivery_tag"] = next(self._tags)
        return self.Message(raw, channel=self)

    def _has_expired(self, queue: str, raw: Message, timestamp: int, headers: Headers) -> bool:
        """Whether a message is too old to be delivered; it is counted then."""
        ttl = time_to_live(raw, self._arguments(queue).message_ttl)
        if ttl is None or published_at(timestamp, headers) + ttl > self._clock.now():
            return False
        self.expired.add(queue)
        return True
