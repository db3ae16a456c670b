"""Messages that are too old are dropped and counted, whatever the clocks say and however often they are put back."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from confluent_kafka import Producer
from kombu import Exchange, Queue

from project.kafka import ConfigurationError
from project.kafka.records import PUBLISHED, encode
from tests.kafka.conftest import Connect, publish, receive
from tests.waiting import eventually


def bodies(messages: list[Any]) -> list[Any]:
    return sorted(message.decode() for message in messages)


def test_an_expired_message_is_dropped_and_counted(connect: Connect, queue: Queue) -> None:
    connection = connect()
    publish(connection, queue, "old", expiration=0.01)  # joining the group takes longer
    publish(connection, queue, "lasting", expiration=600)
    publish(connection, queue, "eternal")
    assert bodies(receive(connection, queue, 2)) == ["eternal", "lasting"]
    assert connection.default_channel.expired.counts[queue.name] == 1
    bound = queue(connection.default_channel)
    eventually(lambda: bound.queue_declare(passive=True).message_count == 2, timeout=10)


def test_a_queue_has_a_time_to_live_of_its_own(connect: Connect, name: str) -> None:
    connection = connect()
    short = Queue(name, Exchange(name), routing_key=name, message_ttl=0.01)
    publish(connection, short, "old", expiration=600)
    assert short(connection.default_channel).get() is None
    assert connection.default_channel.expired.counts[name] == 1


def test_putting_a_message_back_does_not_make_it_younger(connect: Connect, queue: Queue) -> None:
    connection = connect()
    publish(connection, queue, "short", expiration=8)
    publish(connection, queue, "eternal")
    published = time.monotonic()
    messages = receive(connection, queue, 2)
    time.sleep(max(0.0, published + 8.5 - time.monotonic()))  # age is what this is about
    for message in messages[:2]:
        message.requeue()
    connection.drain_events(timeout=20)
    assert messages[2].decode() == "eternal"
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.5)
    assert connection.default_channel.expired.counts[queue.name] == 1


def test_a_wrong_clock_expires_nothing(connect: Connect, queue: Queue) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        connection = connect()
        publish(connection, queue, "fresh", expiration=60)
        assert bodies(receive(connection, queue, 1)) == ["fresh"]


def test_a_clock_that_is_late_does_not_keep_what_is_old(connect: Connect, queue: Queue) -> None:
    connection = connect()
    channel = connection.default_channel
    queue(channel).declare()
    body = channel.prepare_message("old", content_type="text/plain", properties={"expiration": "60000"})
    channel._inplace_augment_message(body, "", queue.name)
    raw = Producer({"bootstrap.servers": connection.transport.address.hosts})
    raw.produce(queue.name, encode(body), headers=[(PUBLISHED, str(int((time.time() - 61) * 1000)))])
    assert raw.flush(10) == 0
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=1)):
        publish(connection, queue, "fresh", expiration=60)
        assert bodies(receive(connection, queue, 1)) == ["fresh"]
        assert channel.expired.counts[queue.name] == 1


def test_messages_to_a_queue_that_dies_with_its_reader_expire_too(connect: Connect, name: str) -> None:
    buffer = connect().SimpleBuffer(name)
    buffer.put("old", expiration=0.01)
    time.sleep(0.5)
    buffer.put("fresh", expiration=600)
    assert buffer.get(timeout=10).payload == "fresh"


@pytest.mark.parametrize("arguments", [{"x-max-priority": 256}, {"x-message-ttl": "soon"}, {"x-message-ttl": -1}])
def test_arguments_that_can_not_be_are_refused(connect: Connect, name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="must be an integer"):
        Queue(name, queue_arguments=arguments)(connect().default_channel).declare()


def test_a_queue_stays_whatever_it_says_of_its_own_end(connect: Connect, name: str) -> None:
    """x-expires: RabbitMQ would delete it; here only those that die with their reader go."""
    queue = Queue(name, Exchange(name), routing_key=name, expires=0.001)
    connection = connect()
    publish(connection, queue, "kept")
    time.sleep(0.1)
    assert [message.decode() for message in receive(connect(), queue, 1)] == ["kept"]
