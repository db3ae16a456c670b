"""Takes delayed messages on: from a level whose wait is over to the next one, or to the queue (see delay.py).

One group for all levels; each worker process is a member, so that another goes on where one dies. What is moved is
confirmed at its new place before it is committed as done at the old one: a crash repeats, and loses nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, TopicPartition
from kombu.exceptions import OperationalError

from .delay import delay_topic, delay_topics, mover_group
from .errors import NOT_ALLOWED, REFUSED, REJOINING, UNKNOWN, AccessDenied, BrokerUnavailable, checked, denied
from .kinds import DELAY
from .levels import Delayed, Level, aside, onward
from .options import Options
from .producer import ConfirmedProducer, Outgoing
from .quiet import Repeats, librdkafka_logger
from .records import Headers
from .shared import Alive, close_some_time, join_thread
from .topics import Topics
from .trim import Trimmer

logger = logging.getLogger(__name__)
logger.addFilter(Repeats())

#: How long a poll without news lasts at most, in seconds: so long a stop takes, and so late a wait may end.
IDLE = 0.4
#: So many at a time: a crash in between repeats them.
BATCH = 100
#: How long the last commit may go unanswered, in seconds.
LAST_COMMIT_TIMEOUT = 5.0
#: A fetch waits so long at the broker, in milliseconds: a record may be seen late, it waits 5 s at least.
FETCH_WAIT = 1000


class Mover:
    """A member of the group of all levels. `notify` is called from its thread should that end by an error."""

    def __init__(
        self,
        config: Mapping[str, Any],
        options: Options,
        topics: Topics,
        producer: ConfirmedProducer,
        notify: Callable[[], None],
        trimmer: Trimmer | None = None,
    ) -> None:
        self._pid = os.getpid()
        self._options, self._topics, self._producer, self._notify = options, topics, producer, notify
        self._trimmer = trimmer
        self._seconds = delay_topics(options.topic_prefix)
        settings = {**config, **consumer_config(options), "on_commit": self._on_commit, "logger": librdkafka_logger}
        self._consumer = checked(Consumer, settings)
        self._levels: dict[tuple[str, int], Level] = {}
        # The broker's time when our monotonic clock began: the time of day here may jump, and is taken for the broker's
        # only until that says its own.
        self._epoch = time.time() - time.monotonic()
        self._unanswered = 0  # asynchronous commits
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="kafka-mover", daemon=True)
        _alive.add(self)
        self._thread.start()

    def check(self) -> None:
        """Raises BrokerUnavailable where the thread has ended by an error."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Begin to leave: another worker goes on. `join` waits for it."""
        self._stopping.set()

    def join(self, deadline: float) -> None:
        """Wait until the group is left, or until `deadline` on the monotonic clock."""
        if os.getpid() == self._pid and not join_thread(self._thread, deadline):
            logger.warning("delayed tasks: could not leave in time; others go on when the session has timed out")
            _alive.discard(self)  # see GroupConsumer

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._make_levels()
            self._consumer.subscribe(
                list(self._seconds), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._stopping.is_set():
                self._fetch()
                self._move()
                self._pause_or_resume()
                self._commit(self._levels.values(), asynchronous=True)
        except AccessDenied as error:
            self._error = error
            self._notify()
        except BaseException as error:  # whatever ends this thread must end the connection, or nobody moves on
            logger.exception("delayed tasks: the mover stopped")
            self._error = BrokerUnavailable(f"the mover of delayed tasks stopped: {error}")
            self._notify()
        finally:
            self._leave()

    def _make_levels(self) -> None:
        """All of them, before they are needed: a client's first delayed task would wait until its level is noticed."""
        if self._options.delay_after > 0:
            for topic in self._seconds:
                try:
                    self._topics.partitions(topic, DELAY)
                except OperationalError as error:
                    logger.warning("delayed tasks: %s", error)

    def _fetch(self) -> None:
        now = self._now()
        wait = min((level.over_in(now) for level in self._levels.values()), default=IDLE)
        message = self._consumer.poll(min(max(wait, 0.0), IDLE))
        if message is not None:
            for arrived in (message, *self._consumer.consume(BATCH, 0)):
                self._arrive(arrived)

    def _arrive(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() in NOT_ALLOWED:
                topics, group = delay_topic(self._options.topic_prefix, "…"), mover_group(self._options)
                raise denied(error, "move delayed tasks", f"Read on topics {topics!r} and on group {group!r}")
            if error.fatal() or error.code() in REFUSED:
                raise KafkaException(error)
            if error.code() not in UNKNOWN:  # a level that nobody has made yet
                logger.warning("delayed tasks: %s", error.str())
            return
        # A record, unlike an error, always has these; confluent_kafka's types don't say so.
        key = cast(str, message.topic()), cast(int, message.partition())
        level = self._levels.get(key)
        if level is None:
            return
        offset, headers = cast(int, message.offset()), cast(Headers, message.headers() or [])
        kind, milliseconds = message.timestamp()
        stored_at = milliseconds / 1000
        if kind == TIMESTAMP_LOG_APPEND_TIME:  # else it is a client's
            self._epoch = max(self._epoch, stored_at - time.monotonic())
        level.arrive(offset, message.value() or b"", headers, stored_at)

    def _pause_or_resume(self) -> None:
        """Nothing is fetched of a level behind a head that has to wait."""
        for level in self._levels.values():
            wanted = bool(level.heads)
            if level.paused is not wanted:
                change = self._consumer.pause if wanted else self._consumer.resume
                change([TopicPartition(level.topic, level.partition)])
                level.paused = wanted

    def _now(self) -> float:
        """The broker's time, in seconds since 1970."""
        return self._epoch + time.monotonic()

    # --- moving -----------------------------------------------------------------------------------------------------

    def _move(self) -> None:
        now = self._now()
        over = [(level, item) for level in self._levels.values() for item in level.take_over(now)]
        if not over:
            return
        levels = {id(level): level for level, _ in over}.values()
        try:
            stuck = self._send_on(over)
        except BaseException:  # it ends this thread; the last commit must not pass what is at no other place
            for level in levels:
                level.give_back([item for owner, item in over if owner is level])
            raise
        for level in levels:
            level.give_back([item for owner, item, _ in stuck if owner is level])
        for level, _, failure in stuck:
            logger.warning("delayed tasks: %s waits, its records can't be moved: %s", level.topic, failure)

    def _send_on(self, over: list[tuple[Level, Delayed]]) -> list[tuple[Level, Delayed, OperationalError]]:
        """Returns what could go nowhere."""
        refused = self._send(over, [onward(level, item, self._options) for level, item in over])
        for _, item, failure in refused:
            logger.warning("delayed tasks: not put into %s now: %s", item.target, failure)
        # Others must not wait behind what one topic refuses.
        return self._send(
            [(level, item) for level, item, _ in refused],
            [aside(level, item, failure, self._options) for level, item, failure in refused],
        )

    def _send(
        self, items: list[tuple[Level, Delayed]], messages: list[Outgoing]
    ) -> list[tuple[Level, Delayed, OperationalError]]:
        """Publish each item's message; returns the items that were not stored, with the reason."""
        outcomes = self._producer.send_all(messages)
        # A wait that seems over because the clocks differ would have its record written round and round.
        self._epoch = max((outcome.epoch for outcome in outcomes if outcome.epoch is not None), default=self._epoch)
        return [
            (level, item, outcome.failure)
            for (level, item), outcome in zip(items, outcomes, strict=True)
            if outcome.failure is not None
        ]

    # --- membership -------------------------------------------------------------------------------------------------

    def _commit(self, levels: Iterable[Level], asynchronous: bool) -> None:
        offsets = []
        for level in levels:
            if (position := level.position) is not None:
                offsets.append(position)
                level.committed = position.offset
        if not offsets:
            return
        try:
            if asynchronous:
                self._consumer.commit(offsets=offsets, asynchronous=True)
                self._unanswered += 1
            else:  # for this kind librdkafka doesn't call `_on_commit`
                self._on_answer(None, self._consumer.commit(offsets=offsets, asynchronous=False) or [])
        except KafkaException as exception:
            self._on_answer(exception.args[0], offsets)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._unanswered -= 1
        self._on_answer(error, partitions)

    def _on_answer(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """What the broker didn't store is committed with the next round; a crash until then repeats."""
        if self._trimmer is not None and error is None:
            self._trimmer.committed(part for part in partitions if part.error is None)
        for part in partitions:
            reason = error or part.error
            level = self._levels.get((part.topic, part.partition))
            if reason is not None and level is not None:
                level.committed = None
                if reason.code() not in REJOINING:
                    logger.warning("delayed tasks: a commit failed: %s", reason.str())

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for part in partitions:
            self._levels[part.topic, part.partition] = Level(part.topic, part.partition, self._seconds[part.topic])
        logger.info("delayed tasks: got %d levels", len(partitions))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        going = (self._levels.get((part.topic, part.partition)) for part in partitions)
        self._commit([level for level in going if level is not None], asynchronous=False)
        self._on_lost(consumer, partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for part in partitions:
            self._levels.pop((part.topic, part.partition), None)

    def _commit_last(self) -> bool:
        """False where nobody answers."""
        deadline = time.monotonic() + LAST_COMMIT_TIMEOUT
        self._commit(self._levels.values(), asynchronous=True)
        while self._unanswered and time.monotonic() < deadline:
            self._consumer.poll(0.05)
        return not self._unanswered

    def _leave(self) -> None:
        try:
            if not self._commit_last():
                logger.warning("delayed tasks: the last commit got no answer: what was moved since may come twice")
                close_some_time(self._consumer)
                return
            if self._trimmer is not None:
                for level in self._levels.values():
                    if level.committed:  # else there is nothing new to delete
                        self._trimmer.leave(level.topic, [level.partition])
            self._consumer.close()
        except (KafkaException, RuntimeError) as error:
            logger.warning("delayed tasks: leaving the group failed: %s", error)
        finally:
            _alive.discard(self)


def is_needed(options: Options, topics: Topics) -> bool:
    """Where delays are switched off, only what was delayed before has to be moved."""
    return options.delay_after > 0 or not delay_topics(options.topic_prefix).keys().isdisjoint(topics.counts())


def consumer_config(options: Options) -> dict[str, Any]:
    config = {
        **options.consumer_config("delay"),
        # Whatever group consumes the queues: what is moved twice would come twice to all of them.
        "group.id": mover_group(options),
        "auto.offset.reset": "earliest",
        "queued.min.messages": BATCH,
        "queued.max.messages.kbytes": 1024,
    }
    config["fetch.wait.max.ms"] = max(FETCH_WAIT, int(config.get("fetch.wait.max.ms", 0)))
    # Where workers come and go, each has to hear of it in time; here nobody waits for that.
    if "session.timeout.ms" in config:
        config["heartbeat.interval.ms"] = min(3000, config["session.timeout.ms"] // 3)
    config.pop("group.instance.id", None)
    return config


_alive: Alive[Mover] = Alive()
