"""A queue's topic doesn't grow: what every group has consumed is deleted, and nothing else."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from kombu import Connection, Queue

from project.kafka import trim
from project.kafka.records import encode
from project.kafka.trim import Trimmer
from project.local.kafka_cluster import KafkaCluster
from tests.kafka.conftest import OPTIONS, TANSU_QUICK, publish, receive
from tests.servers import start_kafka
from tests.waiting import eventually

SETTINGS = {
    "group.initial.rebalance.delay.ms": "0",
    # Kafka looks every five minutes for what it may delete, and does so a minute later.
    "log.retention.check.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
    "log.segment.delete.delay.ms": "100",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
_groups = itertools.count()


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    """A Kafka of these tests' own: its disk is looked at, and groups of other tests don't matter to it."""
    cluster = start_kafka(settings=SETTINGS)
    yield cluster
    cluster.stop()


def connection(cluster: KafkaCluster, **options: Any) -> Connection:
    return Connection(f"kafka://{cluster.bootstrap}", transport_options={**OPTIONS, "partitions": 1, **options})


def begin(connection: Connection, topic: str) -> int:
    bounds: dict[tuple[str, int], tuple[int, int]] = connection.default_channel._topics.bounds([topic])
    return bounds[topic, 0][0]


def consume(connection: Connection, queue: Queue, count: int) -> None:
    """`count` messages, each acknowledged; then the connection leaves the group."""
    taken = 0

    def acknowledge(message: Any) -> None:
        nonlocal taken
        taken += 1
        message.ack()

    connection.Consumer(queue, on_message=acknowledge).consume()
    while taken < count:
        connection.drain_events(timeout=20)
    connection.close()


def fill(connection: Connection, queue: Queue, count: int, size: int) -> None:
    """As `publish`, without a wait for each."""
    channel = connection.default_channel
    queue(channel).declare()
    message = channel.prepare_message("x" * size, content_type="text/plain", content_encoding="utf-8")
    channel._inplace_augment_message(message, "", queue.name)
    raw = Producer({"bootstrap.servers": connection.transport.address.hosts, "linger.ms": 5})
    for _ in range(count):
        raw.produce(queue.name, encode(message), partition=0)
        raw.poll(0)
    assert raw.flush(60) == 0


def bytes_on_disk(cluster: KafkaCluster, topic: str) -> int:
    total = 0
    for path in (Path(cluster.folder) / "node-1" / "data" / f"{topic}-0").glob("*.log*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            pass  # deleted while we look
    return total


@pytest.mark.kafka
def test_what_a_worker_consumed_leaves_the_disk(cluster: KafkaCluster, queue: Queue) -> None:
    worker = connection(cluster)
    fill(worker, queue, 64, 700_000)
    assert bytes_on_disk(cluster, queue.name) > 50_000_000
    consume(worker, queue, 64)
    # Kafka frees whole files; the one that it writes to stays.
    eventually(lambda: bytes_on_disk(cluster, queue.name) <= 16 * 1024 * 1024, 30)
    with connection(cluster) as other:
        assert begin(other, queue.name) == 64


@pytest.mark.kafka
def test_an_index_takes_no_more_than_it_needs(cluster: KafkaCluster, queue: Queue) -> None:
    # 10 MB unless told otherwise, set aside while somebody waits for the confirmation of a publish.
    with connection(cluster) as publisher:
        fill(publisher, queue, 20, 1000)
        folder = Path(cluster.folder) / "node-1" / "data" / f"{queue.name}-0"
        sizes = {path.suffix: path.stat().st_size for path in folder.glob("*index")}
        assert sizes.keys() == {".index", ".timeindex"}
        assert 0 < max(sizes.values()) <= 65536


@pytest.mark.kafka
def test_a_commit_that_failed_once_does_not_keep_the_end_from_trimming(cluster: KafkaCluster, queue: Queue) -> None:
    worker = connection(cluster, commit_interval=60.0)
    publish(worker, queue, "done")
    receive(worker, queue, 1)[0].ack()
    partitions = worker.default_channel._members[queue.name]._partitions
    partitions._on_answer(KafkaError(KafkaError.REQUEST_TIMED_OUT), [])
    began = time.monotonic()
    worker.close()  # commits, and is answered
    assert time.monotonic() - began < 10, "the end must not wait for the next commit"
    with connection(cluster) as other:
        eventually(lambda: begin(other, queue.name) == 1, 20)


@pytest.mark.kafka
def test_a_worker_trims_while_it_goes_on(cluster: KafkaCluster, queue: Queue) -> None:
    with connection(cluster) as worker:
        fill(worker, queue, 12_000, 10)
        consumer = worker.Consumer(queue, on_message=lambda message: message.ack())
        consumer.consume()

        def trimmed() -> bool:
            try:
                for _ in range(1000):
                    worker.drain_events(timeout=0.1)
            except TimeoutError:
                pass
            return begin(worker, queue.name) >= 5000

        eventually(trimmed, 60)


@pytest.mark.kafka
def test_another_group_loses_nothing(cluster: KafkaCluster, queue: Queue) -> None:
    with connection(cluster) as publisher:
        publish(publisher, queue, "known")
        for group_id in ("celery", "slow"):  # a group that the broker has never heard of can't be waited for
            consume(connection(cluster, group_id=group_id, trim=False), queue, 1)
        publish(publisher, queue, *range(20))
        slow = connection(cluster, group_id="slow")
        for message in receive(slow, queue, 20):
            if message.decode() < 8:
                message.ack()
        slow.close()
        consume(connection(cluster), queue, 20)
        eventually(lambda: begin(publisher, queue.name) == 9, 20)
        slow = connection(cluster, group_id="slow")
        rest = receive(slow, queue, 12)
        assert [message.decode() for message in rest] == list(range(8, 20))
        for message in rest:
            message.ack()
        slow.close()
        eventually(lambda: begin(publisher, queue.name) == 21, 20)


@pytest.mark.kafka
def test_a_group_that_has_just_begun_loses_nothing(cluster: KafkaCluster, queue: Queue) -> None:
    """It has committed nothing, and is a member of the group."""
    with connection(cluster) as publisher, connection(cluster, group_id="fresh") as fresh:
        publish(publisher, queue, *range(10))
        receive(fresh, queue, 1, prefetch_count=1)
        consume(connection(cluster, trim=False), queue, 10)
        channel = publisher.default_channel
        assert Trimmer(channel._topics, channel.options).trim([(queue.name, 0)]) == {}


@pytest.mark.kafka
def test_a_group_that_the_broker_has_forgotten_neither_reruns_nor_skips(cluster: KafkaCluster, queue: Queue) -> None:
    with connection(cluster) as publisher:
        publish(publisher, queue, *range(20))
        worker = connection(cluster)
        for message in receive(worker, queue, 20):
            if message.decode() < 15:
                message.ack()
        worker.close()
        eventually(lambda: begin(publisher, queue.name) == 15, 20)
        group = f"celery.{queue.name}"
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        admin.delete_consumer_groups([group])[group].result(10)
        publish(publisher, queue, 20)
    with connection(cluster) as worker:
        assert [message.decode() for message in receive(worker, queue, 6)] == list(range(15, 21))


@pytest.mark.kafka
def test_without_the_right_to_delete_it_goes_on_and_says_so_once(
    cluster: KafkaCluster, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    def rule(operation: AclOperation, permission: AclPermissionType) -> AclBinding:
        topic, literal = ResourceType.TOPIC, ResourcePatternType.LITERAL
        return AclBinding(topic, queue.name, literal, "User:ANONYMOUS", "*", operation, permission)

    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    rules = [
        rule(AclOperation.ALL, AclPermissionType.ALLOW),
        rule(AclOperation.DELETE, AclPermissionType.DENY),
    ]
    for future in admin.create_acls(rules).values():
        future.result(10)
    with connection(cluster, group_id="poor") as publisher:
        for number in range(3):
            publish(publisher, queue, number)
            consume(connection(cluster, group_id="poor"), queue, 1)
        eventually(lambda: "can't be deleted" in caplog.text, 20)
        assert caplog.text.count("can't be deleted") == 1
        assert begin(publisher, queue.name) == 0


@pytest.mark.kafka
def test_a_worker_that_ends_has_no_complaint_where_its_time_is_up(
    cluster: KafkaCluster, queue: Queue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one trims; nothing is wrong with the broker or the rights."""
    caplog.set_level(logging.DEBUG, "project.kafka")
    monkeypatch.setattr(trim.Trimmer, "_is_late", lambda trimmer: True)  # it may be done before the end comes
    with connection(cluster, group_id="reads") as reader, connection(cluster, group_id="ends") as publisher:
        publish(publisher, queue, 1)
        assert len(receive(reader, queue, 1)) == 1  # its group is one that there is no time left to ask
        consume(connection(cluster, group_id="ends"), queue, 1)
        eventually(lambda: "left to the next worker" in caplog.text, 20)
    assert "can't be deleted" not in caplog.text


def test_a_broker_that_cannot_delete_records_is_never_asked_to(
    tansu_address: str, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    """Tansu breaks the connection at such a request."""
    caplog.set_level(logging.INFO, "project.kafka")

    def on_tansu() -> Connection:
        options = {**TANSU_QUICK, "group_id": f"tansu-{next(_groups)}"}
        return Connection(f"kafka://{tansu_address}", transport_options=options)

    with on_tansu() as publisher:
        publish(publisher, queue, *range(5))
    consume(on_tansu(), queue, 5)
    eventually(lambda: "can't be deleted" in caplog.text, 20)
    assert "Disconnected" not in caplog.text
