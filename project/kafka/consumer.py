"""A member of a queue's consumer group: one thread that polls, and the records it has ready for the channel.

Each queue has a group of its own. So workers that share a queue share its messages whatever else they consume, and a
worker that comes or goes disturbs only the queues it has in common with others.

The thread owns librdkafka's consumer: only it polls, and the rebalance callbacks run inside its polls. The channel's
thread takes records with `take` and reports their end with `finish`, in any order and from any thread.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from .errors import REFUSED, REJOINING, BrokerUnavailable, checked
from .offsets import METADATA_BYTES, LogWentBack, PartitionTracker
from .options import Options
from .records import Headers
from .shared import Alive

logger = logging.getLogger(__name__)

#: How long a poll without news lasts at most, in seconds; it bounds how long a stop takes, not how fast news are.
IDLE = 0.25
BATCH = 64
#: A full buffer stops the polls for this long; then the partitions are paused (which throws away what librdkafka has
#: fetched ahead, so not at once) and polls go on, because rebalances and max.poll.interval.ms wait for nobody.
PAUSE_AFTER = 1.0
MAX_BUFFERED_BYTES = 16 * 1024 * 1024
COMMITTED_TIMEOUT = 5.0
#: How long a close waits for the last commits and for leaving the groups, in seconds.
CLOSE_TIMEOUT = 15.0
#: The longest pause between two tries of a commit that fails, in seconds.
MAX_COMMIT_PAUSE = 5.0


@dataclass(slots=True, frozen=True)
class Record:
    """One record of a queue, as it came from the broker."""

    partition: int
    offset: int
    value: bytes
    headers: Headers
    redelivered: bool
    consumer: GroupConsumer
    tracker: PartitionTracker

    @property
    def topic(self) -> str:
        return self.consumer.topic

    def finish(self) -> None:
        self.consumer.finish(self)


class GroupConsumer:
    """Consumes one topic as a member of its group, and commits what is finished.

    `notify` is called from the consumer's thread whenever records or an error became ready.
    """

    def __init__(self, topic: str, config: Mapping[str, Any], options: Options, notify: Callable[[], None]) -> None:
        self.topic = topic
        self._pid = os.getpid()
        self._options = options
        self._notify = notify
        self._consumer = checked(Consumer, {**config, "on_commit": self._on_commit, "logger": logger})
        self._trackers: dict[int, PartitionTracker] = {}
        self._ready: deque[Record] = deque()
        self._ready_bytes = 0
        self._changed = threading.Condition(threading.Lock())
        self._commit_at = 0.0
        self._commit_failures = 0
        self._metadata_bytes = METADATA_BYTES
        self._crowded: set[int] = set()  # partitions whose metadata is nearly full: paused
        self._full_since: float | None = None
        self._paused = False  # some partitions are
        self._held = False  # all partitions are: a new one isn't
        self._retiring = False
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"kafka-consumer-{topic}", daemon=True)
        _alive.add(self)
        self._thread.start()

    # --- for the channel --------------------------------------------------------------------------------------------

    def take(self) -> Record | None:
        """The next record, None where none is ready. Raises what ended the thread."""
        with self._changed:
            while self._ready:
                record = self._ready.popleft()
                self._ready_bytes -= len(record.value)
                if self._full_since is not None:
                    self._changed.notify_all()
                if not record.tracker.closed:
                    record.tracker.start(record.offset)
                    return record
            if self._error is not None:
                raise self._error
        return None

    def finish(self, record: Record) -> None:
        """The record needs no further work. Ignored where its partition has gone to another member meanwhile."""
        with self._changed:
            record.tracker.finish(record.offset)
            if not record.tracker.running:
                self._changed.notify_all()

    def retire(self) -> None:
        """Take nothing more, and leave the group once what was taken is finished.

        A worker that stops cancels its queues first and lets its tasks end then: they are still its own.
        """
        with self._changed:
            self._retiring = True
            self._changed.notify_all()

    def revive(self) -> bool:
        """Take back `retire`; False where it is too late."""
        with self._changed:
            if self._stopping or self._error is not None:
                return False
            self._retiring = False
            return True

    def put_back(self, record: Record) -> None:
        """A record that was taken could not be handled: it comes again, before those that wait."""
        with self._changed:
            if not record.tracker.closed:
                record.tracker.release(record.offset)
                self._ready.appendleft(replace(record, redelivered=True))
                self._ready_bytes += len(record.value)
        self._notify()

    def stop(self) -> None:
        """Begin to leave: commit what is finished; what is not goes to another member. `join` waits for it."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, deadline: float) -> None:
        """Wait until the group is left, or until `deadline` on the monotonic clock."""
        if os.getpid() != self._pid or self._thread is threading.current_thread():
            return  # a forked child has no part in its parent's membership
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            logger.warning("%s: could not leave in time; the group waits for the session to time out", self.topic)

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._consumer.subscribe(
                [self.topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._ended():
                self._turn()
        except BaseException as error:  # whatever ends this thread must end the connection, or the worker goes silent
            logger.exception("%s: the consumer stopped", self.topic)
            self._error = BrokerUnavailable(f"the consumer of {self.topic} stopped: {error}")
            self._notify()
        finally:
            self._leave()

    def _ended(self) -> bool:
        with self._changed:
            if self._retiring and not any(tracker.running for tracker in self._trackers.values()):
                self._stopping = True
            return self._stopping

    def _turn(self) -> None:
        self._commit_if_due()
        if self._is_full():
            self._hold()
        else:
            self._resume()
            self._poll(self._options.commit_interval if self._busy() else IDLE)

    def _busy(self) -> bool:
        with self._changed:
            return any(tracker.dirty or tracker.running for tracker in self._trackers.values())

    def _poll(self, timeout: float) -> None:
        message = self._consumer.poll(timeout)
        if message is None:
            return
        arrived = [message, *self._consumer.consume(BATCH, 0)]
        with self._changed:
            was_empty = not self._ready
            for message in arrived:
                self._arrive(message)
            news = was_empty and bool(self._ready)
        if news or self._error is not None:
            self._notify()

    def _arrive(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            self._on_error(error)
            return
        # A record, unlike an error, always has these; confluent_kafka's types don't say so.
        partition, offset = cast(int, message.partition()), cast(int, message.offset())
        tracker = self._trackers.get(partition)
        if tracker is None:
            return
        try:
            redelivered = tracker.arrive(offset)
        except LogWentBack as reason:
            tracker = self._begin_anew(partition, reason)
            redelivered = tracker.arrive(offset)
        if redelivered is None:
            return
        headers = cast(Headers, message.headers() or [])
        record = Record(partition, offset, message.value() or b"", headers, redelivered, self, tracker)
        self._ready.append(record)
        self._ready_bytes += len(record.value)

    def _begin_anew(self, partition: int, reason: LogWentBack) -> PartitionTracker:
        """What was known is of a log that is gone; to run something twice is better than to pass over new tasks."""
        logger.warning(
            "%s: partition %d is another log than before (%s): all of it is consumed", self.topic, partition, reason
        )
        self._forget_ready([partition])
        self._trackers[partition].closed = True
        tracker = self._trackers[partition] = PartitionTracker()
        return tracker

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in REFUSED:
            self._error = BrokerUnavailable(f"the group of {self.topic} refuses this consumer: {error.str()}")
        elif error.code() not in REJOINING:
            # librdkafka goes on trying by itself; an end of the connection would only make it begin anew.
            logger.warning("%s: %s", self.topic, error.str())

    # --- a full buffer ----------------------------------------------------------------------------------------------

    def _is_full(self) -> bool:
        with self._changed:
            full = (
                self._retiring
                or len(self._ready) >= self._options.max_buffered
                or self._ready_bytes >= MAX_BUFFERED_BYTES
            )
            if not full:
                self._full_since = None
            elif self._full_since is None:
                self._full_since = time.monotonic()
        return full

    def _hold(self) -> None:
        """Wait for room: without polls at first, then with the partitions paused."""
        if time.monotonic() - cast(float, self._full_since) < PAUSE_AFTER:
            with self._changed:
                if not self._stopping:
                    self._changed.wait(self._options.commit_interval)
            return
        if not self._held:
            self._consumer.pause(self._consumer.assignment())
            self._paused = self._held = True
        self._poll(self._options.commit_interval)

    def _resume(self) -> None:
        if self._paused:
            self._consumer.resume(self._consumer.assignment())
            self._paused = self._held = False
            self._crowded.clear()
        crowded = {partition for partition, tracker in self._trackers.items() if tracker.crowded(self._metadata_bytes)}
        if crowded != self._crowded:
            self._consumer.pause(self._parts(crowded - self._crowded))
            self._consumer.resume(self._parts((self._crowded - crowded) & self._trackers.keys()))
            self._crowded = crowded

    def _parts(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self.topic, partition) for partition in partitions]

    # --- commits ----------------------------------------------------------------------------------------------------

    def _commit_if_due(self) -> None:
        now = time.monotonic()
        if now >= self._commit_at:
            self._commit_at = now + min(self._options.commit_interval * 2**self._commit_failures, MAX_COMMIT_PAUSE)
            self._commit(self._trackers, asynchronous=True)

    def _commit(self, partitions: Iterable[int], asynchronous: bool) -> None:
        offsets = []
        with self._changed:
            for partition in tuple(partitions):
                tracker = self._trackers[partition]
                position = tracker.position(self._metadata_bytes) if tracker.dirty else None
                if position is not None:
                    offsets.append(TopicPartition(self.topic, partition, position[0], metadata=position[1]))
                    tracker.dirty = False
        if not offsets:
            return
        try:
            if asynchronous:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as exception:
            self._on_commit(exception.args[0], offsets)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """The broker's answer. What it didn't store is offered again; until then a crash would repeat that work."""
        failed = [part for part in partitions if error is not None or part.error is not None]
        reason = error or next((part.error for part in failed), None)
        if reason is None:
            self._commit_failures = 0
            return
        if reason.code() == KafkaError.OFFSET_METADATA_TOO_LARGE:
            self._metadata_bytes //= 2  # the broker's offset.metadata.max.bytes is smaller than its default
        self._commit_failures = min(self._commit_failures + 1, 10)
        with self._changed:
            for part in failed:
                tracker = self._trackers.get(part.partition)
                if tracker is not None:
                    tracker.dirty = True
        level = logging.DEBUG if reason.code() in REJOINING or self._commit_failures > 1 else logging.WARNING
        logger.log(level, "%s: a commit failed and will be repeated: %s", self.topic, reason.str())

    # --- rebalances: librdkafka assigns and revokes by itself when these return -------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        stored = self._stored(partitions)
        with self._changed:
            for part in partitions:
                self._trackers[part.partition] = PartitionTracker(*stored.get(part.partition, (None, "")))
            self._held = False
            self._crowded.clear()
        logger.info("%s: got %d partitions", self.topic, len(partitions))

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
            self._forget_ready(going)
            deadline = time.monotonic() + self._options.revoke_wait
            while not self._stopping and any(self._trackers[partition].running for partition in going):
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    logger.warning("%s: partitions go while tasks of them still run; those may run twice", self.topic)
                    break
        self._commit(going, asynchronous=False)
        self._drop(going)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The group has given the partitions away already: nothing of them may be committed any more."""
        going = self._going(partitions)
        with self._changed:
            self._forget_ready(going)
        self._drop(going)
        logger.warning("%s: lost %d partitions; what runs of them may run twice", self.topic, len(going))

    def _going(self, partitions: list[TopicPartition]) -> list[int]:
        return [part.partition for part in partitions if part.partition in self._trackers]

    def _forget_ready(self, partitions: Iterable[int]) -> None:
        gone = frozenset(partitions)
        kept = [record for record in self._ready if record.partition not in gone]
        self._ready = deque(kept)
        self._ready_bytes = sum(len(record.value) for record in kept)

    def _drop(self, partitions: Iterable[int]) -> None:
        with self._changed:
            for partition in tuple(partitions):
                self._trackers.pop(partition).closed = True
                self._crowded.discard(partition)

    def _leave(self) -> None:
        try:
            self._commit(self._trackers, asynchronous=False)
            self._consumer.close()
        except (KafkaException, RuntimeError) as error:
            logger.warning("%s: leaving the group failed: %s", self.topic, error)
        finally:
            self._drop(self._trackers)
            with self._changed:
                self._ready.clear()
            _alive.discard(self)


def join_all(consumers: Iterable[GroupConsumer]) -> None:
    """Wait for consumers that were told to stop: for all of them together no longer than for one."""
    deadline = time.monotonic() + CLOSE_TIMEOUT
    for consumer in consumers:
        consumer.join(deadline)


def _stop_all(consumers: tuple[GroupConsumer, ...]) -> None:
    for consumer in consumers:
        consumer.stop()
    join_all(consumers)


_alive: Alive[GroupConsumer] = Alive(_stop_all)
