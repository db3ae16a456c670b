"""Transient queues: those that die with their reader, of remote control, its replies, events and rpc results.

None of them gets a topic. What is published to an exchange is written once to that exchange's broadcast topic, however
many transient queues are bound to it, and each reader picks what its own queues are bound to. A reader knows where
its queue begins before its first request goes out: the end of the topic at the time of the binding.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from .arguments import QueueArguments
from .errors import BrokerUnavailable, checked
from .options import Options
from .quiet import Repeats, librdkafka_logger
from .records import topic_name
from .shared import Alive, join_thread

logger = logging.getLogger(__name__)
logger.addFilter(Repeats())  # librdkafka tries again and again what is refused

IDLE = 0.4
#: How long nothing is polled where too much waits here, in seconds.
FULL = 0.05
#: How long a close waits for the reader, in seconds: it has nothing to hand over.
JOIN_TIMEOUT = 2.5
#: So many records wait here for their listeners; further ones wait at the broker. Where nobody listens just now the
#: oldest make way: the answer to a question that was just asked comes last.
MOST_READY = 1000


def broadcast_topic(prefix: str, exchange: str) -> str:
    return topic_name(f"{prefix}celery.broadcast.", exchange or "default")


@dataclass(slots=True)
class TransientQueue:
    """Where each exchange's topic stood when the queue was bound to it: the queue has what came later."""

    arguments: QueueArguments = field(default_factory=QueueArguments)
    begins: dict[str, int] = field(default_factory=dict)  # topic -> offset


@dataclass(slots=True, frozen=True)
class Broadcast:
    """One record of a broadcast topic."""

    topic: str
    offset: int
    timestamp: int  #: the broker's, in milliseconds since 1970
    value: bytes


class BroadcastReader:
    """Reads broadcast topics from a thread; `notify` is called from it whenever messages became ready."""

    def __init__(self, config: Mapping[str, Any], options: Options, notify: Callable[[], None]) -> None:
        self._pid = os.getpid()
        self._notify = notify
        settings = {**config, **options.consumer_config("broadcast"), "group.id": options.reader_group}
        # Where a long poll is made short for the sake of tasks, control and events can wait a little.
        settings["fetch.wait.max.ms"] = max(100, int(settings.get("fetch.wait.max.ms", 500)))
        self._consumer = checked(Consumer, {**settings, "logger": librdkafka_logger})
        self._wanted: dict[str, int] = {}  # topic -> the offset to go on from
        self._assigned: frozenset[str] = frozenset()
        self._changed = threading.Condition(threading.Lock())
        self._ready: deque[Broadcast] = deque()
        self.heard = True  # by anybody
        self._stopping = False
        self._error: BrokerUnavailable | None = None
        self._thread = threading.Thread(target=self._run, name="kafka-broadcast", daemon=True)
        _alive.add(self)

    def listen(self, begins: Mapping[str, int]) -> None:
        """Read these topics too, each from its offset on."""
        with self._changed:
            self._wanted = {**begins, **self._wanted}
            self._changed.notify_all()
        if not self._thread.ident:
            self._thread.start()

    def begin_anew(self, topic: str) -> None:
        """The topic was deleted and made again."""
        with self._changed:
            self._wanted[topic] = 0
            self._assigned -= {topic}

    def take(self) -> Broadcast | None:
        """The next record, None where none is ready. Raises what ended the thread."""
        if not self._ready:  # asked on each turn of an event loop, nearly always in vain
            if self._error is not None:
                raise self._error
            return None
        try:
            return self._ready.popleft()
        except IndexError:  # its thread has just made room
            return None

    def has_read(self, ends: Mapping[str, int]) -> bool:
        """Whether each of these topics was read up to its offset."""
        with self._changed:
            return all(self._wanted.get(topic, 0) >= end for topic, end in ends.items())

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, deadline: float) -> None:
        if os.getpid() == self._pid:
            _alive.discard(self)
            join_thread(self._thread, deadline, JOIN_TIMEOUT)

    def _run(self) -> None:
        try:
            while self._assign():
                if self._has_room() and (message := self._consumer.poll(IDLE)) is not None:
                    self._arrive(message)
        except BaseException as error:  # whatever ends this thread must end the connection, or nobody hears any more
            logger.exception("broadcasts: the reader stopped")
            self._error = BrokerUnavailable(f"the reader of broadcasts stopped: {error}")
            self._notify()
        finally:
            self._consumer.close()

    def _has_room(self) -> bool:
        if len(self._ready) < MOST_READY:
            return True
        if self.heard:
            with self._changed:
                self._changed.wait(FULL)
            return False
        with contextlib.suppress(IndexError):
            self._ready.popleft()
        return True

    def _arrive(self, message: Message) -> None:
        if (error := message.error()) is not None:
            if error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:  # of no use here
                logger.warning("broadcasts: %s", error.str())
            return
        topic, offset = message.topic() or "", message.offset() or 0
        with self._changed:
            if topic not in self._assigned:
                return  # it is assigned anew in the next turn, from another offset
            self._wanted[topic] = offset + 1
        self._ready.append(Broadcast(topic, offset, message.timestamp()[1], message.value() or b""))
        self._notify()

    def _assign(self) -> bool:
        """Read what is wanted now; False at the end. In this thread, because librdkafka would wait for its poll."""
        with self._changed:
            while not self._wanted and not self._stopping:
                self._changed.wait()
            if self._assigned != frozenset(self._wanted):
                self._assigned = frozenset(self._wanted)
                self._consumer.assign([TopicPartition(topic, 0, offset) for topic, offset in self._wanted.items()])
            return not self._stopping


_alive: Alive[BroadcastReader] = Alive()
