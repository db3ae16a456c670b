"""The last commit of a member that leaves while its group rebalances."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, KafkaException
from kombu import Queue

from project.kafka.partitions import Partitions
from tests.kafka.conftest import Connect, publish, receive

REFUSALS = 3


class Rebalancing:
    """A librdkafka consumer whose group refuses commits, as it does until each member has joined again: all that come
    before the member leaves, and some more."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions, self._consumer = partitions, partitions._consumer
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def commit(self, **arguments: Any) -> Any:
        if not self._partitions.leaving or self.refused < REFUSALS:
            self.refused += self._partitions.leaving
            raise KafkaException(KafkaError(KafkaError.REBALANCE_IN_PROGRESS))
        return self._consumer.commit(**arguments)


def test_a_commit_that_a_rebalance_refuses_is_offered_again_before_leaving(connect: Connect, queue: Queue) -> None:
    first = connect()
    publish(first, queue, "once")
    (message,) = receive(first, queue, 1)
    (member,) = first.default_channel._members.values()
    group: Any = Rebalancing(member._partitions)
    member._partitions.attach(group)
    message.ack()
    first.close()
    assert group.refused == REFUSALS

    second = connect()
    publish(second, queue, "next")
    assert [message.payload for message in receive(second, queue, 1)] == ["next"]
