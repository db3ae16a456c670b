"""Many published at once: one wait for all of them, and what failed is known one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError
from kombu import Connection
from kombu.exceptions import OperationalError

from project.kafka.errors import MessageTooLarge
from project.kafka.together import together

Connect = Callable[..., Connection]


def test_all_arrive(connect: Connect, name: str) -> None:
    connection = connect()
    producer = connection.Producer(serializer="json")
    with together() as batch:
        for number in range(300):
            with batch.item():
                producer.publish({"number": number}, routing_key=name)
    assert [item.failure for item in batch.items] == [None] * 300
    simple = connection.SimpleQueue(name)
    told = set()
    for _ in range(300):
        message = simple.get(timeout=20)
        told.add(message.payload["number"])
        message.ack()
    simple.close()
    assert told == set(range(300))


def test_one_that_is_refused_spoils_no_other(connect: Connect, name: str) -> None:
    producer = connect().Producer(serializer="json")
    with together() as batch:
        for size in (10, 3_000_000, 10):
            with batch.item():
                producer.publish("x" * size, routing_key=name)
    first, large, last = (item.failure for item in batch.items)
    assert first is None and last is None
    assert isinstance(large, MessageTooLarge)


def test_a_broker_that_is_gone_is_waited_for_once(connect: Connect, name: str, monkeypatch: Any) -> None:
    connection = connect(publish_timeout=1.0)
    producer = connection.Producer(serializer="json")
    producer.publish("first", routing_key=name)
    client = connection.default_channel._producer._client
    # As if no report came.
    monkeypatch.setattr(client, "wait", lambda delivery, deadline: time.sleep(max(0.0, deadline - time.monotonic())))
    monkeypatch.setattr(client, "follow", lambda *message: None)
    begun = time.monotonic()
    with together() as batch:
        for _ in range(20):
            with batch.item():
                producer.publish("x", routing_key=name)
    assert time.monotonic() - begun < 6
    assert all(isinstance(item.failure, OperationalError) for item in batch.items)


def watch(connection: Connection, monkeypatch: pytest.MonkeyPatch, refuse: int = 0) -> list[tuple[int, bool]]:
    """Of each message given to librdkafka its partition, and whether one before it was stored there by then.

    The first `refuse` of them are refused instead.
    """
    given: list[tuple[int, bool]] = []
    stored: set[int] = set()
    client = connection.default_channel._producer._client
    produce = client.produce

    def watched(topic: str, value: bytes, *, partition: int, on_delivery: Any, **more: Any) -> None:
        given.append((partition, partition in stored))
        if len(given) <= refuse:
            on_delivery(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION), None)
            return

        def reported(error: KafkaError | None, message: Any) -> None:
            if error is None:
                stored.add(partition)
            on_delivery(error, message)

        produce(topic, value, partition=partition, on_delivery=reported, **more)

    monkeypatch.setattr(client, "produce", watched)
    return given


def test_the_first_message_to_a_partition_goes_alone(
    connect: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh topic may refuse one batch and take the next, and librdkafka then takes both for stored: KAFKA-15591."""
    connection = connect()
    producer = connection.Producer(serializer="json")
    given = watch(connection, monkeypatch)
    with together() as batch:
        for number in range(60):
            with batch.item():
                producer.publish(number, routing_key=name)
    assert [item.failure for item in batch.items] == [None] * 60
    partitions = [partition for partition, _ in given]
    assert len(partitions) == 60 > 2 * len(set(partitions))
    assert [after for _, after in given] == [partition in partitions[:at] for at, partition in enumerate(partitions)]


def test_where_the_first_is_refused_the_next_is_the_first(
    connect: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect(partitions=1)
    producer = connection.Producer(serializer="json")
    given = watch(connection, monkeypatch, refuse=1)
    with together() as batch:
        for number in range(4):
            with batch.item():
                producer.publish(number, routing_key=name)
    assert [item.failure is None for item in batch.items] == [False, True, True, True]
    assert [after for _, after in given] == [False, False, True, True]


def test_behind_a_first_that_times_out_nothing_is_sent(
    connect: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a batch would wait for as long, one after the other."""
    connection = connect(partitions=1, publish_timeout=1.0)
    producer = connection.Producer(serializer="json")
    client, given = connection.default_channel._producer._client, []
    monkeypatch.setattr(client, "produce", lambda topic, value, **more: given.append(topic))  # no report comes
    begun = time.monotonic()
    with together() as batch:
        for number in range(2):
            with batch.item():
                producer.publish(number, routing_key=name)
    assert [isinstance(item.failure, OperationalError) for item in batch.items] == [True, True]
    assert len(given) == 1
    assert time.monotonic() - begun < 6


def test_outside_of_an_item_a_publish_waits_as_ever(connect: Connect, name: str) -> None:
    connection = connect()
    with together() as batch:
        connection.Producer(serializer="json").publish("x", routing_key=name)
        assert connection.default_channel.queue_declare(name, passive=True).message_count == 1
    assert batch.items == []


def test_only_what_a_publish_raises_is_kept() -> None:
    with together() as batch:
        with batch.item() as item:
            raise OperationalError("no broker")
        with pytest.raises(ValueError), batch.item():
            raise ValueError("a mistake of ours")
    assert isinstance(item.failure, OperationalError)
