"""A member of a queue's consumer group: one thread that polls, and fills a buffer for the channel.

Each queue has a group of its own. So workers that share a queue share its messages whatever else they consume, and a
worker that comes or goes disturbs only the queues it has in common with others.

The thread owns librdkafka's consumer: only it polls, and the rebalance callbacks (partitions.py) run inside its polls.
The channel's thread takes records with `take` and reports their end with `finish`, in any order and from any thread.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from .buffer import Buffer, Record
from .errors import NOT_ALLOWED, REFUSED, REJOINING, BrokerUnavailable, ConfigurationError, checked, denied
from .identity import instance_ids
from .offsets import LogWentBack, PartitionTracker
from .options import Options
from .partitions import Partitions
from .pauses import Pauses
from .quiet import librdkafka_logger, watch
from .records import Headers
from .shared import Alive, close_some_time, join_thread
from .trim import Trimmer

logger = logging.getLogger(__name__)

#: How long a poll without news lasts at most, in seconds; it bounds how long a stop takes, not how fast news are.
#: Twice 0.2, into which confluent_kafka cuts each wait to look for signals: 0.5 would cost three such looks.
IDLE = 0.4
BATCH = 64
#: How long a fetch without news waits at the broker, in milliseconds: twice librdkafka's default, for half as many of
#: them while a queue is empty. News end it; only a partition that has just come to us may wait for its end.
FETCH_WAIT = 1000
#: A full buffer stops the polls for this long; then the partitions are paused (which throws away what librdkafka has
#: fetched ahead, so not at once) and polls go on, because rebalances and max.poll.interval.ms wait for nobody.
PAUSE_AFTER = 1.0
#: How long a look at a full buffer is off, in seconds: short enough that it doesn't run empty meanwhile. Were each take
#: to wake the thread, it would wake for each task of a backlog, and take the interpreter's lock from who delivers them.
LOOK_AGAIN = 0.02
#: librdkafka commits without its member's id when the group's coordinator comes back after the session has ended, and
#: the group takes that for a namesake. For this many seconds after an outage such an error isn't believed.
FENCED_BY_ITSELF = 30.0
#: How long the last commit is offered to a group that refuses it amid a rebalance, or doesn't answer, in seconds. An
#: answer may be behind that of a rebalance, which waits for the slowest member.
LAST_COMMIT_TIMEOUT = 8.0
#: How long the broker may take to hear that a static member leaves, in seconds.
LEAVE_TIMEOUT = 2.0
REJOIN_POLL = 0.05


class Member(Protocol):
    """What a channel has of a queue: one member of its group, or of each of its levels' groups."""

    def take(self) -> Record | None: ...
    def await_settled(self, deadline: float) -> None: ...
    def retire(self) -> None: ...
    def revive(self) -> bool: ...
    def stop(self) -> None: ...
    def join(self, deadline: float) -> None: ...


