"""Binds what project.kafka counts (see its meter.py) to Prometheus."""

import os
import threading

from prometheus_client import Counter, Gauge, Histogram

from project.kafka import meter

EVENTS = Counter(
    "kafka_messages", "What became of messages, by event; project/kafka/meter.py tells each.", ["event", "topic"]
)
IN_FLIGHT = Gauge(
    "kafka_in_flight", "Messages that a worker has and hasn't finished.", ["topic"], multiprocess_mode="livesum"
)
PUBLISH = Histogram(
    "kafka_publish_seconds",
    "From a publish to the broker's confirmation.",
    ["topic"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class PrometheusMeter:
    """Its lock is held across forks: a child that inherited a lock of prometheus_client taken would hang."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        os.register_at_fork(
            before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._lock.release
        )

    def count(self, name: meter.Count, topic: str, amount: int) -> None:
        with self._lock:
            EVENTS.labels(name, topic).inc(amount)

    def change(self, name: meter.Level, topic: str, by: int) -> None:
        with self._lock:
            IN_FLIGHT.labels(topic).inc(by)

    def time(self, name: meter.Timing, topic: str, seconds: float) -> None:
        with self._lock:
            PUBLISH.labels(topic).observe(seconds)
