"""Tasks that are due later: through which levels they go, and that no worker's end and no queue holds them up."""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery.bin.base import CLIContext
from click.testing import CliRunner
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from hypothesis import example, given
from hypothesis import strategies as st
from kombu import Connection, Queue

from project.kafka import channel, levels
from project.kafka.cli import kafka as command
from project.kafka.delay import LEVELS, SPARE, Waiting, delay_topic, due_at, left_header, level_for
from project.kafka.errors import BrokerUnavailable
from project.kafka.levels import Level
from project.kafka.mover import Mover
from project.kafka.options import Options
from project.kafka.producer import ConfirmedProducer, Outgoing
from project.kafka.records import BadRecord
from project.kafka.shared import close_deadline
from project.kafka.trim import shared_trimmer
from tests.kafka.conftest import Connect
from tests.kafka.rig import Rig
from tests.waiting import eventually

DAY = 86400.0


# --- the levels -------------------------------------------------------------------------------------------------------


@given(
    remaining=st.floats(0.0, 40 * DAY),
    delay_after=st.floats(0.1, 3600.0),
    lags=st.lists(st.floats(0.0, SPARE), min_size=1),
)
def test_the_waits_of_the_levels_sum_up_to_a_time_shortly_before_a_task_is_due(
    remaining: float, delay_after: float, lags: list[float]
) -> None:
    left, hops = remaining, 0
    while (level := level_for(left, delay_after)) is not None:
        left -= level + lags[hops % len(lags)]  # a level may be left somewhat late
        hops += 1
    assert left >= 0, "late"
    if hops:
        assert left <= max(delay_after, LEVELS[0] + SPARE), "the worker holds it longer than it has to"
    assert hops <= 3 * len(LEVELS) + remaining / LEVELS[-1]


def test_delays_can_be_switched_off() -> None:
    assert level_for(3600.0, 0.0) is None


@pytest.mark.parametrize(
    "eta",
    ["2026-11-24T12:00:00+00:00", "2026-11-24T15:00:00+03:00", "2026-11-24T12:00:00", "2026-11-24T12:00:00.000000Z"],
)
def test_an_eta_is_read_as_celery_reads_it(eta: str) -> None:
    assert due_at({"task": "t", "eta": eta}) == datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "headers", [{}, {"task": "t"}, {"task": "t", "eta": None}, {"task": "t", "eta": "soon"}, {"eta": "2026-11-24"}]
)
def test_what_names_no_readable_eta_is_not_delayed(headers: dict[str, Any]) -> None:
    assert due_at(headers) is None


@given(
    target=st.text(min_size=1),
    due=st.floats(allow_nan=False, allow_infinity=False),
    tries=st.integers(0, 99),
    left=st.none() | st.integers(-10_000_000, 10_000_000).map(lambda milliseconds: milliseconds / 1000),
    other=st.binary(max_size=9),
)
def test_the_headers_of_a_delayed_record_are_read_back(
    target: str, due: float, tries: int, left: float | None, other: bytes
) -> None:
    waiting = Waiting(target, due, tries, left)
    assert Waiting.read([("other", other), *waiting.headers()]) == (waiting, [("other", other)])


@given(st.lists(st.tuples(st.sampled_from(["celery-delay-topic", "celery-delay-until", "x"]), st.binary(max_size=5))))
@example([("celery-delay-topic", b"q"), ("celery-delay-until", b"1"), ("celery-delay-tries", b"-100")])
@example([("celery-delay-topic", b"q"), ("celery-delay-until", b"inf")])
def test_other_headers_are_refused_by_one_error(headers: list[Any]) -> None:
    try:
        waiting, _ = Waiting.read(headers)
    except BadRecord:
        return
    assert waiting.target and waiting.tries >= 0 and math.isfinite(waiting.due)


# --- clocks that are wrong --------------------------------------------------------------------------------------------

HOURS = 7200.0


def task_due(seconds: float) -> dict[str, Any]:
    """The headers of a Celery task."""
    eta = datetime.now(UTC) + timedelta(seconds=seconds)
    return {"task": "t", "id": "1", "lang": "py", "eta": eta.isoformat()}


@pytest.mark.parametrize(("wrong", "expected"), [(-HOURS, 8.0), (-30.0, 8.0), (-1.0, 9.0), (0.0, 8.0), (1.0, 7.0)])
def test_a_task_is_held_no_longer_than_was_left_when_it_was_published(
    broker: tuple[str, dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch, wrong: float, expected: float
) -> None:
    """`wrong` is how far the clock of who receives it is ahead."""
    url, options = broker
    with Connection(url, transport_options={**options, "topic_prefix": f"{name}-"}) as connection:
        queue = Queue(name)(connection.default_channel)
        queue.declare()
        connection.Producer().publish([], routing_key=name, headers=task_due(8.0))
        monkeypatch.setattr(channel, "time", lambda: time.time() + wrong)
        message = queue.get(no_ack=True)  # waits for it
    assert message is not None
    held = (due_at(message.headers) or 0.0) - (time.time() + wrong)
    assert expected - 7 < held <= expected  # joining the group takes some seconds


@pytest.mark.parametrize(("waited", "left"), [(5.0, 3.0), (0.0, 8.0)])
def test_no_level_holds_a_task_longer_by_a_clock_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch, waited: float, left: float
) -> None:
    """Nor, where one by such a clock has let it go too early, does it say that it had waited."""
    level = Level(delay_topic("", 5), 0, 5)
    level.arrive(0, b"", Waiting("queue", time.time() + 8, left=8.0).headers(), time.time())
    level.heads[0].fetched_at -= waited
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() - HOURS)
    sent = levels.onward(level, level.heads[0], Options())
    assert (sent.topic, sent.headers) == ("queue", [left_header(left)])