class GroupConsumer:
    """Consumes one topic as a member of its group, and commits what is finished.

    `notify` is called from the consumer's thread whenever records or an error became ready.
    """

    _buffer_type = Buffer

    def __init__(
        self,
        topic: str,
        config: Mapping[str, Any],
        options: Options,
        notify: Callable[[], None],
        trimmer: Trimmer | None = None,
    ) -> None:
        self.topic = topic
        self._pid = os.getpid()
        self._options = options
        self._notify = notify
        self._group = config["group.id"]
        self._instance_id = instance_ids.claim(self._group) if options.static else None
        if self._instance_id is not None:
            config = {**config, "group.instance.id": self._instance_id}
        self._changed = threading.Condition(threading.Lock())
        self._trimmer = trimmer
        self._partitions = Partitions(topic, options, self._changed, self._forget, trimmer)
        own = {"on_commit": self._partitions.on_commit, "logger": librdkafka_logger}
        self._consumer = checked(Consumer, {"fetch.wait.max.ms": FETCH_WAIT, **config, **own})
        self._partitions.attach(self._consumer)
        self._pauses = Pauses(self._consumer, self._partitions)
        self._buffer = self._buffer_type(options.max_buffered)
        self._full_since: float | None = None
        self._remade = False  # the topic was deleted and made again
        self._to_rewind: set[int] = set()
        self._retiring = False
        self._stopping = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"kafka-consumer-{topic}", daemon=True)
        _alive.add(self)
        self._thread.start()

    # --- for the channel --------------------------------------------------------------------------------------------

    def take(self) -> Record | None:
        """The next record, None where none is ready. Raises what ended the thread."""
        with self._changed:
            while (record := self._buffer.take()) is not None:
                if self._partitions.has(record.partition, record.tracker):
                    record.tracker.start(record.offset)
                    return record
            if self._error is not None:
                raise self._error
        return None

    def finish(self, record: Record) -> None:
        """The record needs no further work. Of no use where its partition has gone to another member meanwhile."""
        with self._changed:
            record.tracker.finish(record.offset)
            if not record.tracker.running:
                self._changed.notify_all()

    def blame(self, record: Record) -> None:
        """The application failed on receiving the record. Should it end by that, even in order, it counts."""
        with self._changed:
            record.tracker.blame(record.offset)

    def retire(self) -> None:
        """Take nothing more, and leave the group once what was taken is finished.

        A worker that stops cancels its queues first and lets its tasks end then: they are still its own.
        """
        with self._changed:
            self._retiring = True
            self._buffer.release()
            self._changed.notify_all()

    def revive(self) -> bool:
        """Take back `retire`; False where it is too late."""
        with self._changed:
            if self._stopping or self._error is not None:
                return False
            self._retiring = False
            return True

    def await_settled(self, deadline: float) -> None:
        """Wait until `settled`, or the thread's end, or until `deadline` on the monotonic clock.

        Not where this process has unfinished messages as another member: that one waits for their end before it hands
        over partitions, and it may be up to the very caller.
        """
        if any(other.is_busy() for other in _alive if other is not self and other._group == self._group):
            return
        with self._changed:
            while not (self.settled() or self._stopping or self._error is not None):
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    logger.warning("%s: not a member of its group in time, it may become one yet", self.topic)
                    return

    def is_busy(self) -> bool:
        """Whether the application has a record that it hasn't finished."""
        with self._changed:
            return self._partitions.running()

    def settled(self) -> bool:
        """Whether we have partitions: what is published reaches us from now on. Under the lock."""
        return bool(self._partitions.trackers)

    def put_back(self, record: Record) -> None:
        """A record that was taken could not be handled: it comes again, before those that wait."""
        with self._changed:
            record.tracker.release(record.offset)
            if self._partitions.has(record.partition, record.tracker):
                self._buffer.put_back(record)
        self._notify()

    def waiting(self) -> dict[int, PartitionTracker]:
        """Nothing where nothing waits here, else every partition of ours: of the others some may be on its way."""
        with self._changed:
            return dict(self._partitions.trackers) if self._buffer.waits else {}

    def pass_over(self, number: int, tracker: PartitionTracker, begin: int) -> None:
        """The log of a partition begins at `begin` now: what waits from before that was purged."""

        def purged(record: Record) -> bool:
            return record.tracker is tracker and record.offset < begin and not tracker.runs(record.offset)

        with self._changed:
            if not self._partitions.has(number, tracker):
                return
            tracker.begin = begin
            for record in self._buffer.drop(purged):
                tracker.finish(record.offset)
            self._changed.notify_all()

    def begin_anew(self) -> None:
        """The topic was deleted and made again: no offset of the old one means anything in it."""
        self._remade = True

    def stop(self) -> None:
        """Begin to leave: commit what is finished; what is not goes to another member. `join` waits for it."""
        with self._changed:
            self._stopping = self._partitions.leaving = True
            self._changed.notify_all()

    def join(self, deadline: float) -> None:
        """Wait until the group is left, or until `deadline` on the monotonic clock."""
        if os.getpid() != self._pid:
            return  # a forked child has no part in its parent's membership
        if not join_thread(self._thread, deadline):
            logger.warning("%s: could not leave in time; the group waits for the session to time out", self.topic)
            _alive.discard(self)  # nor is it waited for a second time, at the end of the process

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._partitions.subscribe()
            while not self._ended():
                self._turn()
        except BaseException as error:  # whatever ends this thread must end the connection, or the worker goes silent
            logger.exception("%s: the consumer stopped", self.topic)
            self._error = self._error or BrokerUnavailable(f"the consumer of {self.topic} stopped: {error}")
            self._notify()
        finally:
            self._leave()

    def _ended(self) -> bool:
        with self._changed:
            if self._retiring and not self._partitions.running():
                self._stopping = self._partitions.leaving = True
            return self._stopping

    def _turn(self) -> None:
        self._partitions.commit_if_due()
        if self._partitions.fenced and self._error is None:
            self._on_fenced()
            self._notify()
        if self._remade or self._to_rewind:
            self._rewind()
        if self._buffer.has_suspects and not self._retiring:
            self._let_suspect_out()
        if self._is_full():
            self._hold()
            return
        self._pauses.resume()
        if self._buffer.has_suspects:
            self._wait(self._options.commit_interval)  # for the end of the one that is out
            self._poll(0.0)
        else:  # what is ready may have ended before this poll does
            busy = self._buffer.has_ready or self._partitions.busy()
            self._poll(min(self._options.commit_interval, IDLE) if busy else IDLE)

    def _rewind(self) -> None:
        """Go to the beginning of each partition. One that isn't fetched yet refuses that: in the next turn, then."""
        if self._remade:
            self._remade = False
            self._to_rewind.update(self._partitions.trackers)
        for number in tuple(self._to_rewind & self._partitions.trackers.keys()):
            try:
                self._consumer.seek(TopicPartition(self.topic, number, OFFSET_BEGINNING))
            except KafkaException as error:
                logger.debug("%s: partition %d can't be rewound yet: %s", self.topic, number, error)
                continue
            self._to_rewind.discard(number)
            with self._changed:
                self._partitions.begin_anew(number, "the topic has another id")
        self._to_rewind &= self._partitions.trackers.keys()

    def _wait(self, seconds: float) -> None:
        with self._changed:
            if not self._stopping:
                self._changed.wait(seconds)

    def _poll(self, timeout: float, batch: int = BATCH) -> None:
        message = self._consumer.poll(timeout)
        if message is None:
            return
        arrived = [message, *self._consumer.consume(batch, 0)]
        with self._changed:
            records = [record for message in arrived if (record := self._arrive(message)) is not None]
        if self._partitions.unmarked:
            self._partitions.mark({record.partition for record in records})
        with self._changed:
            was_empty = not self._buffer.has_ready
            for record in records:
                self._buffer.add(record)
            news = was_empty and self._buffer.has_ready
        if news or self._error is not None:
            self._notify()

    def _arrive(self, message: Message) -> Record | None:
        """The record of a message that has to be handed out."""
        error = message.error()
        if error is not None:
            self._on_error(error)
            return None
        # A record, unlike an error, always has these; confluent_kafka's types don't say so.
        partition, offset = cast(int, message.partition()), cast(int, message.offset())
        tracker = self._partitions.trackers.get(partition)
        if tracker is None:
            return None
        try:
            redelivered = tracker.arrive(offset)
        except LogWentBack as reason:
            tracker = self._partitions.begin_anew(partition, reason)
            redelivered = tracker.arrive(offset)
        if redelivered is None:
            return None
        headers = cast(Headers, message.headers() or [])
        when, value = message.timestamp()[1], message.value() or b""
        deliveries = tracker.deliveries(offset)
        return Record(partition, offset, when, value, headers, redelivered, deliveries, self, tracker)

    def _on_error(self, error: KafkaError) -> None:
        # What has ended the client has one code for all, and the true one in its text alone.
        if error.code() == KafkaError._FATAL and "fenced" in error.str():
            self._on_fenced()
        elif error.code() in NOT_ALLOWED:
            rights = f"Read on topic {self.topic!r} and on group {self._group!r}"
            self._error = self._error or denied(error, f"consume {self.topic!r}", rights)
        elif error.code() == KafkaError._FATAL or error.code() in REFUSED:
            self._error = self._error or BrokerUnavailable(
                f"the group of {self.topic} refuses this consumer: {error.str()}"
            )
        elif error.code() not in REJOINING:
            # librdkafka goes on trying by itself; an end of the connection would only make it begin anew.
            logger.warning("%s: %s", self.topic, error.str())

    def _on_fenced(self) -> None:
        """librdkafka's client is dead now: another worker has our name, or we had, before an outage."""
        # A broker that went in the middle of a rebalance makes us lose nothing, and the group may have forgotten us.
        outage = max(self._partitions.lost_at, watch.away_at)
        if time.monotonic() - outage < FENCED_BY_ITSELF:
            self._error = self._error or BrokerUnavailable(f"the group of {self.topic} has to be joined anew")
        else:
            self._error = ConfigurationError(
                f"another worker is called {self._instance_id!r} too and has taken over {self.topic}: "
                "give each worker a name of its own (celery worker -n NAME)"
            )

    # --- after repeated crashes -------------------------------------------------------------------------------------

    def _let_suspect_out(self) -> None:
        """The next one: the end of the one before, and that this one has begun, are stored before it goes out."""
        with self._changed:
            suspect = self._buffer.next_suspect()
            if suspect is None:
                return
            suspect.tracker.start(suspect.offset)
        self._partitions.commit(self._partitions.trackers)
        with self._changed:
            if self._retiring:  # meanwhile
                suspect.tracker.release(suspect.offset)
            self._buffer.let_out(suspect)
        self._notify()

    # --- a full buffer ----------------------------------------------------------------------------------------------

    def _is_full(self) -> bool:
        with self._changed:
            full = self._retiring or self._buffer.full
            if not full:
                self._full_since = None
            elif self._full_since is None:
                self._full_since = time.monotonic()
        return full

    def _hold(self) -> None:
        """Wait for room: without polls at first, then with the partitions paused."""
        if time.monotonic() - cast(float, self._full_since) < PAUSE_AFTER:
            time.sleep(LOOK_AGAIN)
            # Only a poll tells of a commit's answer, and the next commit waits for that. Who leaves asks at the end.
            if self._partitions.unanswered and not self._retiring:
                self._poll(0.0, batch=0)
            return
        self._pauses.pause_all()
        self._poll(self._options.commit_interval)

    def _forget(self, partitions: Iterable[int]) -> None:
        """Drop what waits of partitions that go or come. Under the lock."""
        gone = frozenset(partitions)
        for record in self._buffer.drop(lambda record: record.partition in gone):
            record.tracker.release(record.offset)
        self._pauses.forget(gone)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        self._partitions.leaving = True
        answered = True
        try:
            answered = self._commit_last()
            if answered:
                self._close()
        except (KafkaException, RuntimeError) as error:
            logger.warning("%s: leaving the group failed: %s", self.topic, error)
        finally:
            self._partitions.drop(self._partitions.trackers)
            with self._changed:
                self._buffer.clear()
            if answered:
                self._free_name()
            else:
                self._abandon()
            _alive.discard(self)

    def _free_name(self) -> None:
        if self._instance_id is not None:
            instance_ids.free(self._group)

    def _abandon(self) -> None:
        logger.warning(
            "%s: the last commit got no answer: what ended since the one before may run again, "
            "and the group waits for the session to time out",
            self.topic,
        )
        close_some_time(self._consumer, self._free_name)

    def _commit_last(self) -> bool:
        """What is finished; False where nobody answers. Amid a rebalance the group takes no commits, so we take part in
        it first."""
        deadline = time.monotonic() + LAST_COMMIT_TIMEOUT
        partitions = self._partitions
        partitions.commit(partitions.trackers, asynchronous=True, leaving=True)
        while partitions.unanswered or partitions.rejoining:
            self._consumer.poll(REJOIN_POLL)
            if time.monotonic() > deadline:
                break
            if not partitions.unanswered and partitions.rejoining:
                partitions.commit(partitions.trackers, asynchronous=True, leaving=True)
        return not partitions.unanswered

    def _close(self) -> None:
        if self._trimmer is not None and not self._partitions.failing:
            self._trimmer.leave(self.topic, tuple(self._partitions.trackers))
        if self._instance_id is not None:
            self._say_goodbye()
        self._consumer.close()

    def _say_goodbye(self) -> None:
        """A static member's close says nothing, and the others would wait for its session to end; its unsubscribing
        does."""
        self._consumer.unsubscribe()
        deadline = time.monotonic() + LEAVE_TIMEOUT
        while self._consumer.memberid() and time.monotonic() < deadline:
            self._consumer.poll(0.01)


_alive: Alive[GroupConsumer] = Alive()
