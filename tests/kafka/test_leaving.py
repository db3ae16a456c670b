"""A member that leaves: its last commit while its group rebalances, and what it still has to hand out."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from kombu import Connection, Queue

from project.kafka import buffer, consumer, offsets
from project.kafka.consumer import GroupConsumer
from tests.kafka.conftest import Connect, publish, receive
from tests.waiting import eventually

REFUSALS = 3


class Rebalancing:
    """A librdkafka consumer whose group refuses commits, as it does until each member has joined again: all that come
    before the member leaves, and then so many."""

    def __init__(self, member: GroupConsumer, refusals: int) -> None:
        self._partitions, self._consumer = member._partitions, cast(Any, member._consumer)
        self._refusals, self.refused = refusals, 0
        self._answers: list[list[TopicPartition]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> Any:
        leaving = self._partitions.leaving
        if leaving and self.refused >= self._refusals:
            return self._consumer.commit(offsets=offsets, asynchronous=asynchronous)
        self.refused += leaving
        if not asynchronous:
            raise KafkaException(KafkaError(KafkaError.REBALANCE_IN_PROGRESS))
        self._answers.append(offsets)
        return None

    def poll(self, timeout: float) -> Any:
        while self._answers:
            self._partitions.on_commit(KafkaError(KafkaError.REBALANCE_IN_PROGRESS), self._answers.pop())
        return self._consumer.poll(timeout)


def closed_amid_a_rebalance(connection: Connection, queue: Queue, refusals: int) -> Rebalancing:
    """The connection had a message, which is finished."""
    (message,) = receive(connection, queue, 1)
    (member,) = connection.default_channel._members.values()
    group: Any = Rebalancing(member, refusals)
    member._partitions.attach(group)
    member._consumer = group
    message.ack()
    connection.close()
    return cast(Rebalancing, group)


def test_a_commit_that_a_rebalance_refuses_is_offered_again_before_leaving(connect: Connect, queue: Queue) -> None:
    first = connect()
    publish(first, queue, "once")
    assert closed_amid_a_rebalance(first, queue, REFUSALS).refused == REFUSALS

    second = connect()
    publish(second, queue, "next")
    assert [message.payload for message in receive(second, queue, 1)] == ["next"]


def test_a_group_that_refuses_to_the_end_is_left_in_order_all_the_same(
    connect: Connect, queue: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is refused is answered: only where nobody answers does a member go without a word."""
    monkeypatch.setattr(consumer, "LAST_COMMIT_TIMEOUT", 0.3)
    connection = connect()
    publish(connection, queue, "again")
    assert closed_amid_a_rebalance(connection, queue, 10**6).refused > 1
    assert "no answer" not in caplog.text


def test_who_takes_nothing_more_leaves_though_more_records_are_under_suspicion(
    connect: Connect, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was let out meanwhile would never end, and keep the member from leaving."""
    monkeypatch.setattr(offsets, "CAREFUL_AFTER", 0)
    monkeypatch.setattr(buffer, "ALONE", 0.0)
    connection = connect(partitions=1)
    publish(connection, queue, *range(20))
    (message,) = receive(connection, queue, 1)
    channel = connection.default_channel
    (member,) = channel._members.values()
    commit_if_due, turns = member._partitions.commit_if_due, 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        commit_if_due()

    monkeypatch.setattr(member._partitions, "commit_if_due", turn)

    for tag in tuple(channel._consumers):
        channel.basic_cancel(tag)
    before = turns
    eventually(lambda: turns > before + 3, 5)
    message.ack()

    member.join(time.monotonic() + 10)
    assert not member._thread.is_alive()
