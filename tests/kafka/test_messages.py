"""One message's life: published, delivered, acknowledged, rejected, requeued, crashed with, dead-lettered."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

from project.kafka import MessageTooLarge, consumer, partitions
from project.kafka.options import Options
from project.kafka.records import encode
from project.kafka.topics import Topics
from project.local.ports import free_port
from tests.kafka.conftest import TANSU_QUICK, Connect, publish, receive
from tests.servers import start_tansu
from tests.waiting import eventually


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


def test_a_member_that_fetches_nothing_more_goes_on_committing(
    connect: Connect, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has as much as it keeps; what it hasn't committed when it dies runs again."""
    monkeypatch.setattr(consumer, "PAUSE_AFTER", 3600.0)
    monkeypatch.setattr(partitions, "UNANSWERED", 3600.0)
    connection, other = connect(partitions=1, max_buffered=5), connect().default_channel
    publish(connection, queue, *range(100))
    taken: list[Any] = []
    one_at_a_time = connection.Consumer(queue, on_message=taken.append, prefetch_count=1)
    one_at_a_time.consume()
    for left in range(99, 94, -1):
        connection.drain_events(timeout=60)
        taken[-1].ack()
        eventually(lambda left=left: other._size(queue.name) == left, 20)  # type: ignore[misc]


@pytest.mark.kafka
def test_a_partition_with_a_long_backlog_does_not_hold_up_the_others(kafka_address: str, name: str) -> None:
    """librdkafka, which has fetched enough ahead for now, must not take a second to see that it hasn't any more."""
    client: dict[str, Any] = {"bootstrap.servers": kafka_address}
    admin = AdminClient(client)
    admin.create_topics([NewTopic(name, num_partitions=4)])[name].result(20)
    producer = Producer(client)
    for number in range(8000):
        producer.produce(name, bytes(1000), partition=number % 4)
        producer.poll(0)
    assert producer.flush(20) == 0
    # A busy machine may pause anybody now and then, but not each time.
    assert min(_longest_pause(client, name, f"{name}-{number}", 8000) for number in range(3)) < 0.5


def _longest_pause(client: dict[str, Any], topic: str, group: str, count: int) -> float:
    """Seconds between the arrivals of two of the topic's records."""
    reader = Consumer({**client, **Options().consumer_config(topic), "group.id": group})
    reader.subscribe([topic])
    times: list[float] = []
    while len(times) < count:
        message = reader.poll(20)
        assert message is not None and message.error() is None
        times.append(time.monotonic())
    reader.close()
    return max(after - before for before, after in pairwise(times))


