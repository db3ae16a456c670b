"""Purges reach what a worker has fetched already.

Who purges a queue that is being consumed deletes its records at the broker, and can tell no worker. A worker may have
thousands of them in memory. So while records wait in it, it looks every second where their log begins now: what is
before that was deleted, and needs no work any more.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref

from kombu.exceptions import OperationalError

from .consumer import GroupConsumer
from .shared import Alive, PerProcess
from .topics import Topics

logger = logging.getLogger(__name__)

EVERY = 1.0


class PurgeWatch:
    """Looks after the consumers of this process, from a thread of its own. Not across a fork."""

    def __init__(self, topics: Topics) -> None:
        self._pid = os.getpid()
        self._topics = topics
        self._consumers: weakref.WeakSet[GroupConsumer] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-purges", daemon=True)
        _alive.add(self)

    def add(self, consumer: GroupConsumer) -> None:
        with self._lock:
            self._consumers.add(consumer)
            if not self._thread.ident:
                self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self) -> None:
        if os.getpid() == self._pid and self._thread.ident:
            self._thread.join(2 * EVERY)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY):
            with self._lock:
                consumers = tuple(self._consumers)
            try:
                self._look(consumers)
            except OperationalError as error:
                logger.debug("can't look for purges: %s", error)

    def _look(self, consumers: tuple[GroupConsumer, ...]) -> None:
        waiting = [
            (consumer, number, tracker) for consumer in consumers for number, tracker in consumer.waiting().items()
        ]
        begins = self._topics.begins({(consumer.topic, number) for consumer, number, _ in waiting})
        for consumer, number, tracker in waiting:
            consumer.pass_over(number, tracker, begins[consumer.topic, number])


_alive: Alive[PurgeWatch] = Alive()
_watches: PerProcess[PurgeWatch] = PerProcess()


def shared_watch(topics: Topics) -> PurgeWatch:
    """This process' watch behind the clients of `topics`."""
    return _watches.get(id(topics), lambda: PurgeWatch(topics))
