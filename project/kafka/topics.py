"""Topics: made when a queue is first declared or published to, looked up, measured, deleted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AclOperation, AdminClient, NewPartitions, NewTopic, OffsetSpec

from .diagnosis import refusal
from .errors import NOT_ALLOWED, UNKNOWN, BrokerUnavailable, checked, denied
from .groups import QUIET, Groups, Stored, patiently
from .kinds import QUEUE, Kind
from .options import Options, settings_key
from .ranks import Levels, levels_among
from .shared import PerProcess

logger = logging.getLogger(__name__)


#: How long a topic's number of partitions is believed, in seconds.
REFRESH = 60.0
#: The same for a queue that has no levels of priority: somebody may be about to declare it with them.
REFRESH_NONE = 5.0
#: A connection that doesn't serve in this many seconds is looked into.
ASK_WHY_AFTER = 1.0
EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]

UNANSWERED = frozenset({KafkaError._TIMED_OUT, KafkaError._DESTROY_BROKER})
#: How long the first try of a question may take that is asked again, in seconds.
FIRST_TRY = 1.0


class Topics:
    """The brokers' topics as this process knows them. Safe to share among threads, not across a fork."""

    def __init__(self, config: Mapping[str, Any], options: Options) -> None:
        self._config = dict(config)
        self._admin = checked(AdminClient, {**config, **QUIET})
        self._options = options
        self._timeout = options.connect_timeout
        self._known: dict[str, tuple[int, float]] = {}
        self._kinds: dict[str, Kind] = {}  # of those that are no queues
        self._lock = threading.Lock()
        self._measuring: Consumer | None = None
        self._controller_away = False
        self.groups = Groups(config, self._admin, options.connect_timeout)
        self._names: frozenset[str] = frozenset()  # of all topics, when they were last asked for
        self._names_since = float("-inf")
        self._levels: dict[str, tuple[frozenset[str], Levels]] = {}

    def ping(self) -> None:
        """Raises BrokerUnavailable where no broker answers in time, AccessDenied where it refuses our credentials."""
        try:
            self._admin.list_topics(timeout=min(ASK_WHY_AFTER, self._timeout))
        except KafkaException:
            reason = refusal(self._config, ASK_WHY_AFTER)
            if reason is not None:
                raise BrokerUnavailable(f"no Kafka broker serves us: {reason}") from None
            self._metadata()

    def partitions(self, topic: str, kind: Kind | None = None) -> int:
        """How many partitions of `topic` are used, as a rule all; it is made where it doesn't exist.

        What `kind` it is needs to be said once: else it is a queue, unless this process knows better.
        """
        kind = self._kind(topic, kind)
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
            # A broker that makes topics by itself may have been first, with as many partitions as it likes.
            used = kind.partitions or found
            self._known[topic] = used, time.monotonic()
            if topic not in self._names:
                self._names |= {topic}
            return used

    def _kind(self, topic: str, kind: Kind | None) -> Kind:
        if kind is not None and kind is not QUEUE:
            self._kinds[topic] = kind
        return self._kinds.get(topic, QUEUE)

    def levels(self, topic: str, fresh: bool = False) -> Levels:
        """The levels of a queue with priorities (see ranks.py); without, its topic alone."""
        names, levels = self._levels.get(topic, (None, {}))
        believed = REFRESH if len(levels) > 1 else REFRESH_NONE
        if fresh or time.monotonic() - self._names_since > believed:
            self._metadata()
        if names is not self._names:
            levels = levels_among(topic, self._names)
            self._levels[topic] = self._names, levels
        return levels

    def exists(self, topic: str) -> bool:
        return topic in self._known or bool(self._find(topic))

    def forget(self, topic: str) -> None:
        self._known.pop(topic, None)
        self._names_since = float("-inf")  # and it is looked again which topics there are

    def delete(self, topic: str) -> None:
        self.forget(topic)
        futures = self._admin.delete_topics([topic], operation_timeout=self._timeout)
        self._result(futures[topic], "delete", topic, but=KafkaError.UNKNOWN_TOPIC_OR_PART)

    def length(self, topic: str, group_id: str) -> int:
        """How many records of `topic` the group hasn't finished (its lag without what is done beyond the commit)."""
        bounds = self.bounds([topic])
        stored = self.groups.committed(group_id, bounds) if bounds else {}
        return sum(
            stored.get(partition, Stored(begin)).unfinished(begin, end) for partition, (begin, end) in bounds.items()
        )

    def bounds(self, topics: Iterable[str]) -> dict[tuple[str, int], tuple[int, int]]:
        """The first offset that each partition has, and the one after its last. Topics that aren't there have none."""
        counts = self.counts()
        parts = [(topic, number) for topic in topics for number in range(counts.get(topic, 0))]
        begins, ends = (self._offsets(parts, spec, self._timeout, self._timeout) for spec in (EARLIEST, LATEST))
        return {part: (begins[part], ends[part]) for part in parts}

    # The next two are asked every second, so they are asked briefly: while a question of an admin client waits for a
    # broker that is away, librdkafka connects to that without a pause, which takes half a core.

    def begins(self, parts: Collection[tuple[str, int]], timeout: float) -> dict[tuple[str, int], int]:
        """The first offset that each partition has. Raises BrokerUnavailable unless all are told within `timeout`."""
        return self._offsets(parts, EARLIEST, timeout, 0)

    def ids(self, topics: Collection[str], timeout: float) -> dict[str, str]:
        """What tells a topic from one that had its name before. Those that can't be seen have none.

        Raises BrokerUnavailable where the cluster's controller doesn't answer within `timeout`.
        """
        if not topics:
            return {}
        if self._controller_away:
            self._metadata()  # only that tells the client of a new one
            self._controller_away = False
        futures = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=timeout)
        found = {}
        for topic, future in futures.items():
            try:
                found[topic] = str(future.result(timeout + 1.0).topic_id)
            except (KafkaException, TimeoutError) as error:
                self._controller_away = True
                if isinstance(error, TimeoutError) or error.args[0].code() in UNANSWERED:
                    raise BrokerUnavailable(f"which topic {topic} is can't be told: {error}") from error
                logger.debug("which topic %s is can't be told: %s", topic, error)
        return found

    def counts(self) -> dict[str, int]:
        """How many partitions each topic of the cluster has."""
        told = self._metadata().topics
        return {name: len(topic.partitions) for name, topic in told.items() if topic.error is None}

    def end(self, topic: str, timeout: float | None = None) -> int:
        """The offset that the next record of a topic of one partition gets. In one round trip: control waits for it."""
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        patience = FIRST_TRY

        def ask() -> int:
            nonlocal patience
            client = self._client()
            bound = max(0.001, min(patience, deadline - time.monotonic()))
            patience *= 2
            try:
                return client.get_watermark_offsets(TopicPartition(topic, 0), timeout=bound, cached=False)[1]
            except KafkaException as exception:
                # A client that has once heard that a topic isn't there believes so for half a minute, and one that
                # isn't answered goes on asking the broker that led the topic and is away, for minutes.
                if exception.args[0].code() in (*UNKNOWN, *UNANSWERED):
                    self._measuring = None
                if exception.args[0].code() in UNKNOWN:
                    self._known.pop(topic, None)  # who asks for it next makes it again
                raise

        return patiently(ask, deadline - time.monotonic(), also=UNANSWERED)

    # --- for those who operate it -----------------------------------------------------------------------------------

    def deletable(self, topics: Collection[str]) -> set[str]:
        """Of which topics the broker knows that it can be asked to delete records. Tansu can't: it breaks the
        connection at the request."""
        told = self._admin.describe_topics(
            TopicCollection(list(topics)), include_authorized_operations=True, request_timeout=self._timeout
        )
        rights = {topic: patiently(future.result, self._timeout) for topic, future in told.items()}
        return {topic for topic, known in rights.items() if AclOperation.DELETE in (known.authorized_operations or ())}

    def may_see_groups(self) -> bool:
        """Whether the list of groups is sure to have all of them: without the right it has only some."""
        told = self._admin.describe_cluster(include_authorized_operations=True, request_timeout=self._timeout)
        return AclOperation.DESCRIBE in (patiently(told.result, self._timeout).authorized_operations or ())

    def delete_records(self, before: Mapping[tuple[str, int], int]) -> None:
        """Delete what is before these offsets, for every group. Ask `deletable` first."""
        asked = [TopicPartition(topic, number, offset) for (topic, number), offset in before.items()]
        if asked:
            futures = self._admin.delete_records(asked, request_timeout=self._timeout, operation_timeout=self._timeout)
            for part, future in futures.items():
                self._result(future, "delete records of", part.topic)

    def add_partitions(self, topic: str, count: int) -> None:
        """Raises BrokerUnavailable where the broker refuses, for instance because the topic has as many already."""
        futures = self._admin.create_partitions([NewPartitions(topic, count)], operation_timeout=self._timeout)
        self._result(futures[topic], "add partitions to", topic)
        self.forget(topic)

    # --- asking -----------------------------------------------------------------------------------------------------

    def _offsets(
        self, parts: Iterable[tuple[str, int]], spec: OffsetSpec, timeout: float, patience: float
    ) -> dict[tuple[str, int], int]:
        """A question has `timeout` seconds, and is asked again for `patience` while partitions have no leader yet."""
        asked = {TopicPartition(topic, number): spec for topic, number in parts}
        if not asked:
            return {}

        def ask() -> dict[tuple[str, int], int]:
            futures = self._admin.list_offsets(asked, request_timeout=timeout)
            return {(part.topic, part.partition): future.result().offset for part, future in futures.items()}

        return patiently(ask, patience)

    def _client(self) -> Consumer:
        client = self._measuring
        if client is None:
            config = {**self._config, **QUIET, "group.id": self._options.reader_group, "enable.auto.commit": False}
            client = self._measuring = checked(Consumer, config)
        return client

    def _find(self, topic: str) -> int:
        return self.counts().get(topic, 0)

    def _metadata(self) -> Any:
        try:
            found = self._admin.list_topics(timeout=self._timeout)
            self._names, self._names_since = frozenset((*found.topics, *self._known)), time.monotonic()
            return found
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

    def _result(self, future: Future[Any], action: str, topic: str, but: int | None = None) -> bool:
        """Whether it was done; False where the broker says `but`. Raises BrokerUnavailable for all else."""
        try:
            future.result(self._timeout + 1.0)
        except KafkaException as exception:
            if exception.args[0].code() == but:
                return False
            if exception.args[0].code() in NOT_ALLOWED:
                way_out = ", or make the topic beforehand" if action == "make" else ""
                right = "Create on it" if action == "make" else f"{action.capitalize()} on it"
                raise denied(exception.args[0], f"{action} topic {topic!r}", right + way_out) from exception
            raise BrokerUnavailable(f"can't {action} topic {topic!r}: {exception.args[0].str()}") from exception
        except TimeoutError as error:
            raise BrokerUnavailable(f"can't {action} topic {topic!r}: no answer in {self._timeout:g} s") from error
        return True


_topics: PerProcess[Topics] = PerProcess()


def shared_topics(config: Mapping[str, Any], options: Options) -> Topics:
    """This process' view of the topics behind this configuration."""
    return _topics.get((settings_key(config), options.key), lambda: Topics(config, options))
