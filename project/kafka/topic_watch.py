"""What others do to a topic while a worker consumes it, of which no broker tells it: so it looks every second.

Who purges a queue that is being consumed deletes its records at the broker. A worker may have thousands of them in
memory: while records wait in it, it looks where their log begins now, and what is before that needs no work any more.

Who deletes a queue and publishes to it again makes another log under the same name. A worker's position in the old one
may well be a position in the new one too, and what is before it would never run: where the topic has another id than a
second ago, it is consumed from its beginning.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Mapping
from typing import Protocol

from kombu.exceptions import OperationalError

from .errors import ConfigurationError
from .offsets import PartitionTracker
from .shared import Alive, PerProcess, join_thread
from .topics import Topics

logger = logging.getLogger(__name__)

#: In seconds, as the two below.
EVERY = 1.0
#: How long the broker may take for an answer: at first, and after answers that didn't come, as from far away.
PATIENCE, MOST_PATIENCE = 0.25, 1.0
#: The pause after a question without an answer, as a multiple of the patience: waiting for one that is away is dear.
PAUSE = 6


class Watched(Protocol):
    """What consumes a topic, as GroupConsumer does."""

    topic: str

    def waiting(self) -> Mapping[int, PartitionTracker]: ...
    def pass_over(self, number: int, tracker: PartitionTracker, begin: int) -> None: ...
    def begin_anew(self) -> None: ...


class TopicWatch:
    """Looks after the consumers of this process, from a thread of its own. Not across a fork."""

    def __init__(self, topics: Topics) -> None:
        self._pid = os.getpid()
        self._topics = topics
        self._ids: dict[str, str] = {}  # of the topics, when last seen
        self._consumers: weakref.WeakSet[Watched] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-topic-watch", daemon=True)
        _alive.add(self)

    def add(self, consumer: Watched) -> None:
        """Look after a consumer from now on. Asks the broker, while the consumer joins its group."""
        with self._lock:
            if all(other.topic != consumer.topic for other in self._consumers):
                self._ids.pop(consumer.topic, None)  # what happened while nobody here consumed it is no news
            self._consumers.add(consumer)
            consumers = tuple(self._consumers)
            if not self._thread.ident:
                self._thread.start()
        with contextlib.suppress(OperationalError):  # the thread asks again
            self._look_for_remade(consumers, PATIENCE)

    def stop(self) -> None:
        self._stopping.set()

    def join(self, deadline: float) -> None:
        if os.getpid() == self._pid:
            join_thread(self._thread, deadline, 2 * MOST_PATIENCE)

    def _run(self) -> None:
        patience, pause = PATIENCE, EVERY
        while not self._stopping.wait(pause):
            with self._lock:
                consumers = tuple(self._consumers)
            try:
                self._look_for_purges(consumers, patience)
                self._look_for_remade(consumers, patience)
                patience, pause = PATIENCE, EVERY
            except (OperationalError, ConfigurationError) as error:  # the last one where no client can start
                logger.debug("can't look after topics: %s", error)
                patience, pause = min(2 * patience, MOST_PATIENCE), PAUSE * patience

    def _look_for_purges(self, consumers: tuple[Watched, ...], patience: float) -> None:
        waiting = [
            (consumer, number, tracker) for consumer in consumers for number, tracker in consumer.waiting().items()
        ]
        begins = self._topics.begins({(consumer.topic, number) for consumer, number, _ in waiting}, patience)
        for consumer, number, tracker in waiting:
            consumer.pass_over(number, tracker, begins[consumer.topic, number])

    def _look_for_remade(self, consumers: tuple[Watched, ...], patience: float) -> None:
        # One that isn't there just now may come again, as another: the id that it had stays known.
        for topic, now in self._topics.ids({consumer.topic for consumer in consumers}, patience).items():
            before = self._ids.get(topic, now)
            self._ids[topic] = now
            if before != now:
                for consumer in consumers:
                    if consumer.topic == topic:
                        consumer.begin_anew()


_alive: Alive[TopicWatch] = Alive()
_watches: PerProcess[TopicWatch] = PerProcess()


def shared_watch(topics: Topics) -> TopicWatch:
    """This process' watch behind the clients of `topics`."""
    return _watches.get(id(topics), lambda: TopicWatch(topics))
