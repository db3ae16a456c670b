"""Three nodes of real Kafka: each is killed in turn and comes back, while tasks flow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from kombu.exceptions import OperationalError

from project.local.kafka_cluster import KafkaCluster
from project.local.kafka_libs import Missing
from tests.kafka.conftest import OPTIONS, skip_without_kafka
from tests.kafka.rig import Rig
from tests.servers import start_kafka

pytestmark = pytest.mark.kafka

#: A dead node is noticed sooner than by default (9 s); all else is as Kafka has it.
SETTINGS = {"broker.session.timeout.ms": "4000", "broker.heartbeat.interval.ms": "1000"}
PUBLISH_TIMEOUT = 10.0
#: So much of a core may a worker take while a node is dead. Some hundredths are for its tasks; one that connects to the
#: dead node again and again without a pause takes most of a core for that.
MOST_CPU = 0.35
NODES = 3


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    try:
        cluster = start_kafka(NODES, {**SETTINGS, "group.initial.rebalance.delay.ms": "0"})
    except Missing as reason:
        skip_without_kafka(reason)
    yield cluster
    cluster.stop()


class Publisher(threading.Thread):
    """Publishes numbered tasks until it is told to stop, each until the brokers have it."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(name="publisher", daemon=True)
        self.rig = rig
        self.published = 0
        self.failures: list[OperationalError] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(0.02):
            try:
                self.rig.trace.clone((self.published,)).apply_async(retry=False)
                self.published += 1
            except OperationalError as error:
                self.failures.append(error)


def used(rig: Rig) -> list[float]:
    """Seconds of CPU of each worker's main process until now."""
    return [sum(psutil.Process(worker.pid).cpu_times()[:2]) for worker in rig.workers]


def test_each_node_of_three_dies_and_comes_back_and_nothing_is_lost(
    cluster: KafkaCluster, redis_server: str, name: str, tmp_path: Path
) -> None:
    url = ";".join(f"kafka://127.0.0.1:{port}" for port in cluster.ports)
    rig = Rig(url, {**OPTIONS, "publish_timeout": PUBLISH_TIMEOUT}, redis_server, name, tmp_path)
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    publisher = Publisher(rig)
    try:
        for worker in ("w1", "w2"):
            rig.start(worker)
            rig.wait_member(worker)
        publisher.start()
        for node in range(NODES):
            rig.wait_for(lambda: whole(admin))
            cluster.kill(node)
            before, began = used(rig), time.monotonic()
            go_on(rig, publisher)
            seconds = time.monotonic() - began
            assert max(after - then for then, after in zip(before, used(rig), strict=True)) < MOST_CPU * seconds
            cluster.restart(node)
        publisher.stopping.set()
        publisher.join()
        assert set(rig.wait_ended(publisher.published)) >= set(range(publisher.published))
    finally:
        publisher.stopping.set()
        rig.close()


def go_on(rig: Rig, publisher: Publisher) -> None:
    """Until a hundred more tasks are published, and as many more have ended."""
    published, ended = publisher.published, len(rig.traces("ended"))
    try:
        rig.wait_for(lambda: publisher.published > published + 100)
        rig.wait_for(lambda: len(rig.traces("ended")) > ended + 100)
    except AssertionError as error:
        raise AssertionError(f"{publisher.published - published} published, {publisher.failures}: {error}") from None


def whole(admin: AdminClient) -> bool:
    """Whether each partition is on all nodes, and every copy is up to date: only then may one more be killed."""
    topics = admin.list_topics(timeout=10).topics.values()
    return all(
        len(partition.isrs) == len(partition.replicas) == NODES
        for topic in topics
        for partition in topic.partitions.values()
    )