def test_a_broker_that_keeps_no_metadata_is_told_of_once(
    connect: Connect,
    queue: Queue,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("project.kafka.partitions._metadata_checked", threading.Event())
    lacking = request.node.callspec.params["broker"] == "tansu"
    for number in range(2):
        connection = connect()
        publish(connection, queue, number)
        receive(connection, queue, 1)[0].ack()
        connection.close()
    assert caplog.text.count("keeps no metadata of commits") == (1 if lacking else 0)


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


def test_a_table_of_bindings_whose_reader_came_before_its_topic_was_known_is_read(
    connect: Connect, queue: Queue, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker makes a topic a moment before it tells of it, and librdkafka believes a "no" for half a minute."""
    prefix = {"topic_prefix": f"{name}."}
    with monkeypatch.context() as patch:
        patch.setattr(Topics, "partitions", lambda *_: 1)
        table = connect(**prefix).default_channel._bindings
        with pytest.raises(KafkaException, match="Unknown partition"):
            table._stir(5.0)
    publish(connect(**prefix, connect_timeout=11.0), queue, "found")
    assert [row.queue for row in table.of(name)] == [name]


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


MESSAGE = '{"body": %s, "headers": {}, "properties": {"delivery_info": {}, "body_encoding": %s}}'
BAD_RECORDS = {
    "empty": b"",
    "not JSON": b"not json",
    "a list": b"[1]",
    "no properties": b'{"body": 1}',
    "not UTF-8": b"\xff\xfe",
    "no body": b'{"properties": {"delivery_info": {}}}',
    "bad padding": (MESSAGE % ('"x"', '"base64"')).encode(),
    "unknown encoding": (MESSAGE % ('"x"', '"rot13"')).encode(),
    "a body that is a number": (MESSAGE % ("5", '"base64"')).encode(),
    "a number that is none": b'{"__type__": "decimal", "__value__": "x"}',
}


@pytest.mark.parametrize("value", BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_record_that_is_no_message_goes_to_the_dead_letters(connect: Connect, queue: Queue, value: bytes) -> None:
    connection = connect()
    publish(connection, queue, "before")
    raw = Producer({"bootstrap.servers": connection.transport.address.hosts})
    for partition in range(8):  # one in front of whatever comes next
        raw.produce(queue.name, value, partition=partition)
    assert raw.flush(10) == 0
    publish(connection, queue, "after")
    assert bodies(receive(connection, queue, 2)) == ["after", "before"]

    def all_kept() -> bool:
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.1)
        kept: int = connection.default_channel._size(f"{queue.name}.dead")
        return kept == 8

    eventually(all_kept, 20)


@pytest.mark.kafka
def test_a_message_too_large_has_an_error_of_its_own(kafka: tuple[str, dict[str, Any]], queue: Queue) -> None:
    url, options = kafka
    with Connection(url, transport_options=options) as connection, pytest.raises(MessageTooLarge, match="too large"):
        publish(connection, queue, "x" * 2_000_000)


def test_publishing_goes_on_where_the_channel_was_closed_under_it(connect: Connect, queue: Queue) -> None:
    """kombu closes the connection amid a publish where a declaration before it found the broker away."""
    connection = connect()
    publish(connection, queue, "before")
    producer = connection.Producer()
    producer.channel.close()
    with pytest.raises(OperationalError, match="closed"):
        producer.publish("lost", routing_key=queue.name)
    producer.publish("after", routing_key=queue.name, retry=True)
    assert bodies(receive(connect(), queue, 2)) == ["after", "before"]


def test_publishing_to_a_dead_broker_fails_in_bounded_time_every_time() -> None:
    options = {"connect_timeout": 1.0, "publish_timeout": 1.0}
    with Connection(f"kafka://127.0.0.1:{free_port()}", transport_options=options, connect_timeout=1) as connection:
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(OperationalError, match="no Kafka broker is there"):
                connection.Producer().publish("x", routing_key="anywhere")
            assert time.monotonic() - began < 10


@pytest.mark.kafka
def test_a_topic_that_is_made_again_under_its_consumer_is_consumed_anew(
    kafka: tuple[str, dict[str, Any]], queue: Queue
) -> None:
    """What came before the worker saw the topic's new id may come once more: that is better than to pass over it."""
    url, options = kafka
    with Connection(url, transport_options=options) as consuming, Connection(url, transport_options=options) as other:
        publish(other, queue, *range(40))
        messages: list[Any] = []

        def keep(message: Any) -> None:
            messages.append(message)
            message.ack()

        consumer = consuming.Consumer(queue, on_message=keep)
        consumer.consume()
        while len(messages) < 40:
            consuming.drain_events(timeout=20)
        other.default_channel._topics.delete(queue.name)
        other.declared_entities.clear()
        publish(other, queue, *range(100, 116))
        anew = set(range(100, 116))
        while not anew <= set(bodies(messages[40:])):
            consuming.drain_events(timeout=60)
        assert set(bodies(messages[40:])) == anew


@pytest.mark.kafka
def test_more_gaps_than_the_metadata_holds_hold_up_the_fetch_and_repeat_nothing(
    kafka: tuple[str, dict[str, Any]], queue: Queue
) -> None:
    url, options = kafka
    options = {**options, "partitions": 1}
    total, finished = 4000, set()
    with Connection(url, transport_options=options) as first:
        channel = first.default_channel
        queue(channel).declare()
        body = channel.prepare_message("0", content_type="application/json", content_encoding="utf-8")
        channel._inplace_augment_message(body, "", queue.name)
        raw = Producer({"bootstrap.servers": first.transport.address.hosts})
        for _ in range(total):
            raw.produce(queue.name, encode(body), partition=0)
        assert raw.flush(20) == 0
        taken: list[Any] = []

        def every_second_one(message: Any) -> None:
            taken.append(message)
            if len(taken) % 2:
                finished.add(len(taken))
                message.ack()

        consumer = first.Consumer(queue, on_message=every_second_one)
        consumer.consume()
        with pytest.raises(TimeoutError):
            while True:
                first.drain_events(timeout=8 if not taken else 2)
        assert 500 < len(taken) < total
    with Connection(url, transport_options=options) as second:
        assert second.default_channel._size(queue.name) == total - len(finished)
        again: list[int] = []

        def the_rest(message: Any) -> None:
            again.append(message.delivery_tag)
            message.ack()

        consumer = second.Consumer(queue, on_message=the_rest)
        consumer.consume()
        with pytest.raises(TimeoutError):
            while True:
                second.drain_events(timeout=2 if again else 10)
        assert len(again) == total - len(finished)


def test_a_message_that_cannot_be_requeued_comes_again_here() -> None:
    server = start_tansu()
    try:
        url, queue = f"kafka://{server.address}", Queue("requeue", Exchange("requeue"), routing_key="requeue")
        with Connection(url, transport_options=TANSU_QUICK) as connection:
            publish(connection, queue, "precious")
        options = {**TANSU_QUICK, "publish_timeout": 0.5, "connect_timeout": 0.5}
        with Connection(url, transport_options=options) as connection:
            messages = receive(connection, queue, 1)
            server.kill()
            messages[0].reject(requeue=True)
            connection.drain_events(timeout=5)
            assert messages[1].decode() == "precious"
            assert messages[1].delivery_info["redelivered"] is True
    finally:
        server.stop()


def test_publishing_goes_on_after_a_broker_that_forgot_everything() -> None:
    server = start_tansu()
    try:
        options = {**TANSU_QUICK, "publish_timeout": 2.0}
        with Connection(f"kafka://{server.address}", transport_options=options) as connection:
            queue = Queue("forgotten", Exchange("forgotten"), routing_key="forgotten")
            publish(connection, queue, *range(3))
            server.kill()
            server.start()
            for _ in range(5):
                try:
                    publish(connection, queue, "after")
                    break
                except OperationalError:
                    connection.declared_entities.clear()
            else:
                raise AssertionError("five tries, none went through")
    finally:
        server.stop()


def test_no_wake_is_lost_between_threads() -> None:
    with Connection("kafka://127.0.0.1:1") as connection:
        transport = connection.transport
        ringers = [
            threading.Thread(target=lambda: [transport.wake() for _ in range(20_000)], daemon=True) for _ in range(3)
        ]
        for ringer in ringers:
            ringer.start()
        while any(ringer.is_alive() for ringer in ringers):
            transport.wait(0.01)
        transport.wait(0)
        transport.wake()
        assert transport.wait(1)
