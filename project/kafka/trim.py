"""Deleting what is consumed: Kafka deletes by age, so that without this a queue's topic would only grow.

A worker that has committed asks for it now and then, and when it leaves. A thread does it, beside the work: it asks the
broker what *every* group of the topic has committed, and deletes what is before the least of that.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Collection, Iterable

from confluent_kafka import TopicPartition
from kombu.exceptions import OperationalError

from .delay import consumers_of
from .errors import ConfigurationError
from .options import Options
from .readers import Incomplete, Part, Readers
from .shared import Alive, PerProcess, join_thread
from .topics import Topics

logger = logging.getLogger(__name__)

#: What was consumed is deleted after so many seconds, or after so many records, but never more often than that.
EVERY = 60.0
MANY = 5000
PAUSE = 5.0
#: How long a worker that ends waits for its last trimming, in seconds. What is left goes with the next worker's first.
LAST = 2.0
#: How long a right, or its lack, is believed, in seconds.
RIGHT_FOR = 600.0


class Trimmer:
    """Trims topics from one thread of this process. Safe to share among threads, not across a fork."""

    def __init__(self, topics: Topics, options: Options) -> None:
        self._pid = os.getpid()
        self._topics, self._options = topics, options
        self._readers = Readers(topics, options)
        self._allowed: dict[str, tuple[bool, float]] = {}  # by topic, believed until
        self._told: set[str] = set()
        self._changed = threading.Condition(threading.Lock())
        self._latest: dict[Part, int] = {}
        self._pending: set[Part] = set()
        self._pending_since = 0.0
        self._moved = 0  # records, since the last round
        self._next_round = 0.0
        self._hurry = False
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="kafka-trim", daemon=True)
        _alive.add(self)

    def committed(self, partitions: Iterable[TopicPartition]) -> None:
        """The group has stored these offsets. Costs next to nothing: it is called some times a second."""
        with self._changed:
            for part in partitions:
                key = part.topic, part.partition
                self._moved += max(0, part.offset - self._latest.get(key, part.offset))
                self._latest[key] = part.offset
                self._await(key)
            if self._moved >= MANY:
                self._changed.notify_all()

    def leave(self, topic: str, partitions: Iterable[int]) -> None:
        """This process consumes the partitions no more: trim them at once."""
        with self._changed:
            for number in partitions:
                self._latest.pop((topic, number), None)
                self._await((topic, number))
            self._hurry = bool(self._pending)
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stop_at = time.monotonic() + LAST
            self._changed.notify_all()

    def join(self, deadline: float) -> None:
        if os.getpid() == self._pid:
            # What is asked already has its own bound.
            join_thread(self._thread, deadline, LAST + 2 * self._options.connect_timeout)

    def trim(self, partitions: Collection[Part]) -> dict[Part, int]:
        """Delete what every group has consumed; returns before which offset. Raises OperationalError, Incomplete."""
        names = self._deletable({topic for topic, _ in partitions})
        if not names:
            return {}
        needed = self._readers.needed(names, self._is_late)
        before: dict[Part, int] = {}
        by_group: dict[str, list[Part]] = {}
        for part in partitions:
            if part[0] in names:
                by_group.setdefault(consumers_of(part[0], self._options), []).append(part)
        for group, own in by_group.items():
            for part, stored in self._topics.groups.committed_once(group, own).items():
                before[part] = min(stored.offset, needed.get(part, stored.offset))
        before = {part: offset for part, offset in before.items() if offset > 0}
        self._topics.delete_records(before)
        return before

    # --- the thread -------------------------------------------------------------------------------------------------

    def _await(self, part: Part) -> None:
        if not self._thread.ident and self._stop_at is None:
            self._thread.start()
        if not self._pending:
            self._pending_since = time.monotonic()
            self._changed.notify_all()
        self._pending.add(part)

    def _run(self) -> None:
        while (parts := self._next()) is not None:
            try:
                self.trim(parts)
            except (OperationalError, ConfigurationError, Incomplete) as error:
                if self._is_late():
                    logger.debug("what is consumed is left to the next worker to delete: %s", error)
                    continue
                self._tell_once(f"what is consumed can't be deleted, the topics grow: {error}")
        _alive.discard(self)

    def _next(self) -> set[Part] | None:
        """What has to be trimmed now, once there is something; None at the end."""
        with self._changed:
            while (wait := self._wait()) is None or wait > 0:
                if self._stop_at is not None:
                    return None
                self._changed.wait(wait)
            parts, self._pending = self._pending, set()
            self._moved, self._hurry = 0, False
            self._next_round = time.monotonic() + PAUSE
            return parts

    def _wait(self) -> float | None:
        """How long the next round has to wait, in seconds; None where nothing asks for one."""
        if not self._pending:
            return None
        if self._hurry:
            return 0.0
        at = self._next_round if self._moved >= MANY else max(self._pending_since + EVERY, self._next_round)
        return at - time.monotonic()

    def _is_late(self) -> bool:
        return self._stop_at is not None and time.monotonic() > self._stop_at

    def _deletable(self, topics: Collection[str]) -> set[str]:
        now = time.monotonic()
        unknown = [topic for topic in topics if now >= self._allowed.get(topic, (False, 0.0))[1]]
        if unknown:  # in one question: it may take long
            deletable = self._topics.deletable(unknown)
            until = time.monotonic() + RIGHT_FOR
            self._allowed.update({topic: (topic in deletable, until) for topic in unknown})
        allowed = {topic for topic in topics if self._allowed[topic][0]}
        if len(allowed) < len(topics):
            self._tell_once(
                "what is consumed can't be deleted, the topics grow: this broker can't delete records, or this user "
                "lacks the right Delete on the topics (the option trim=False stops the tries)"
            )
        return allowed

    def _tell_once(self, text: str) -> None:
        # A process that ends may well do so after its broker.
        quiet = text in self._told or self._stop_at is not None
        logger.log(logging.DEBUG if quiet else logging.WARNING, text)
        self._told.add(text)


_alive: Alive[Trimmer] = Alive()
_trimmers: PerProcess[Trimmer] = PerProcess()


def shared_trimmer(topics: Topics, options: Options) -> Trimmer:
    """This process' trimmer behind the clients of `topics`."""
    return _trimmers.get((id(topics), options.key), lambda: Trimmer(topics, options))
