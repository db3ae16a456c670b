"""Tasks that kill whoever runs them end in the dead letters; those beside them don't."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, cast

import pytest
from confluent_kafka import Consumer

from project.kafka.records import DEAD_DELIVERIES, DEAD_ORIGIN, DEAD_REASON
from tests.kafka.rig import Rig

pytestmark = pytest.mark.kafka
LIMIT = 3


@pytest.fixture
def broker(kafka: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    url, options = kafka
    return url, {**options, "delivery_limit": LIMIT}


def dead_letters(rig: Rig) -> list[tuple[str, dict[str, str]]]:
    """Task name and headers of each."""
    consumer = Consumer(
        {
            "bootstrap.servers": rig.url.removeprefix("kafka://"),
            "group.id": f"{rig.queue}-test",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    consumer.subscribe([f"{rig.queue}.dead"])
    found: list[tuple[str, dict[str, str]]] = []
    ends = 0
    while ends < 8:
        message = consumer.poll(20)
        assert message is not None, "no news of the dead letters"
        if message.error():
            ends += 1
            continue
        headers = dict(cast(list[tuple[str, bytes]], message.headers()))
        found.append(
            (
                json.loads(message.value() or b"")["headers"]["task"],
                {name: value.decode() for name, value in headers.items()},
            )
        )
    consumer.close()
    return found


def test_of_a_hundred_tasks_only_the_one_that_kills_its_workers_dies(rig: Rig) -> None:
    for number in range(100):
        if number == 30:
            rig.app.signature("kill_worker", (0,)).apply_async()
        rig.trace.clone((number,)).apply_async()
    worker = rig.start("w1")

    def all_ended() -> bool:
        nonlocal worker
        if worker.poll() is not None:
            worker = rig.start("w1")
        return {number for number, _ in rig.traces("ended")} == set(range(100)) and "went to" in rig.log("w1")

    rig.wait_for(all_ended, 100)
    [(task, headers)] = dead_letters(rig)
    assert task == "kill_worker"
    assert headers[DEAD_ORIGIN].startswith(f"{rig.queue}:")
    assert headers[DEAD_DELIVERIES] == str(LIMIT)
    assert headers[DEAD_REASON] == f"delivered {LIMIT} times without an end"


def test_a_task_that_kills_its_pool_process_every_time_dies_and_its_worker_goes_on(rig: Rig) -> None:
    worker = rig.start("w1")
    rig.app.signature("kill_child", (0,)).apply_async()
    rig.wait_for(lambda: "went to" in rig.log("w1"))
    rig.trace.clone((1,)).apply_async()
    assert rig.wait_ended(1) == Counter([1])
    assert worker.poll() is None
    [(task, headers)] = dead_letters(rig)
    assert (task, headers[DEAD_DELIVERIES]) == ("kill_child", str(LIMIT))
