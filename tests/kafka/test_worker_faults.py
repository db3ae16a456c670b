"""Real worker processes on Apache Kafka that are stopped, starved and fed with rubbish."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from project.kafka import MessageTooLarge
from tests.kafka.rig import Rig
from tests.kafka.test_messages import BAD_RECORDS

pytestmark = pytest.mark.kafka

MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(kafka: tuple[str, dict[str, Any]], redis_server: str, name: str, tmp_path: Path) -> Iterator[MakeRig]:
    """Makes workers' rigs, each with the options given and a queue of its own; all are closed at the end."""
    url, options = kafka
    rigs: list[Rig] = []

    def make(**more: Any) -> Rig:
        folder = tmp_path / str(len(rigs))
        folder.mkdir()
        rigs.append(Rig(url, {**options, **more}, redis_server, f"{name}-{len(rigs)}", folder))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def length(rig: Rig, queue: str = "") -> int:
    with rig.app.connection_for_read() as connection:
        size: int = connection.default_channel._size(queue or rig.queue)
        return size


def begun(rig: Rig) -> Counter[int]:
    return Counter(number for number, _ in rig.traces("begun"))


def test_a_worker_that_was_stopped_for_longer_than_its_session_comes_back(make_rig: MakeRig) -> None:
    rig = make_rig(session_timeout=3.0)
    stopped, other = rig.start("w1"), rig.start("w2")
    rig.wait_member("w1")
    rig.wait_member("w2")
    for number in range(100):
        rig.trace.clone((number, 0.05)).apply_async()
    rig.wait_for(lambda: len({pid for _, pid in rig.traces("ended")}) == 2)
    os.killpg(stopped.pid, signal.SIGSTOP)
    # The other one takes over, also what the stopped one has in hand.
    rig.wait_for(lambda: {number for number, pid in rig.traces("ended")} == set(range(100)))
    os.killpg(stopped.pid, signal.SIGCONT)
    rig.wait_for(lambda: "lost" in rig.log("w1"))

    def works_again() -> bool:
        rig.trace.clone((1000,)).apply_async()
        return (1000, stopped.pid) in rig.traces("ended")

    rig.wait_for(works_again)
    ended = Counter(number for number, _ in rig.traces("ended") if number < 100)
    # 2 running, 8 prefetched, and what ended within the last commit interval.
    assert sum(ended.values()) - 100 <= 16, ended
    rig.wait_for(lambda: length(rig) == 0)
    assert other.poll() is None


def test_what_ended_behind_a_slow_first_task_is_not_repeated_after_a_kill(make_rig: MakeRig) -> None:
    rig = make_rig(partitions=1)
    worker = rig.start("w1")
    rig.trace.clone((0, 300.0)).apply_async()
    rig.wait_for(lambda: begun(rig)[0] == 1)
    for number in range(1, 61):
        rig.trace.clone((number,)).apply_async()
    rig.wait_ended(60)
    rig.wait_for(lambda: length(rig) == 1)
    rig.kill(worker)
    rig.start("w1")
    rig.trace.clone((61,)).apply_async()
    rig.wait_ended(61)
    rig.wait_for(lambda: begun(rig)[0] == 2)  # it and the last one go to different processes of the pool
    assert begun(rig) == Counter([0, *range(62)])


def test_tasks_longer_than_the_poll_interval_run_once_in_every_pool(make_rig: MakeRig) -> None:
    """And so do those held for an ETA that is further away."""
    interval = 6
    rigs = {pool: make_rig(**{"max.poll.interval.ms": interval * 1000}) for pool in ("prefork", "threads", "solo")}
    for pool, rig in rigs.items():
        rig.start("w1", "--pool", pool)
        rig.trace.clone((0, interval + 2.0)).apply_async()
        rig.trace.clone((1,)).apply_async(countdown=interval + 3)
    for rig in rigs.values():
        rig.wait_ended(2)
        for number in range(2, 12):
            rig.trace.clone((number,)).apply_async()
    for pool, rig in rigs.items():
        assert rig.wait_ended(12) == Counter(range(12)), pool
        assert begun(rig) == Counter(range(12)), pool
        assert "lost" not in rig.log("w1")


