"""Queues with priorities: the higher goes first, equal ones in order, none starves; all levels are one queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from kombu import Connection, Exchange, Queue

from project.kafka.dead import DeadLetters
from project.kafka.ranks import level_of, levels_among, lowest_priorities, queue_topic
from tests.kafka.conftest import Connect, publish, receive
from tests.kafka.rig import Rig
from tests.waiting import eventually


@pytest.fixture
def ranked(name: str) -> Queue:
    return Queue(name, Exchange(name), routing_key=name, max_priority=10)


def publish_each(connection: Connection, queue: Queue, priorities: list[int]) -> None:
    for number, priority in enumerate(priorities):
        publish(connection, queue, [priority, number], priority=priority)


def topics_of(connection: Connection, queue: Queue) -> set[str]:
    counts = connection.default_channel._topics.counts()
    return {topic for topic in counts if topic.startswith(queue.name)}


@pytest.mark.parametrize(
    ("greatest", "levels"),
    [(10, [0, 3, 6, 9]), (9, [0, 3, 5, 8]), (255, [0, 64, 128, 192]), (3, [0, 1, 2, 3]), (1, [0, 1])],
)
def test_a_queue_has_at_most_four_levels(greatest: int, levels: list[int]) -> None:
    assert lowest_priorities(greatest) == levels


def test_levels_are_told_by_the_topics_alone() -> None:
    names = ["q", "q.priority-3", "q.priority-9", "q.priority-", "q.priority-07", "q.priority-3.dead", "p.priority-6"]
    levels = levels_among("q", names)
    assert levels == {0: "q", 3: "q.priority-3", 9: "q.priority-9"}
    assert [level_of(levels, priority) for priority in (0, 2, 3, 8, 9, 200)] == [
        "q", "q", "q.priority-3", "q.priority-3", "q.priority-9", "q.priority-9",
    ]  # fmt: skip
    assert queue_topic("q.priority-3") == "q"


def test_the_higher_go_first_and_equal_ones_in_the_order_of_publishing(connect: Connect, ranked: Queue) -> None:
    connection = connect()
    priorities = [0, 9, 3, 6, 0, 3, 9, 6, 1, 10, 0, 7]
    publish_each(connection, ranked, priorities)
    bodies = [message.decode() for message in receive(connect(), ranked, len(priorities))]
    level = {0: 0, 1: 0, 3: 3, 6: 6, 7: 6, 9: 9, 10: 9}
    wanted = sorted(([p, n] for n, p in enumerate(priorities)), key=lambda body: (-level[body[0]], body[1]))
    assert bodies == wanted


def test_who_does_not_know_how_a_queue_was_declared_uses_its_levels_too(connect: Connect, ranked: Queue) -> None:
    ranked(connect().default_channel).declare()
    plain = Queue(ranked.name, Exchange(ranked.name), routing_key=ranked.name)
    publish_each(connect(), plain, [0, 9, 0])
    assert [message.decode()[0] for message in receive(connect(), plain, 3)] == [9, 0, 0]


def test_none_starves(connect: Connect, ranked: Queue) -> None:
    connection = connect()
    publish_each(connection, ranked, [0] * 2 + [9] * 40)
    order = [message.decode()[0] for message in receive(connection, ranked, 42)]
    assert order[:16] == [9] * 16
    assert 0 in order[16:20]
    assert order[-1] == 9


def test_length_purge_and_delete_are_of_all_levels(connect: Connect, ranked: Queue) -> None:
    connection = connect()
    publish_each(connection, ranked, [0, 3, 9, 9])
    bound = ranked(connection.default_channel)
    assert bound.queue_declare(passive=True).message_count == 4
    assert bound.purge() == 4
    assert bound.queue_declare(passive=True).message_count == 0
    assert len(topics_of(connection, ranked)) == 4
    bound.delete()
    eventually(lambda: not topics_of(connection, ranked), timeout=10)


def test_a_level_outlives_what_is_forgotten_of_its_topic_after_a_failure(connect: Connect, ranked: Queue) -> None:
    connection = connect()
    publish_each(connection, ranked, [9])
    level, topics = f"{ranked.name}.priority-9", connection.default_channel._topics
    topics.forget(level)  # as a publish that failed does
    connection.Producer().publish("again", routing_key=ranked.name, priority=9)
    assert topics.length(level, connection.default_channel.options.group_of(level)) == 2


def test_levels_that_are_declared_later_are_used_at_once(connect: Connect, ranked: Queue) -> None:
    connection = connect()
    connection.Producer().publish("early", routing_key=ranked.name, priority=9)
    ranked(connection.default_channel).declare()
    connection.Producer().publish("late", routing_key=ranked.name, priority=9)
    assert [message.decode() for message in receive(connect(), ranked, 2)] == ["late", "early"]


def test_without_priorities_a_queue_is_one_topic(connect: Connect, queue: Queue) -> None:
    connection = connect()
    publish_each(connection, queue, [0, 9])
    assert sorted(message.decode() for message in receive(connection, queue, 2)) == [[0, 0], [9, 1]]
    assert topics_of(connection, queue) == {queue.name}


def test_bad_records_of_each_level_go_to_the_queues_dead_letters(connect: Connect, ranked: Queue) -> None:
    connection = connect()
    ranked(connection.default_channel).declare()
    eventually(lambda: len(topics_of(connection, ranked)) == 4, timeout=10)
    raw = Producer({"bootstrap.servers": connection.transport.address.hosts})
    for topic in topics_of(connection, ranked):
        raw.produce(topic, b"not json", partition=0)
    assert raw.flush(10) == 0
    publish(connection, ranked, "good", priority=5)
    assert [message.decode() for message in receive(connection, ranked, 1)] == ["good"]
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.5)
    assert connection.default_channel._size(f"{ranked.name}.dead") == 4
    channel = connection.default_channel
    dead = DeadLetters(
        channel.options.client_config(channel._address.hosts, channel._address.credentials),
        channel.options,
        channel._topics,
        channel._producer,
    )
    ids = {letter.id for letter in dead.of(ranked.name)}
    assert len(ids) == 4
    for id in ids:
        dead.drop(dead.find([id]))
    assert dead.of(ranked.name) == []


def test_a_queue_that_dies_with_its_reader_is_sorted_too(connect: Connect, name: str) -> None:
    buffer = connect().SimpleBuffer(name, queue_opts={"max_priority": 10})
    for number, priority in enumerate([2, 6, 2, 7]):
        buffer.put([priority, number], priority=priority)
    assert [buffer.get(timeout=10).payload for _ in range(4)] == [[7, 3], [6, 1], [2, 0], [2, 2]]


@pytest.fixture
def rig(broker: tuple[str, dict[str, Any]], redis_server: str, name: str, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(*broker, redis_server, name, tmp_path)
    rig.environment["TEST_ARGUMENTS"] = '{"x-max-priority": 10}'
    yield rig
    rig.close()


def test_a_worker_runs_the_urgent_tasks_of_a_backlog_first(rig: Rig, ranked: Queue) -> None:
    with rig.app.connection_for_write() as connection:
        ranked(connection.default_channel).declare()
    for number in range(24):
        rig.trace.clone((number,)).apply_async(priority=9 if number % 2 else 0)
    rig.start("w1", "-c", "1", "--prefetch-multiplier", "1")
    rig.wait_ended(24)
    order = [number % 2 for number, _ in rig.traces("begun")]
    assert order[:12].count(1) == 12, order