def test_what_the_mover_dies_of_loses_nothing(
    quick_broker: tuple[str, dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has taken the records off their level, and its last commit must not say that they are elsewhere."""
    url, options = quick_broker
    options = {**options, "topic_prefix": f"{name}-", "delay_after": 1.0}
    send_all, failures = ConfirmedProducer.send_all, [MemoryError()]

    def fails_once(self: ConfirmedProducer, messages: Any) -> Any:
        if failures:
            raise failures.pop()
        return send_all(self, messages)

    monkeypatch.setattr(ConfirmedProducer, "send_all", fails_once)
    ended = threading.Event()
    with Connection(url, transport_options=options) as connection:
        queue = Queue(name)(connection.default_channel)
        queue.declare()
        for number in range(5):
            connection.Producer().publish([number], routing_key=name, headers=task_due(8.0))
        with moving(connection, ended.set) as mover:
            assert ended.wait(40)
            with pytest.raises(BrokerUnavailable, match="mover of delayed tasks stopped"):
                mover.check()
        moved: list[Any] = []

        def all_are_there() -> bool:
            if (message := queue.get(no_ack=True)) is not None:
                moved.append(message.decode())
            return len(moved) == 5

        with moving(connection, ended.set):
            eventually(all_are_there, 60)
    assert sorted(moved) == [[number] for number in range(5)]


@contextlib.contextmanager
def moving(connection: Connection, notify: Callable[[], None]) -> Iterator[Mover]:
    """A worker's thread that takes delayed messages on."""
    channel = connection.default_channel
    config = channel.options.client_config(channel._address.hosts, channel._address.credentials)
    mover = Mover(config, channel.options, channel._topics, channel._producer, notify)
    try:
        yield mover
    finally:
        mover.stop()
        mover.join(close_deadline())


def test_of_many_messages_each_fails_by_itself(connect: Connect, name: str) -> None:
    producer = connect().default_channel._producer
    outcomes = producer.send_all([Outgoing(f"{name}\0", b"1"), Outgoing(name, b"2"), Outgoing(name, b"3")])
    assert [outcome.failure is None for outcome in outcomes] == [False, True, True]


# --- workers ----------------------------------------------------------------------------------------------------------


def ran(rig: Rig) -> list[tuple[int, float]]:
    """(number, when) of each run of the tasks `at` and `again`."""
    lines = rig.redis.lrange(f"{rig.queue}:at", 0, -1)
    return [(int(number), float(when)) for number, when in (line.split() for line in lines)]


def length(rig: Rig, topic: str) -> int:
    with rig.app.connection_for_read() as connection:
        return int(connection.default_channel._size(topic))


Start = Callable[..., Rig]


@pytest.fixture
def rigs(redis_server: str, name: str, tmp_path: Path) -> Iterator[Start]:
    """Rigs with delay topics of their own."""
    made: list[Rig] = []

    def make(broker: tuple[str, dict[str, Any]], **more: Any) -> Rig:
        url, options = broker
        options = {**options, "topic_prefix": f"{name}-", "delay_after": 1.0, **more}
        made.append(Rig(url, options, redis_server, name, tmp_path))
        return made[-1]

    yield make
    for rig in made:
        rig.close()


def delayed(rig: Rig, number: int, countdown: float) -> None:
    rig.app.signature("at", (number,)).apply_async(countdown=countdown)


def test_delayed_tasks_and_retries_outlive_a_worker_and_never_run_early(
    broker: tuple[str, dict[str, Any]], rigs: Start
) -> None:
    rig = rigs(broker)
    worker = rig.start("w1")
    rig.app.signature("again", (100, 8.0)).apply_async()
    due = {}
    for number, seconds in enumerate((0.5, 8.0, 9.0, 13.0, *[10.0] * 50)):
        due[number] = time.time() + seconds
        delayed(rig, number, seconds)
    due[99] = time.time() + 9.0
    rig.app.signature("at", (99,)).apply_async(eta=datetime.now(UTC) + timedelta(seconds=9))
    rig.wait_for(lambda: {0, 100} <= {number for number, _ in ran(rig)} and "got 9 levels" in rig.log("w1"))
    rig.kill(worker)
    rig.start("w1")
    rig.wait_for(lambda: {number for number, _ in ran(rig)} >= {*due, 100, 101})
    times = dict(reversed(ran(rig)))  # the first time: what ran or was moved just before the kill may run again
    assert all(times[number] >= due[number] for number in due), (times, due)
    assert times[101] >= times[100] + 8.0


def test_ten_thousand_tasks_due_in_an_hour_weigh_nothing(broker: tuple[str, dict[str, Any]], rigs: Start) -> None:
    """Nor does it matter to a task that waits, in a level or in the worker, longer than max.poll.interval.ms."""
    short = {"session_timeout": 4.0, "max.poll.interval.ms": 4000}
    rig, without = rigs(broker, **short), rigs(broker, **short, delay_after=0.0)
    worker = rig.start("w1")
    delayed(rig, 0, 0)
    rig.wait_for(lambda: len(ran(rig)) == 1)
    delayed(rig, 1, 13)
    delayed(without, 2, 8)
    before = psutil.Process(worker.pid).memory_info().rss
    # Each is published by itself and confirmed, which takes its time: on the embedded broker a fifth has to do.
    many = 10_000 if rig.app.conf.broker_transport_options.get("static_membership", True) else 2_000
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda number: delayed(rig, number, 3600), range(1000, 1000 + many)):
            pass
    delayed(rig, 3, 0)
    rig.wait_for(lambda: {1, 2, 3} <= {number for number, _ in ran(rig)})
    inspect = rig.app.control.inspect(timeout=2)
    eventually(lambda: inspect.scheduled() == {"w1@test": []}, 20)
    eventually(lambda: inspect.reserved() == {"w1@test": []}, 20)
    eventually(lambda: length(rig, rig.queue) == 0, 20)
    assert psutil.Process(worker.pid).memory_info().rss - before < 20_000_000
    assert sorted(number for number, _ in ran(rig)) == [0, 1, 2, 3]
    assert "lost" not in rig.log("w1")


@pytest.mark.kafka
def test_a_queue_that_refuses_holds_up_no_other_and_gets_its_tasks_later(
    kafka: tuple[str, dict[str, Any]], rigs: Start
) -> None:
    rig = rigs(kafka)
    address, prefix = kafka[0].removeprefix("kafka://"), rig.app.conf.broker_transport_options["topic_prefix"]
    admin = AdminClient({"bootstrap.servers": address})
    small, refuses = f"{rig.queue}-idle-0", f"{rig.queue}-idle-1"
    topics = [
        NewTopic(prefix + small, 1, 1, config={"max.message.bytes": "100"}),
        NewTopic(prefix + refuses, 1, 1, config={"cleanup.policy": "compact"}),  # takes nothing without a key
    ]
    for made in admin.create_topics(topics).values():
        made.result(10)
    worker = rig.start("w1")
    for number, queue in enumerate((small, refuses, rig.queue)):
        rig.app.signature("at", (number,)).apply_async(queue=queue, countdown=8)
    level = delay_topic("", LEVELS[0])
    raw = Producer({"bootstrap.servers": address})
    raw.produce(prefix + level, b"no headers")
    assert raw.flush(10) == 0
    rig.wait_for(lambda: [number for number, _ in ran(rig)] == [2])
    rig.wait_for(lambda: f"not put into {prefix}{refuses}" in rig.log("w1"))
    set_config(admin, prefix + refuses, "cleanup.policy", "delete")
    rig.wait_for(lambda: [number for number, _ in ran(rig)] == [2, 1])

    letters = operator(rig, "dead", "list")
    assert {letter["task"] for letter in letters} == {"at", None}
    assert all(letter["origin"].startswith(f"{prefix}{level}:0:") for letter in letters)
    levels = {row["topic"]: row["length"] for row in operator(rig, "topics") if row["kind"] == "delay"}
    assert levels == {delay_topic(prefix, seconds): 0 for seconds in LEVELS}
    set_config(admin, prefix + small, "max.message.bytes", "100000")
    operator(rig, "dead", "replay", *(letter["id"] for letter in letters if letter["task"]))
    rig.wait_for(lambda: [number for number, _ in ran(rig)] == [2, 1, 0])

    rig.stop(worker)
    with rig.app.connection_for_read() as connection:
        part, topics = (prefix + level, 0), connection.default_channel._topics
        # A worker that leaves has two seconds for it, and there may be more groups to ask than that takes.
        shared_trimmer(topics, connection.default_channel.options).trim([part])
        begin, end = topics.bounds([prefix + level])[part]
    assert begin == end > 4, "what is moved may be deleted"


def set_config(admin: AdminClient, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for altered in admin.incremental_alter_configs([resource]).values():
        altered.result(10)


def operator(rig: Rig, *arguments: str) -> Any:
    """What `celery kafka …` says to the client's application."""
    context = CLIContext(app=rig.app, no_color=True, workdir=None)
    ended = CliRunner().invoke(command, [*arguments, "--json"], obj=context)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)
