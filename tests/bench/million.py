"""Millions of tasks through one worker: its memory, the broker's disk, and whether it is as quick at the end.

The feeder writes the records that our transport writes, with librdkafka itself and always some thousands ahead of the
worker: Celery's own publishing would be slower than the worker, and all that is measured.
"""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from project.kafka.kinds import QUEUE
from project.kafka.options import Options

from .peers import OURS, Brokers, Peer
from .progress import tell
from .rows import Figure, Figures, Row, Scale, Target
from .stage import Stage, Unfinished
from .throughput import PREFETCH

AHEAD = 20_000
STEPS = 20
#: Deleted records leave the disk at Kafka's next look for files without any (every five minutes), and a minute later:
#: within so many tasks, on two cores, that has happened twice.
ENOUGH = 3_000_000
KEPT_SECONDS = 6 * 60


def million(brokers: Brokers, peer: Peer, name: str, scale: Scale) -> Figures:
    """Looked at after each of the steps; the first one warms up and is not judged."""
    count = 4000 if scale.quick else scale.tasks
    with Stage(brokers, peer, name, prefetch=PREFETCH) as stage:
        worker = stage.worker(1, "-c", "2")
        stage.warm_up()
        feeder = Feeder(stage)
        base = stage.trace.count()
        memory, disk, times = [], [], []
        for step in range(1, STEPS + 1):
            goal = count * step // STEPS

            def reached(goal: int = goal) -> bool:
                done = stage.trace.count() - base
                feeder.feed_to(min(count, done + AHEAD))
                return done >= goal

            if not stage.wait(reached, timeout=3600, stuck=60, every=0.2):
                raise Unfinished(f"{stage.trace.count() - base} of {count} tasks ran")
            times.append(next(stage.trace.events(base + goal - 1)).time)
            memory.append(worker.memory())
            disk.append(_disk(brokers, stage.queue))
            tell(f"  {goal} tasks, worker {memory[-1]:.0f} MB, topic {disk[-1]:.0f} MB")
        written = feeder.written / 2**20
        segments = feeder.partitions * int(QUEUE.config["segment.bytes"]) / 2**20
        rates = [count / STEPS / (after - before) for before, after in itertools.pairwise(times)]
        return {
            "memory-10": memory[STEPS // 10 - 1],
            "memory-50": memory[STEPS // 2 - 1],
            "memory-100": memory[-1],
            "memory-spread": max(memory[1:]) - min(memory[1:]),
            "disk-max": max(disk),
            "disk-end": disk[-1],
            "disk-by-allowed": max(
                size / (written_lately(times[:step], written / STEPS) + segments) for step, size in enumerate(disk, 1)
            ),
            "written": written,
            "rate-start": rates[0],
            "rate-end": rates[-1],
            "rate-ratio": sum(rates[-3:]) / sum(rates[:3]),
        }


def written_lately(ends: Sequence[float], step: float) -> float:
    """What was written since Kafka may last have deleted anything, at most, when the last of some steps ends, each of
    which writes `step`; a step that had begun by then counts as a whole."""
    return (sum(end > ends[-1] - KEPT_SECONDS for end in ends) + 1) * step


class Feeder:
    """Records of no-op tasks, made from one that our transport has written, each with an id of its own."""

    def __init__(self, stage: Stage) -> None:
        address = stage.environment["BENCH_BROKER"].partition("://")[2]
        config = {"bootstrap.servers": address}
        self._topic = Options().topic_prefix + stage.queue
        stage.run("fill", count=1)
        stage.wait(lambda: any(event.kind.name == "ENDED" for event in stage.trace.events()), timeout=30)
        self._template, self._id, self.partitions = _last_record(config, self._topic)
        self._producer = Producer({**config, "linger.ms": 20, "queue.buffering.max.messages": 2 * AHEAD})
        self._fed = self.written = 0
        self._start = random.randrange(self.partitions)

    def feed_to(self, count: int) -> None:
        while self._fed < count:
            value = self._template.replace(self._id, str(uuid.uuid4()).encode())
            self._producer.produce(self._topic, value, partition=(self._start + self._fed) % self.partitions)
            self._fed += 1
            self.written += len(value)
        self._producer.poll(0)


def _last_record(config: dict[str, Any], topic: str) -> tuple[bytes, bytes, int]:
    """(value, task id in it, number of partitions)."""
    # What a group has committed is kept for it: this one would keep all of the topic.
    own = {"group.id": "bench-feeder", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({**config, **own})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        while (message := consumer.poll(10)) is not None:
            value = message.value() or b""
            raw = json.loads(value)
            if raw["headers"]["task"] == "noop":
                return value, raw["headers"]["id"].encode(), len(partitions)
        raise Unfinished("the feeder finds no record to go by")
    finally:
        consumer.close()


def _disk(brokers: Brokers, topic: str) -> float:
    """Megabytes that the topic's partitions take, with the segments that wait for their deletion."""
    if brokers.kafka is None:
        return 0.0
    blocks = 0
    for path in Path(brokers.kafka.folder).glob(f"node-*/data/{topic}-*/*"):
        try:
            blocks += path.stat().st_blocks
        except FileNotFoundError:
            pass  # deleted meanwhile
    return blocks * 512 / 2**20


ROWS = (
    Row(
        "million",
        "a million tasks or more through one worker",
        (OURS,),
        million,
        (
            Figure("memory-10", "worker and pool at 10 %", " MB", compared=False),
            Figure("memory-50", "at 50 %", " MB", compared=False),
            Figure("memory-100", "at 100 %", " MB", compared=False),
            Figure("memory-spread", "between the least and the most", " MB", compared=False),
            Figure("disk-max", "the topic on the broker's disk, at most", " MB", compared=False),
            Figure("disk-end", "at the end", " MB", compared=False),
            Figure(
                "disk-by-allowed",
                "at most by what was written within six minutes and a segment of each partition",
                compared=False,
            ),
            Figure("written", "written in all", " MB", compared=False),
            Figure("rate-start", "tasks/s at the start", compared=False),
            Figure("rate-end", "tasks/s at the end", compared=False),
            Figure("rate-ratio", "end by start", compared=False),
        ),
        (
            Target("memory-spread", at_most=40.0, note="± 20 MB"),
            Target("disk-by-allowed", at_most=1.1, note="bounded"),
            Target("rate-ratio", at_least=0.95, note="the same rate"),
        ),
        slow=True,
        rounds=1,
    ),
)
