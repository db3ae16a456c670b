"""Topics: made when a queue is first declared or published to, looked up, measured, deleted."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kombu.exceptions import ChannelError

from .errors import BrokerUnavailable, checked
from .metadata import decode
from .options import Options, settings_key
from .shared import PerProcess

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """How a topic is made. Without `partitions` it gets as many as the options say."""

    config: Mapping[str, str]
    partitions: int | None = None


_SEGMENT = str(16 * 1024 * 1024)
#: A queue must keep what nobody has consumed yet, however old it is; small segments let what is consumed be trimmed.
QUEUE = Kind({"retention.ms": "-1", "retention.bytes": "-1", "segment.bytes": _SEGMENT})
#: What is broadcast is for those who listen at the time; ten minutes are for readers that lag.
BROADCAST = Kind({"retention.ms": "600000", "segment.ms": "600000", "segment.bytes": _SEGMENT}, partitions=1)
#: A table keeps the newest record of each key.
TABLE = Kind({"cleanup.policy": "compact", "segment.ms": "3600000", "segment.bytes": _SEGMENT}, partitions=1)
UNKNOWN = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC})
NOT_YET = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError._WAIT_COORD,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        *UNKNOWN,
    }
)
#: These clients are asked from time to time; what goes wrong then is raised. In between nobody polls them for logs.
QUIET = {"log_level": 0}
#: How long a topic's number of partitions is believed, in seconds.
REFRESH = 60.0


class Topics:
    """The brokers' topics as this process knows them. Safe to share among threads, not across a fork."""

    def __init__(self, config: Mapping[str, Any], options: Options) -> None:
        self._config = dict(config)
        self._admin = checked(AdminClient, {**config, **QUIET})
        self._options = options
        self._timeout = options.connect_timeout
        self._known: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._groups: dict[str, Consumer] = {}

    def ping(self) -> None:
        """Raises BrokerUnavailable where no broker answers in time."""
        self._metadata()

    def partitions(self, topic: str, kind: Kind = QUEUE) -> int:
        """How many partitions `topic` has; it is made where it doesn't exist."""
        count, since = self._known.get(topic, (0, 0.0))
        if count and time.monotonic() - since < REFRESH:
            return count
        with self._lock:
            known, since = self._known.get(topic, (0, 0.0))
            if known and time.monotonic() - since < REFRESH:
                return known  # another thread has looked while this one waited
            try:
                found = self._find(topic)
            except BrokerUnavailable:
                if not known:
                    raise
                found = known  # the publish itself finds out, in its own time, and all threads at once
            if not found:
                self._create(topic, kind)
                found = self._find(topic) or kind.partitions or self._options.partitions
            self._known[topic] = found, time.monotonic()
            return found

    def exists(self, topic: str) -> bool:
        return topic in self._known or bool(self._find(topic))

    def forget(self, topic: str) -> None:
        self._known.pop(topic, None)

    def delete(self, topic: str) -> None:
        self.forget(topic)
        futures = self._admin.delete_topics([topic], operation_timeout=self._timeout)
        self._result(futures[topic], "delete", topic, but=KafkaError.UNKNOWN_TOPIC_OR_PART)

    def length(self, topic: str, group_id: str) -> int:
        """How many records of `topic` the group hasn't finished (its lag without what is done beyond the commit)."""
        partitions = [TopicPartition(topic, number) for number in range(self._find(topic))]
        if not partitions:
            return 0
        stored = self._stored(partitions, group_id)
        total = 0
        for partition in partitions:
            begin, end = self._bounds(partition, group_id)
            offset, metadata = stored.get(partition.partition, (begin, ""))
            known = decode(max(offset, begin), metadata if offset >= begin else "")
            total += len(known.unfinished) + max(0, end - known.end)
        return total

    def end(self, topic: str) -> int:
        """The offset that the next record of a topic of one partition gets."""
        return self._bounds(TopicPartition(topic, 0), "celery.offsets")[1]

    def finish_all(self, topic: str, group_id: str) -> int:
        """Commit the end of every partition for a group without members; returns how many records that skipped."""
        skipped = self.length(topic, group_id)
        offsets = [
            TopicPartition(topic, number, self._bounds(TopicPartition(topic, number), group_id)[1])
            for number in range(self._find(topic))
        ]
        group = self._group(group_id)
        try:
            self._patiently(lambda: group.commit(offsets=offsets, asynchronous=False))
        except BrokerUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, KafkaException) and cause.args[0].code() == KafkaError.UNKNOWN_MEMBER_ID:
                raise ChannelError(f"{topic} can't be purged while it is consumed: stop its workers first") from cause
            raise
        return skipped

    def _find(self, topic: str) -> int:
        found = self._metadata().topics.get(topic)
        return len(found.partitions) if found is not None and found.error is None else 0

    def _metadata(self) -> Any:
        try:
            return self._admin.list_topics(timeout=self._timeout)
        except KafkaException as exception:
            raise BrokerUnavailable(f"no Kafka broker answers: {exception.args[0].str()}") from exception

    def _create(self, topic: str, kind: Kind) -> None:
        partitions = kind.partitions or self._options.partitions
        new = NewTopic(
            topic,
            num_partitions=partitions,
            replication_factor=self._options.replication_factor,
            config=dict(kind.config),
        )
        futures = self._admin.create_topics([new], operation_timeout=self._timeout)
        if self._result(futures[topic], "make", topic, but=KafkaError.TOPIC_ALREADY_EXISTS):
            logger.info("made topic %s with %d partitions", topic, partitions)

    def _bounds(self, partition: TopicPartition, group_id: str) -> tuple[int, int]:
        """The first offset that is there, and the one after the last."""

        def ask() -> tuple[int, int]:
            group = self._group(group_id)
            try:
                return group.get_watermark_offsets(partition, timeout=self._timeout, cached=False)
            except KafkaException as exception:
                if exception.args[0].code() in UNKNOWN:
                    # A client that has once heard that a topic isn't there believes so for half a minute.
                    self._groups.pop(group_id, None)
                raise

        return self._patiently(ask)

    def _stored(self, partitions: list[TopicPartition], group_id: str) -> dict[int, tuple[int, str]]:
        group = self._group(group_id)
        committed = self._patiently(lambda: group.committed(partitions, timeout=self._timeout))
        return {item.partition: (item.offset, item.metadata or "") for item in committed if item.offset >= 0}

    def _group(self, group_id: str) -> Consumer:
        """A client that reads and writes the group's offsets without being a member of it.

        Not the admin client's ListConsumerGroupOffsets: librdkafka 2.16.1 crashes the process where the broker
        answers that the group's coordinator is loading (seen on every fresh Kafka 4.3.1).
        """
        with self._lock:
            if group_id not in self._groups:
                config = {**self._config, **QUIET, "group.id": group_id, "enable.auto.commit": False}
                self._groups[group_id] = checked(Consumer, config)
            return self._groups[group_id]

    def _patiently(self, call: Callable[[], T]) -> T:
        """What `call` returns, once the topic has its leader and the group its coordinator.

        A fresh topic needs some milliseconds for that, a fresh broker a second.
        """
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return call()
            except KafkaException as exception:
                error = exception.args[0]
                if error.code() not in NOT_YET or time.monotonic() > deadline:
                    raise BrokerUnavailable(f"the broker can't tell yet: {error.str()}") from exception
                time.sleep(random.uniform(0.05, 0.15))

    def _result(self, future: Future[None], action: str, topic: str, but: int) -> bool:
        """Whether it was done; False where the broker says `but`. Raises BrokerUnavailable for all else."""
        try:
            future.result(self._timeout + 1.0)
        except KafkaException as exception:
            if exception.args[0].code() == but:
                return False
            raise BrokerUnavailable(f"can't {action} topic {topic!r}: {exception.args[0].str()}") from exception
        except TimeoutError as error:
            raise BrokerUnavailable(f"can't {action} topic {topic!r}: no answer in {self._timeout:g} s") from error
        return True


_topics: PerProcess[Topics] = PerProcess()


def shared_topics(config: Mapping[str, Any], options: Options) -> Topics:
    """This process' view of the topics behind this configuration."""
    return _topics.get((settings_key(config), options.key), lambda: Topics(config, options))
