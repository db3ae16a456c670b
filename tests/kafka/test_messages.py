"""One message's life: published, delivered, acknowledged, rejected, requeued, crashed with, dead-lettered."""

from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka import Producer
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

from project.kafka import MessageTooLarge
from project.local.ports import free_port
from tests.kafka.conftest import Connect, publish, receive


def bodies(messages: list[Any]) -> list[Any]:
    return sorted(message.decode() for message in messages)


def test_what_is_published_is_delivered_once(connect: Connect, queue: Queue) -> None:
    connection = connect()
    publish(connection, queue, *range(50))
    messages = receive(connection, queue, 50)
    assert bodies(messages) == list(range(50))
    assert not any(message.delivery_info["redelivered"] for message in messages)


def test_an_acknowledged_message_does_not_come_again(connect: Connect, queue: Queue) -> None:
    first = connect()
    publish(first, queue, "done", "open")
    for message in receive(first, queue, 2):
        if message.decode() == "done":
            message.ack()
    first.close()
    again = receive(connect(), queue, 1)
    assert bodies(again) == ["open"]


@pytest.mark.kafka
def test_what_is_finished_out_of_order_is_not_repeated(kafka: tuple[str, dict[str, Any]], queue: Queue) -> None:
    """The commit's metadata says what is done beyond a slow first message."""
    url, options = kafka
    one_partition = {**options, "partitions": 1}
    with Connection(url, transport_options=one_partition) as first:
        publish(first, queue, *range(10))
        for message in receive(first, queue, 10):
            if message.decode() not in (0, 7):
                message.ack()
    with Connection(url, transport_options=one_partition) as second:
        publish(second, queue, 10)
        messages = receive(second, queue, 3)
        assert {message.decode(): message.delivery_info["redelivered"] for message in messages} == {
            0: True,
            7: True,
            10: False,
        }


def test_a_rejected_message_is_gone_and_a_requeued_one_returns(connect: Connect, queue: Queue) -> None:
    connection = connect()
    publish(connection, queue, "drop", "again")
    messages = receive(connection, queue, 2)
    for message in messages:
        message.reject(requeue=message.decode() == "again")
    while len(messages) < 3:
        connection.drain_events(timeout=20)
    assert messages[2].decode() == "again"
    assert messages[2].delivery_info["redelivered"] is True


def test_no_more_than_the_prefetch_limit_is_delivered(connect: Connect, queue: Queue) -> None:
    connection = connect()
    publish(connection, queue, *range(10))
    messages: list[Any] = []
    consumer = connection.Consumer(queue, on_message=messages.append, prefetch_count=3)
    consumer.consume()
    while len(messages) < 3:
        connection.drain_events(timeout=20)
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.3)
    messages[0].ack()
    connection.drain_events(timeout=5)
    assert len(messages) == 4


def test_topic_exchanges_route_by_pattern(connect: Connect, name: str) -> None:
    exchange = Exchange(name, type="topic")
    all_usd, only_eur = Queue(f"{name}-usd", exchange, "usd.#"), Queue(f"{name}-eur", exchange, "eur.rate")
    connection = connect()
    channel = connection.channel()
    all_usd(channel).declare()
    only_eur(channel).declare()
    producer = connection.Producer(channel)
    for key in ("usd.rate", "usd.news.today", "eur.rate", "eur.news"):
        producer.publish(key, exchange=exchange, routing_key=key)
    assert bodies(receive(connection, all_usd, 2)) == ["usd.news.today", "usd.rate"]
    assert bodies(receive(connect(), only_eur, 1)) == ["eur.rate"]


def test_length_counts_what_is_not_finished_and_purge_empties(connect: Connect, queue: Queue) -> None:
    connection = connect()
    publish(connection, queue, *range(20))
    channel = connection.default_channel
    assert queue(channel).queue_declare(passive=True).message_count == 20
    assert queue(channel).purge() == 20
    assert queue(channel).queue_declare(passive=True).message_count == 0
    publish(connection, queue, "after")
    assert bodies(receive(connection, queue, 1)) == ["after"]


def test_basic_get_takes_one_message_or_none(connect: Connect, queue: Queue) -> None:
    connection = connect()
    publish(connection, queue, "one")
    bound = queue(connection.default_channel)
    message = bound.get()
    assert message is not None
    assert message.decode() == "one"
    message.ack()
    assert bound.get() is None


@pytest.mark.parametrize("value", [b"", b"not json", b"[1]", b'{"body": 1}', b"\xff\xfe", b'{"properties": {}}'])
def test_a_record_that_is_no_message_goes_to_the_dead_letters(connect: Connect, queue: Queue, value: bytes) -> None:
    connection = connect()
    publish(connection, queue, "before")
    raw = Producer({"bootstrap.servers": connection.transport.address.hosts})
    for partition in range(8):  # one in front of whatever comes next
        raw.produce(queue.name, value, partition=partition)
    assert raw.flush(10) == 0
    publish(connection, queue, "after")
    assert bodies(receive(connection, queue, 2)) == ["after", "before"]
    dead = queue(connection.default_channel)
    assert connection.default_channel._size(dead.name + ".dead") == 8


@pytest.mark.kafka
def test_a_message_too_large_has_an_error_of_its_own(kafka: tuple[str, dict[str, Any]], queue: Queue) -> None:
    url, options = kafka
    with Connection(url, transport_options=options) as connection, pytest.raises(MessageTooLarge, match="too large"):
        publish(connection, queue, "x" * 2_000_000)


def test_publishing_to_a_dead_broker_fails_in_bounded_time_every_time() -> None:
    options = {"connect_timeout": 1.0, "publish_timeout": 1.0}
    with Connection(f"kafka://127.0.0.1:{free_port()}", transport_options=options, connect_timeout=1) as connection:
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(OperationalError, match="no Kafka broker is there"):
                connection.Producer().publish("x", routing_key="anywhere")
            assert time.monotonic() - began < 10