def strange(body: Any, **headers: Any) -> bytes:
    """A message of kombu's form that Celery can't take for a task."""
    message = {
        "body": body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": {"delivery_info": {"exchange": "", "routing_key": ""}, "delivery_tag": "x", "delivery_mode": 2},
    }
    return json.dumps(message).encode()


STRANGE_MESSAGES = {
    "an unknown task": strange("[[], {}, {}]", task="nobody.knows", id="1"),
    "no task": strange("[[], {}, {}]"),
    "a body that isn't JSON": strange("{{{", task="trace", id="2"),
    "arguments that don't fit": strange('[["x", "y", "z"], {}, {}]', task="trace", id="4"),
    "an ETA that is none": strange("[[1], {}, {}]", task="trace", id="5", eta="someday"),
    "headers of wrong types": strange("[[1], {}, {}]", task=7, id="6", lang=None),
    "a content type that isn't accepted": strange("x", task="trace", id="7").replace(b"application/json", b"a/pickle"),
    "an encoding that nobody knows": strange("x", task="trace", id="8").replace(b"utf-8", b"rot-99"),
    "a tombstone": None,
}


def test_rubbish_of_every_kind_holds_up_nothing(make_rig: MakeRig) -> None:
    rig = make_rig(partitions=2)
    rig.start("w1")
    rig.trace.clone((0,)).apply_async()
    rig.wait_ended(1)
    raw = Producer({"bootstrap.servers": rig.environment["TEST_BROKER"].removeprefix("kafka://")})
    for value in [*BAD_RECORDS.values(), *STRANGE_MESSAGES.values(), os.urandom(100_000)]:
        for partition in range(2):
            raw.produce(rig.queue, value, key=b"k", headers={"x": b"\xff"}, partition=partition)
    assert raw.flush(10) == 0
    for number in range(1, 11):
        rig.trace.clone((number,)).apply_async()
    assert set(rig.wait_ended(11)) == set(range(11))
    rig.wait_for(lambda: length(rig) == 0)
    # What is no message at all, and what Celery rejects; arguments that do not fit are a failure of the task.
    assert length(rig, f"{rig.queue}.dead") == 2 * (len(BAD_RECORDS) + 1 + len(STRANGE_MESSAGES) - 1)
    assert rig.workers[0].poll() is None


def test_a_message_that_ends_its_worker_in_order_ends_in_the_dead_letters(make_rig: MakeRig) -> None:
    """Celery itself fails on it, and its worker shuts down as if nothing had happened."""
    rig = make_rig(partitions=1, delivery_limit=2)
    with rig.app.connection_for_write() as connection:
        connection.default_channel.queue_declare(rig.queue)
    raw = Producer({"bootstrap.servers": rig.environment["TEST_BROKER"].removeprefix("kafka://")})
    raw.produce(rig.queue, strange('"no list of arguments"', task="trace", id="bad"), partition=0)
    assert raw.flush(10) == 0
    rig.trace.clone((1,)).apply_async()
    for _ in range(2):
        assert rig.start("w1").wait(60) != 0
    rig.start("w1")
    assert rig.wait_ended(1) == Counter([1])
    assert length(rig, f"{rig.queue}.dead") == 1


@pytest.mark.parametrize("before", [30, 10])
def test_a_queue_that_is_deleted_and_made_again_under_a_worker_is_consumed_on(make_rig: MakeRig, before: int) -> None:
    """Whether it then has fewer messages than before, or more, so that the old positions are some in it as well."""
    rig = make_rig()
    rig.start("w1")
    for number in range(before):
        rig.trace.clone((number,)).apply_async()
    rig.wait_ended(before)
    with rig.app.connection_for_write() as connection:
        connection.default_channel.queue_delete(rig.queue)
    for number in range(before, 50):
        rig.trace.clone((number,)).apply_async()
    assert set(rig.wait_ended(50, 90)) == set(range(50))


def test_a_task_too_large_for_the_broker_is_refused_by_name_and_the_next_one_goes_through(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.start("w1")
    for _ in range(2):
        with pytest.raises(MessageTooLarge, match="too large"):
            rig.trace.clone((0, 0.0, "x" * 2_000_000)).apply_async()
    rig.trace.clone((1,)).apply_async()
    rig.wait_ended(1)
