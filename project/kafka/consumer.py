"""A member of the consumer group: one thread that polls, and the records it has ready for the channel.

The thread owns librdkafka's consumer: only it polls, and the rebalance callbacks run inside its polls. The channel's
thread takes records from `take` and reports their end with `finish`, in any order and from any thread.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from .errors import REJOINING, BrokerUnavailable
from .offsets import PartitionTracker
from .options import Options
from .records import Headers

logger = logging.getLogger(__name__)

#: How long a poll without news lasts at most, in seconds; it bounds how long a stop takes, not how fast news are.
IDLE = 0.25
BATCH = 64
#: A full buffer stops the polls for this long; then the partitions are paused (which throws away what librdkafka has
#: fetched ahead, so not at once) and polls go on, because rebalances and max.poll.interval.ms wait for nobody.
PAUSE_AFTER = 1.0
MAX_BUFFERED_BYTES = 16 * 1024 * 1024
COMMITTED_TIMEOUT = 5.0


@dataclass(slots=True, frozen=True)
class Record:
    """One record of a queue, as it came from the broker."""

    topic: str
    partition: int
    offset: int
    value: bytes
    headers: Headers
    redelivered: bool
    tracker: PartitionTracker


class GroupConsumer:
    """Consumes topics as a member of the group, and commits what is finished.

    `notify` is called from the consumer's thread whenever records or an error became ready.
    """

    def __init__(self, config: Mapping[str, Any], options: Options, notify: Callable[[], None]) -> None:
        self._pid = os.getpid()
        self._options = options
        self._notify = notify
        self._consumer = Consumer({**config, "on_commit": self._on_commit, "logger": logger})
        self._wanted: tuple[str, ...] = ()
        self._subscribed: tuple[str, ...] = ()
        self._trackers: dict[tuple[str, int], PartitionTracker] = {}
        self._ready: deque[Record] = deque()
        self._ready_bytes = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._committed_at = 0.0
        self._full_since: float | None = None
        self._paused = False  # some partitions are
        self._held = False  # all partitions are: a new one isn't
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="kafka-consumer", daemon=True)
        _alive.add(self)

    # --- for the channel --------------------------------------------------------------------------------------------

    def subscribe(self, topics: Iterable[str]) -> bool:
        """Consume these topics and no others. Without any, the group is left once what runs is finished.

        Returns whether they were consumed already.
        """
        wanted = tuple(sorted(topics))
        with self._lock:
            if wanted == self._wanted:
                return True
            self._wanted = wanted
            self._changed.notify_all()
        if self._wanted and not self._thread.ident:
            self._thread.start()
        return False

    def take(self, topics: frozenset[str] | None = None) -> Record | None:
        """The next record (of one of `topics`), None where none is ready. Raises what ended the thread."""
        with self._lock:
            while self._ready:
                if topics is not None and self._ready[0].topic not in topics:
                    return self._take_among(topics)
                record = self._ready.popleft()
                if self._hand_out(record):
                    return record
            if self._error is not None:
                raise self._error
        return None

    def _take_among(self, topics: frozenset[str]) -> Record | None:
        for record in tuple(self._ready):
            if record.topic in topics:
                self._ready.remove(record)
                if self._hand_out(record):
                    return record
        return None

    def _hand_out(self, record: Record) -> bool:
        self._ready_bytes -= len(record.value)
        if self._full_since is not None:
            self._changed.notify_all()
        if record.tracker.closed:
            return False
        record.tracker.start(record.offset)
        return True

    def finish(self, record: Record) -> None:
        """The record needs no further work. Ignored where its partition has gone to another member meanwhile."""
        with self._lock:
            record.tracker.finish(record.offset)
            if not record.tracker.running:
                self._changed.notify_all()

    def release(self, record: Record) -> None:
        """Give a record that was taken but not delivered back to the front."""
        with self._lock:
            record.tracker.release(record.offset)
            self._ready.appendleft(record)
            self._ready_bytes += len(record.value)

    def close(self) -> None:
        """Commit what is finished and leave the group. Records that are not finished go to another member."""
        if os.getpid() != self._pid:
            return  # a forked child has no part in its parent's membership
        _alive.discard(self)
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(self._options.revoke_wait + self._options.session_timeout)
        if self._thread.is_alive():
            logger.warning("the consumer's thread did not end in time; the group waits for its session to time out")
        elif not self._thread.ident:
            self._consumer.close()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        except BaseException as error:  # whatever ends this thread must end the connection, or the worker goes silent
            logger.exception("the consumer stopped")
            self._fail(error)
        finally:
            self._leave()

    def _turn(self) -> None:
        self._apply_subscription()
        self._commit_if_due()
        if not self._subscribed:
            with self._lock:
                if not self._wanted and not self._stopping:
                    self._changed.wait(IDLE)
        elif self._is_full():
            self._hold()
        else:
            self._resume()
            self._poll(self._options.commit_interval if self._busy() else IDLE)

    def _apply_subscription(self) -> None:
        wanted = self._wanted
        if wanted == self._subscribed:
            return
        if wanted:
            self._consumer.subscribe(
                list(wanted), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
        elif self._runs():
            # A worker that stops cancels its queues first and then lets its tasks end: they are still ours.
            return
        else:
            self._consumer.unsubscribe()
            self._consumer.poll(0)
        self._subscribed = wanted

    def _runs(self) -> bool:
        with self._lock:
            return any(tracker.running for tracker in self._trackers.values())

    def _busy(self) -> bool:
        with self._lock:
            return any(tracker.dirty or tracker.running for tracker in self._trackers.values())

    def _poll(self, timeout: float) -> None:
        message = self._consumer.poll(timeout)
        if message is None:
            return
        arrived = [message, *self._consumer.consume(BATCH, 0)]
        with self._lock:
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
        topic, partition, offset = (
            cast(Any, value) for value in (message.topic(), message.partition(), message.offset())
        )
        tracker = self._trackers.get((topic, partition))
        if tracker is None:
            return
        redelivered = tracker.arrive(offset)
        if redelivered is None:
            return
        record = Record(
            topic, partition, offset, message.value() or b"", cast(Any, message.headers()) or [], redelivered, tracker,
        )  # fmt: skip
        self._ready.append(record)
        self._ready_bytes += len(record.value)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError.FENCED_INSTANCE_ID:
            self._error = BrokerUnavailable(f"the group refuses this consumer: {error.str()}")
        elif error.code() not in REJOINING:
            # librdkafka goes on trying by itself; an end of the connection would only make it begin anew.
            logger.warning("consumer: %s", error.str())

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._error = BrokerUnavailable(f"the consumer stopped: {error}")
        self._notify()

    def _is_full(self) -> bool:
        with self._lock:
            full = len(self._ready) >= self._options.max_buffered or self._ready_bytes >= MAX_BUFFERED_BYTES
        if not full:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = time.monotonic()
        return full

    def _hold(self) -> None:
        """Wait for room: without polls at first, then with the partitions paused."""
        assert self._full_since is not None
        if time.monotonic() - self._full_since < PAUSE_AFTER:
            with self._lock:
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

    # --- commits ----------------------------------------------------------------------------------------------------

    def _commit_if_due(self) -> None:
        now = time.monotonic()
        if now - self._committed_at >= self._options.commit_interval:
            self._committed_at = now
            self._commit(self._trackers, asynchronous=True)

    def _commit(self, keys: Iterable[tuple[str, int]], asynchronous: bool) -> None:
        offsets = []
        with self._lock:
            for key in tuple(keys):
                tracker = self._trackers[key]
                position = tracker.position() if tracker.dirty else None
                if position is not None:
                    offsets.append(TopicPartition(*key, position[0], metadata=position[1]))
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
            return
        with self._lock:
            for partition in failed:
                tracker = self._trackers.get((partition.topic, partition.partition))
                if tracker is not None:
                    tracker.dirty = True
        level = logging.DEBUG if reason.code() in REJOINING else logging.WARNING
        logger.log(level, "commit failed and will be repeated: %s", reason.str())

    # --- rebalances: librdkafka assigns and revokes by itself when these return -------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        stored = self._stored(consumer, partitions)
        with self._lock:
            for partition in partitions:
                key = partition.topic, partition.partition
                self._trackers[key] = PartitionTracker(*stored.get(key, (None, "")))
            self._held = False
        logger.info("got %d partitions of %s", len(partitions), ", ".join(self._wanted))

    def _stored(self, consumer: Consumer, partitions: list[TopicPartition]) -> dict[tuple[str, int], tuple[int, str]]:
        if not partitions:
            return {}
        try:
            committed = consumer.committed(partitions, timeout=COMMITTED_TIMEOUT)
        except KafkaException as exception:
            # Without the metadata, finished work beyond the committed offset is repeated; none is lost.
            logger.warning("can't read what is finished beyond the commits: %s", exception.args[0].str())
            return {}
        return {
            (item.topic, item.partition): (item.offset, item.metadata or "")
            for item in committed
            if item.offset >= 0 and item.error is None
        }

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = [key for part in partitions if (key := (part.topic, part.partition)) in self._trackers]
        with self._lock:
            self._forget_ready(keys)
            deadline = time.monotonic() + (0.0 if self._stopping else self._options.revoke_wait)
            while any(self._trackers[key].running for key in keys) and not self._stopping:
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    logger.warning("partitions go while tasks of them still run; those may run twice")
                    break
        self._commit(keys, asynchronous=False)
        self._drop(keys)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The group has given the partitions away already: nothing of them may be committed any more."""
        keys = [key for part in partitions if (key := (part.topic, part.partition)) in self._trackers]
        with self._lock:
            self._forget_ready(keys)
        self._drop(keys)
        logger.warning("lost %d partitions; what runs of them may run twice", len(keys))

    def _forget_ready(self, keys: Iterable[tuple[str, int]]) -> None:
        gone = {id(self._trackers[key]) for key in keys}
        kept = [record for record in self._ready if id(record.tracker) not in gone]
        self._ready = deque(kept)
        self._ready_bytes = sum(len(record.value) for record in kept)

    def _drop(self, keys: Iterable[tuple[str, int]]) -> None:
        with self._lock:
            for key in keys:
                self._trackers.pop(key).closed = True

    def _leave(self) -> None:
        try:
            self._commit(self._trackers, asynchronous=False)
            self._consumer.close()
        except (KafkaException, RuntimeError) as error:
            logger.warning("leaving the group failed: %s", error)
        finally:
            with self._lock:
                for tracker in self._trackers.values():
                    tracker.closed = True
                self._trackers.clear()
                self._ready.clear()


_alive: weakref.WeakSet[GroupConsumer] = weakref.WeakSet()
#: See producer._inherited.
_inherited: list[GroupConsumer] = []


def _after_fork() -> None:
    _inherited.extend(_alive)
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _close_all() -> None:
    """A thread inside librdkafka must not outlive the interpreter."""
    for consumer in tuple(_alive):
        consumer.close()
