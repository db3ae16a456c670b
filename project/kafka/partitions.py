"""The partitions that a member of a group has: what a rebalance does to them, and the commits of what is finished.

librdkafka assigns and revokes by itself when the callbacks here return; they run inside the polls of the member's
thread. Only that thread calls anything here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from . import meter
from .errors import REJOINING
from .metadata import METADATA_BYTES
from .offsets import PartitionTracker
from .options import Options
from .trim import Trimmer

logger = logging.getLogger(__name__)

COMMITTED_TIMEOUT = 5.0
#: The longest pause between two tries of a commit that fails, in seconds.
MAX_COMMIT_PAUSE = 5.0
#: How long a commit may go unanswered before the next one is sent, in seconds. A broker answers a connection's requests
#: one after the other, so behind a rebalance that waits for a dead member the commits would only pile up.
UNANSWERED = 1.0
#: Once this process knows whether its broker keeps the commits' metadata.
_metadata_checked = threading.Event()


class Partitions:
    """The trackers of one topic's partitions that are ours, by number.

    `changed` guards the trackers; it is notified when tasks end. `forget` drops what the member
    still has of partitions that go or come.
    """

    def __init__(
        self,
        topic: str,
        options: Options,
        changed: threading.Condition,
        forget: Callable[[Iterable[int]], None],
        trimmer: Trimmer | None = None,
    ) -> None:
        self.topic = topic
        self.trackers: dict[int, PartitionTracker] = {}
        self.metadata_bytes = METADATA_BYTES
        self.unmarked: set[int] = set()  # the group doesn't know yet that we have them
        self.leaving = False  # nothing is waited for any more
        self.fenced = False  # the group has another member with our name
        self.lost_at = float("-inf")  # on the monotonic clock
        self._options = options
        self._changed = changed
        self._forget = forget
        self._trimmer = trimmer
        self._consumer: Consumer
        self._lost: dict[int, PartitionTracker] = {}  # maybe they come back
        self._commit_at = 0.0
        self._unanswered_until = 0.0
        self._unanswered = 0  # commits
        self._failures = 0
        self._refused_amid_rebalance = False

    def has(self, number: int, tracker: PartitionTracker) -> bool:
        """Whether the partition is still ours, and still the one that `tracker` is about. Under the lock."""
        return self.trackers.get(number) is tracker

    def attach(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def subscribe(self) -> None:
        self._consumer.subscribe(
            [self.topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def busy(self) -> bool:
        with self._changed:
            return any(tracker.dirty or tracker.running for tracker in self.trackers.values())

    @property
    def failing(self) -> bool:
        """Whether the last commit was not stored."""
        return bool(self._failures)

    @property
    def rejoining(self) -> bool:
        """Whether the last commit was refused because of a rebalance, and what it was about is still ours."""
        with self._changed:
            return self._refused_amid_rebalance and any(tracker.dirty for tracker in self.trackers.values())

    @property
    def unanswered(self) -> bool:
        """Whether a commit is on its way. Only a poll tells of its end."""
        return self._unanswered > 0

    def running(self) -> bool:
        """Whether the application has a record that it hasn't finished. Under the lock."""
        return any(tracker.running for tracker in self.trackers.values())

    def parts(self, numbers: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self.topic, number) for number in numbers]

    # --- commits ----------------------------------------------------------------------------------------------------

    def commit_if_due(self) -> None:
        now = time.monotonic()
        if now >= max(self._commit_at, self._unanswered_until):
            self._commit_at = now + min(self._options.commit_interval * 2**self._failures, MAX_COMMIT_PAUSE)
            self.commit(self.trackers, asynchronous=True)

    def mark(self, numbers: set[int]) -> None:
        """Before the first record of each goes out: should it kill this worker, the next one can tell."""
        marked = self.unmarked & numbers
        if marked:
            self.commit(marked)
            if not _metadata_checked.is_set() and not self._failures:
                self._check_metadata(marked)

    def _check_metadata(self, marked: Iterable[int]) -> None:
        """Once in a process: has the broker kept what was stored beside the offsets a moment ago?"""
        kept = [metadata for _, metadata in self._stored(self.parts(marked)).values()]
        if kept:
            _metadata_checked.set()
            if not any(kept):
                logger.warning(
                    "this broker keeps no metadata of commits: after a crash what was finished behind an unfinished "
                    "task runs again, and a task that kills its whole worker comes again without a limit"
                )

    def commit(self, numbers: Iterable[int], asynchronous: bool = False, leaving: bool = False) -> None:
        """Store what is finished. A failure is logged, and offered again with the next commit."""
        if not self._consumer.memberid():
            return  # between an outage and joining again: librdkafka would send it, and the group refuse our name
        offsets = []
        with self._changed:
            for number in tuple(numbers):
                tracker = self.trackers[number]
                due = tracker.dirty or (leaving and tracker.owned)
                position = tracker.position(self.metadata_bytes, leaving) if due else None
                if position is not None:
                    offsets.append(TopicPartition(self.topic, number, position[0], metadata=position[1]))
                    tracker.dirty = False
                    tracker.owned = not leaving
                    self.unmarked.discard(number)
        if not offsets:
            return
        try:
            if asynchronous:
                self._unanswered_until = time.monotonic() + UNANSWERED
                self._consumer.commit(offsets=offsets, asynchronous=True)
                self._unanswered += 1
            else:
                # For this kind librdkafka doesn't call `on_commit`, and raises only where it failed for all partitions.
                self._on_answer(None, self._consumer.commit(offsets=offsets, asynchronous=False) or [])
        except KafkaException as exception:
            self._on_answer(exception.args[0], offsets)

    def on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """The broker's answer to an asynchronous commit."""
        self._unanswered -= 1
        self._on_answer(error, partitions)

    def _on_answer(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """What the broker didn't store is offered again; until then a crash would repeat that work."""
        self._unanswered_until = 0.0
        failed = [part for part in partitions if error is not None or part.error is not None]
        reason = error or next((part.error for part in failed), None)
        self._refused_amid_rebalance = reason is not None and reason.code() in REJOINING
        if reason is None:
            self._failures = 0
            meter.count("committed", self.topic)
            if self._trimmer is not None:
                self._trimmer.committed(partitions)
            return
        meter.count("commit_failed", self.topic)
        if reason.code() == KafkaError.FENCED_INSTANCE_ID:
            self.fenced = True
        if reason.code() == KafkaError.OFFSET_METADATA_TOO_LARGE:
            self.metadata_bytes //= 2  # the broker's offset.metadata.max.bytes is smaller than its default
        # What a rebalance has refused is accepted after it: that is no reason to wait longer.
        self._failures = 1 if self._refused_amid_rebalance else min(self._failures + 1, 10)
        with self._changed:
            for part in failed:
                tracker = self.trackers.get(part.partition)
                if tracker is not None:
                    tracker.dirty = True
        level = logging.DEBUG if self._refused_amid_rebalance or self._failures > 1 else logging.WARNING
        logger.log(level, "%s: a commit failed and will be repeated: %s", self.topic, reason.str())

    # --- rebalances -------------------------------------------------------------------------------------------------

    def begin_anew(self, number: int, reason: Any) -> PartitionTracker:
        """What was known is of a log that is gone; to run something twice is better than to pass over new tasks."""
        logger.warning(
            "%s: partition %d is another log than before (%s): all of it is consumed", self.topic, number, reason
        )
        self._forget([number])
        tracker = self.trackers[number] = PartitionTracker()
        return tracker

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        stored = self._stored(partitions)
        with self._changed:
            self._forget(part.partition for part in partitions)
            for part in partitions:
                self.trackers[part.partition] = self._tracker(part.partition, *stored.get(part.partition, (None, "")))
            # What comes later was somebody else's in between, who has gone on from what was stored.
            self._lost.clear()
            self._changed.notify_all()
        self.unmarked.update(part.partition for part in partitions)
        logger.info("%s: got %d partitions", self.topic, len(partitions))

    def _tracker(self, number: int, committed: int | None, metadata: str) -> PartitionTracker:
        lost = self._lost.pop(number, None)
        if lost is not None and committed is not None:
            lost.reassign(committed, metadata)
            return lost
        # A group that has forgotten what it had stored may be one of a broker that has forgotten the log as well.
        tracker = PartitionTracker(committed, metadata)
        if tracker.careful:
            logger.warning(
                "%s: partition %d was left by %d crashes in a row: its next records go out one at a time",
                self.topic,
                number,
                tracker.crashes,
            )
        return tracker

    def _stored(self, partitions: list[TopicPartition]) -> dict[int, tuple[int, str]]:
        if not partitions:
            return {}
        try:
            committed = self._consumer.committed(partitions, timeout=COMMITTED_TIMEOUT)
        except KafkaException as exception:
            # Without the metadata, finished work beyond the committed offset is repeated; none is lost.
            reason = exception.args[0].str()
            logger.warning("%s: can't read what is finished beyond the commits: %s", self.topic, reason)
            return {}
        return {
            part.partition: (part.offset, part.metadata or "")
            for part in committed
            if part.offset >= 0 and part.error is None
        }

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Give partitions back: wait, within bounds, for what runs of them, and commit what is finished."""
        going = self._going(partitions)
        with self._changed:
            self._forget(going)
            deadline = time.monotonic() + self._options.revoke_wait
            while not self.leaving and any(self.trackers[number].running for number in going):
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    logger.warning("%s: partitions go while tasks of them still run; those may run twice", self.topic)
                    break
        self.commit(going, leaving=True)
        self.drop(going)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The group has given the partitions away already: nothing of them may be committed any more.

        Mostly they come back, after an outage of the broker: what is finished by then needn't be repeated.
        """
        going = self._going(partitions)
        self.lost_at = time.monotonic()
        with self._changed:
            self._forget(going)
            for number in going:
                self._lost[number] = self.trackers.pop(number)
                self.unmarked.discard(number)
        meter.count("partitions_lost", self.topic, len(going))
        logger.warning("%s: lost %d partitions; what runs of them may run twice", self.topic, len(going))

    def _going(self, partitions: list[TopicPartition]) -> list[int]:
        return [part.partition for part in partitions if part.partition in self.trackers]

    def drop(self, numbers: Iterable[int]) -> None:
        with self._changed:
            for number in tuple(numbers):
                del self.trackers[number]
                self.unmarked.discard(number)
