"""One librdkafka producer for all threads of a process, and their wait for its delivery reports.

Reports arrive only while somebody polls: one of the waiting threads leads and polls for all, then hands over. (With
every thread polling for itself they take the reports from each other; with a thread of its own each report costs two
switches.)

The first message to each partition goes alone. A broker that doesn't know a producer takes any sequence number for its
first: were one batch refused, as by a topic that is just being made, and the next one taken, librdkafka would count the
first as stored, and it would be lost (KAFKA-15591).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from .errors import checked
from .groups import QUIET

#: For how many seconds it is believed that the brokers know a producer; they forget it after a day without a message.
KNOWN_FOR = 3600.0
#: Between two looks whether the first message to a partition is stored, in seconds.
LOOK_AGAIN = 0.002


class Delivery:
    """One message on its way. `done` is set with the broker's answer; `wake` also when its waiter has to lead."""

    __slots__ = ("done", "error", "message", "wake")

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.done = False
        self.error: KafkaError | None = None
        self.message: Message | None = None

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self.error = error
        self.message = message
        self.done = True
        self.wake.set()

    @property
    def answer(self) -> KafkaError | None:
        """What the broker, or librdkafka, says against the message, or that nothing was heard."""
        return self.error if self.done else KafkaError(KafkaError._MSG_TIMED_OUT)


class Client:
    """One librdkafka producer, and the threads that wait for its reports."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._producer = checked(Producer, {**config, **QUIET})
        self._leading = threading.Lock()
        self._waiting: deque[Delivery] = deque()
        self._firsts: dict[tuple[str, int], Delivery | None] = {}  # of each partition; None once it is stored
        self._known_until = time.monotonic() + KNOWN_FOR

    def produce(self, topic: str, value: bytes | None, **more: Any) -> None:
        self._producer.produce(topic, value, **more)

    def follow(self, delivery: Delivery, topic: str, partition: int, deadline: float) -> KafkaError | None:
        """Wait until the first message to the partition is stored, or make `delivery` the first. Returns why neither
        may be: the first one has timed out, so this one would."""
        if time.monotonic() > self._known_until:
            self._firsts.clear()
            self._known_until = time.monotonic() + KNOWN_FOR
        part = topic, partition
        while (first := self._firsts.setdefault(part, delivery)) not in (None, delivery):
            while not first.done and time.monotonic() < deadline:
                self.serve()
                time.sleep(LOOK_AGAIN)
            if first.answer is None:
                self._firsts[part] = None
            else:
                self.give_up_first(topic, partition, first)
                if first.answer.code() == KafkaError._MSG_TIMED_OUT:
                    return first.answer
        return None

    def give_up_first(self, topic: str, partition: int, delivery: Delivery) -> None:
        """`delivery` is not stored: where it was the first message to the partition, the next one will be."""
        if self._firsts.get((topic, partition)) is delivery:
            self._firsts.pop((topic, partition), None)

    def serve(self) -> None:
        """Hand out reports that are there, unless a waiting thread does."""
        if self._leading.acquire(blocking=False):
            try:
                self._producer.poll(0)
            finally:
                self._leading.release()
                self._hand_over()

    def flush(self, timeout: float) -> None:
        """Wait until nothing is on its way, at most so many seconds."""
        self._producer.flush(timeout)

    def wait(self, delivery: Delivery, deadline: float) -> None:
        """Until the report is there, or the deadline is over."""
        self._waiting.append(delivery)
        try:
            while not delivery.done and time.monotonic() < deadline:
                if self._leading.acquire(blocking=False):
                    try:
                        self._lead(delivery, deadline)
                    finally:
                        self._leading.release()
                else:
                    delivery.wake.wait(max(0.0, deadline - time.monotonic()))
                    if not delivery.done:
                        delivery.wake.clear()
        finally:
            self._waiting.remove(delivery)
            self._hand_over()

    def _lead(self, delivery: Delivery, deadline: float) -> None:
        while not delivery.done and time.monotonic() < deadline:
            self._producer.poll(min(1.0, max(0.0, deadline - time.monotonic())))

    def _hand_over(self) -> None:
        """Wake one of those who still wait: it polls next, should nobody do it."""
        for other in tuple(self._waiting):
            if not other.done:
                other.wake.set()
                return
