"""The part of a channel that reads transient queues (see broadcast.py), and what all of its queues have in common."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kombu.exceptions import OperationalError

from .broadcast import Broadcast, BroadcastReader
from .expiry import Expired, published_at, time_to_live
from .offsets import PartitionTracker
from .queues import QueueChannel
from .ranks import priority_of
from .records import Headers, Message, decode
from .topic_watch import PATIENCE, shared_watch

logger = logging.getLogger(__name__)

#: How long messages of a transient queue with priorities wait for those that were published before, in seconds.
HOLD = 5.0


@dataclass(slots=True)
class Listener:
    """A transient queue that is consumed here; what waits is sorted where the queue has priorities."""

    callback: Callable[[Any], Any]
    ends: dict[str, int] = field(default_factory=dict)  # what was published before, by topic
    hold_until: float = 0.0
    waiting: list[tuple[int, int, Any]] = field(default_factory=list)


@dataclass(eq=False)
class Heard:
    """A broadcast topic that is read here, for the watch."""

    topic: str
    remade: Callable[[str], None]

    def waiting(self) -> Mapping[int, PartitionTracker]:
        return {}  # nobody purges it

    def pass_over(self, number: int, tracker: PartitionTracker, begin: int) -> None: ...

    def begin_anew(self) -> None:
        self.remade(self.topic)


class ListeningChannel(QueueChannel):
    """Between the half that declares and publishes (queues.py) and the one that consumes (channel.py)."""

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.expired = Expired()
        self._reader: BroadcastReader | None = None
        self._listeners: dict[str, Listener] = {}  # by queue
        self._heard: dict[str, Heard] = {}  # by topic
        self._ids: dict[str, str] = {}  # of the topics, when last seen
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
        self._reader.heard = True
        self._reader.listen(transient.begins)
        self._look_after(transient.begins)

    def _look_after(self, topics: Iterable[str]) -> None:
        """A topic that is deleted and made again has offsets again that were passed already. Who has an event loop is
        told of that; others see it with their next question."""
        if self.connection.asynchronous:
            for topic in topics:
                if topic not in self._heard:
                    self._heard[topic] = Heard(topic, self._begin_anew)
                    shared_watch(self._topics).add(self._heard[topic])
            return
        with contextlib.suppress(OperationalError):  # the next question asks again
            for topic, now in self._topics.ids(set(topics), PATIENCE).items():
                before, self._ids[topic] = self._ids.get(topic, now), now
                if before != now:
                    self._begin_anew(topic)

    def _begin_anew(self, topic: str) -> None:
        for transient in tuple(self.connection.transients.values()):
            if topic in transient.begins:
                transient.begins[topic] = 0
        if self._reader is not None:
            self._reader.begin_anew(topic)

    def _stop_listening(self, queue: str) -> bool:
        """False where the queue isn't a transient one that is consumed here."""
        known = self._listeners.pop(queue, None) is not None
        if self._reader is not None:
            self._reader.heard = bool(self._listeners)
        return known

    def _end_listening(self) -> BroadcastReader | None:
        """The reader, told to stop, for the caller to join."""
        self._listeners.clear()
        self._heard.clear()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()
        return reader

    def _deliver_broadcast(self) -> int:
        """One, to whom it concerns; returns to how many queues. Only what reached a queue counts: who waits for one
        reply must not take another client's for an answer."""
        delivered = 0
        while not delivered and self._reader is not None and (item := self._reader.take()) is not None:
            for listener, message in self._addressed(item):
                delivered += 1
                listener.callback(message)
        return delivered or self._deliver_waiting()

    def _addressed(self, item: Broadcast) -> list[tuple[Listener, Any]]:
        """Who gets it at once, each with a message of its own; it waits in queues that have priorities."""
        try:
            return list(self._distribute(item))
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever is wrong with one record, those behind it must go on)
            logger.warning("a broadcast in %s is no message: %s: %s", item.topic, type(error).__name__, error)
            return []

    def _distribute(self, item: Broadcast) -> Iterator[tuple[Listener, Any]]:
        raw = decode(item.value, self._keys)
        info = raw["properties"]["delivery_info"]
        for queue in self._bound_here(info.get("exchange") or "", info.get("routing_key") or ""):
            listener, transient = self._listeners.get(queue), self.connection.transients.get(queue)
            if listener is None or transient is None or item.offset < transient.begins.get(item.topic, item.offset + 1):
                continue
            if self._has_expired(queue, raw, item.timestamp, []):
                continue
            message = self._message(decode(item.value, self._keys))
            if transient.arguments.max_priority:
                priority = min(priority_of(raw["properties"]), transient.arguments.max_priority)
                heapq.heappush(listener.waiting, (-priority, next(self._tags), message))
            else:
                yield listener, message

    def _deliver_waiting(self) -> int:
        """The next message of a queue with priorities, unless those that were published before may still come."""
        for listener in tuple(self._listeners.values()):
            if listener.waiting and not self._holds(listener):
                listener.callback(heapq.heappop(listener.waiting)[2])
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
