"""Many published at once: one wait for all of them, and what failed is known one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
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
    begun = time.monotonic()
    with together() as batch:
        for _ in range(20):
            with batch.item():
                producer.publish("x", routing_key=name)
    assert time.monotonic() - begun < 6
    assert all(isinstance(item.failure, OperationalError) for item in batch.items)


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
