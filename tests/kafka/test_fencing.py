"""Who refuses a worker's name: another worker, or a group that a broker's outage has left confused?"""

from __future__ import annotations

from confluent_kafka import KafkaError

from project.kafka.consumer import GroupConsumer
from project.kafka.errors import BrokerUnavailable
from project.kafka.options import Options
from project.kafka.quiet import watch
from project.local import ports
from tests.waiting import eventually


def test_a_name_that_is_refused_after_an_outage_is_no_namesake() -> None:
    """Though this member had lost no partitions by the outage: the broker went in the middle of a rebalance."""
    options = Options.read({})
    config = {**options.client_config(f"127.0.0.1:{ports.free_port()}", {}), **options.consumer_config("queue")}
    told_before = watch.away_at
    consumer = GroupConsumer("queue", config, options, notify=lambda: None)
    try:
        eventually(lambda: watch.away_at > told_before, 20)
        consumer._partitions._on_answer(KafkaError(KafkaError.FENCED_INSTANCE_ID), [])
        eventually(lambda: error(consumer) is not None, 20)
        assert isinstance(error(consumer), BrokerUnavailable)
    finally:
        consumer.stop()


def error(consumer: GroupConsumer) -> Exception | None:
    try:
        consumer.take()
    except Exception as ended:  # noqa: BLE001  (which one it is, is the question)
        return ended
    return None
