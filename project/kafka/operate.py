"""What an operator asks of the brokers and does to them, for any Celery application on ``kafka://`` (see cli.py)."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .bindings import shared_bindings
from .dead import DeadLetters, Letter
from .delay import consumers_of, delay_topics
from .errors import BrokerUnavailable, ConfigurationError, Refused
from .groups import Member, Stored
from .producer import shared_producer
from .ranks import queue_topic
from .readers import Reader, Readers
from .records import topic_name
from .topics import shared_topics
from .transport import Transport

#: How long the news of new partitions may take to reach every broker, in seconds.
SPREAD = 15.0


@dataclass(frozen=True, slots=True)
class TopicRow:
    """`length` is what this application's group, or the movers', has not finished; elsewhere what is stored."""

    topic: str
    kind: str  # queue, dead letters, delay, broadcast, bindings, clock, other
    queue: str | None
    partitions: int
    length: int


@dataclass(frozen=True, slots=True)
class LagRow:
    """One partition as one group has it. `committed` is None where the group has stored nothing."""

    queue: str
    topic: str
    group: str
    partition: int
    committed: int | None
    end: int
    lag: int
    member: str | None


@dataclass(frozen=True, slots=True)
class Lag:
    rows: list[LagRow]
    warnings: list[str]


class Operator:
    def __init__(self, app: Any, transport: Transport) -> None:
        self.options = transport.options
        self.config = self.options.client_config(transport.address.hosts, transport.address.credentials)
        self._topics = shared_topics(self.config, self.options)
        self._producer = shared_producer(
            {**self.config, **self.options.producer_config()}, self._topics, self.options.publish_timeout
        )
        self.dead = DeadLetters(self.config, self.options, self._topics, self._producer)
        self._declared = frozenset(app.amqp.queues)

    # --- topics -----------------------------------------------------------------------------------------------------

    def topics(self, everything: bool = False) -> list[TopicRow]:
        """The application's topics; with `everything` also those of others."""
        counts = self._topics.counts()
        queues = self._queues(counts)
        kinds = {topic: self._kind(topic, queues) for topic in counts}
        shown = sorted(topic for topic, kind in kinds.items() if everything or kind != "other")
        bounds = self._topics.bounds(shown)
        rows = []
        for topic in shown:
            parts = {part: bounds[part] for part in bounds if part[0] == topic}
            consumed = kinds[topic] in ("queue", "dead letters", "delay")
            group = consumers_of(topic, self.options)
            stored = self._topics.groups.committed(group, parts) if consumed and parts else {}
            length = sum(stored.get(part, Stored(begin)).unfinished(begin, end) for part, (begin, end) in parts.items())
            rows.append(TopicRow(topic, kinds[topic], queues.get(topic), counts[topic], length))
        return rows

    def _kind(self, topic: str, queues: Collection[str]) -> str:
        name = topic.removeprefix(self.options.topic_prefix)
        if not topic.startswith(self.options.topic_prefix):
            return "other"
        if topic in queues:
            return "queue"
        levels = delay_topics(self.options.topic_prefix)
        if topic in levels:
            return "delay"
        for kind in ("bindings", "broadcast", "clock"):
            if name == f"celery.{kind}" or name.startswith(f"celery.{kind}."):
                return kind
        lived = topic.removesuffix(self.options.dead_letter_suffix)
        return "dead letters" if lived in queues or lived in levels else "other"

    def _queues(self, topics: Collection[str]) -> dict[str, str]:
        """The queues' topics that there are, and which queue each is of: those that the application declares, that are
        bound to an exchange, or that have been consumed by its group."""
        known = set(self._declared)
        if self.options.topic_prefix + "celery.bindings" in topics:
            known |= shared_bindings(self.config, self.options, self._topics, self._producer).durable_queues()
        found = {self._topic(queue): queue for queue in known}
        prefix, suffix = self.options.topic_prefix, self.options.dead_letter_suffix
        groups = self._topics.groups.listed()
        for topic in topics:
            if self.options.group_of(topic) in groups and topic.startswith(prefix) and not topic.endswith(suffix):
                found.setdefault(topic, found.get(queue_topic(topic)) or topic.removeprefix(prefix))
        return {topic: queue for topic, queue in found.items() if topic in topics}

    def _topic(self, queue: str) -> str:
        return topic_name(self.options.topic_prefix, queue)

    def dead_letters(self, queues: Iterable[str] = ()) -> list[Letter]:
        """Of these queues, or of all, and of what was delayed. Raises Refused for a queue that there isn't."""
        counts = self._topics.counts()
        levels = [level for level in delay_topics(self.options.topic_prefix) if self.dead.topic_of(level) in counts]
        topics = [self._topic(queue) for queue in queues] or [*sorted(self._queues(counts)), *levels]
        for topic in topics:
            if not {topic, self.dead.topic_of(topic)} & counts.keys():
                raise Refused(f"there is no topic {topic!r}, and none with its dead letters")
        letters = [letter for topic in topics for letter in self.dead.of(topic)]
        return sorted(letters, key=lambda letter: letter.died)

    # --- groups -----------------------------------------------------------------------------------------------------

    def lag(self, queues: Iterable[str] = ()) -> Lag:
        """How far every group is in each partition of these queues, or of all. Raises Refused for unknown ones."""
        found = self._queues(self._topics.counts())
        wanted = {topic: queue for queue in queues for topic in self.existing(queue)} or found
        bounds = self._topics.bounds(wanted)
        readers = Readers(self._topics, self.options).all_of(wanted)
        rows, warnings = [], []
        for topic, queue in sorted(wanted.items()):
            parts = {part: bounds[part] for part in sorted(bounds) if part[0] == topic}
            own = self.options.group_of(topic)
            here = {reader.group: reader for reader in readers if topic in reader.topics}
            if own not in here:  # it has consumed nothing yet, or the broker lists no groups
                here[own] = Reader(own, frozenset([topic]), self._topics.groups.committed(own, parts), [])
            for _, reader in sorted(here.items()):
                for part, (begin, end) in parts.items():
                    stored = reader.stored.get(part)
                    lag = (stored or Stored(begin)).unfinished(begin, end)
                    member = next((str(member) for member in reader.members if part in member.assigned), None)
                    committed = None if stored is None else stored.offset
                    rows.append(LagRow(queue, topic, reader.group, part[1], committed, end, lag, member))
                warnings += _crowd(queue, reader.group, reader.members, len(parts))
        return Lag(rows, warnings)

    # --- changes ----------------------------------------------------------------------------------------------------

    def existing(self, queue: str) -> list[str]:
        """The topics of a queue: its own, and those of its higher priorities. Raises Refused where there are none."""
        topic = self._topic(queue)
        if topic not in self._topics.counts():
            raise Refused(f"there is no queue {queue!r} (no topic {topic!r})")
        return list(self._topics.levels(topic, fresh=True).values())

    def add_partitions(self, queue: str, count: int) -> int:
        """Returns how many there were. Raises Refused, also for fewer than now, and BrokerUnavailable."""
        topics, counts = self.existing(queue), self._topics.counts()
        before = min(counts[topic] for topic in topics)
        if count <= before:
            raise Refused(f"{queue!r} has {before} partitions: they can become more, not fewer")
        growing = [topic for topic in topics if counts[topic] < count]
        for topic in growing:
            self._topics.add_partitions(topic, count)
        deadline = time.monotonic() + SPREAD
        while any(self._topics.counts().get(topic, 0) < count for topic in growing):
            if time.monotonic() > deadline:
                raise BrokerUnavailable(f"the brokers took the change, but don't show it after {SPREAD:g} s")
            time.sleep(0.1)
        return before

    def forget(self, group: str) -> None:
        """Have the brokers forget a group that was given up: it holds the trimming. Raises Refused."""
        self._topics.groups.forget(group)


def _crowd(queue: str, group: str, members: Collection[Member], partitions: int) -> list[str]:
    if len(members) <= partitions:
        return []
    return [
        f"{queue}: group {group} has {len(members)} members for {partitions} partitions, "
        f"{len(members) - partitions} of them get nothing: add partitions, by celery kafka partitions {queue} COUNT"
    ]


@contextmanager
def connected(app: Any) -> Iterator[Operator]:
    """For the broker of a Celery application. Raises ConfigurationError where that isn't ours, BrokerUnavailable."""
    with app.connection_for_write() as connection:
        if not isinstance(connection.transport, Transport):
            raise ConfigurationError(
                f"this is for applications whose broker is kafka://, not {connection.as_uri()} "
                "(and the application has to import the package of the transport)"
            )
        connection.connect()
        yield Operator(app, connection.transport)
