"""What others may write into a topic: nothing of it is run, all of it is kept, and what is behind it goes on."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from confluent_kafka import Producer
from kombu import Queue
from kombu.exceptions import OperationalError

from project.kafka import ConfigurationError, meter, operate
from project.kafka.errors import Refused
from project.kafka.options import Options
from project.kafka.records import encode
from project.kafka.signing import keys_of, opened, sign
from tests.kafka.conftest import Connect, publish, receive
from tests.kafka.rig import Rig

KEY, OTHER = "0123456789abcdef-one", "0123456789abcdef-two"


def reasons(app: Any, queue: str) -> list[str]:
    with operate.connected(app) as operator:
        try:
            return sorted(letter.reason for letter in operator.dead_letters([queue]))
        except (Refused, OperationalError):
            return []


def test_only_what_is_signed_with_a_known_key_is_opened() -> None:
    signed = sign(b"{}", keys_of(f"{KEY} {OTHER}"))
    assert opened(signed, keys_of(KEY)) == b"{}"
    assert opened(signed, keys_of(f"{OTHER} {KEY}")) == b"{}"
    assert opened(signed, keys_of(OTHER)) is None
    assert opened(signed[:-1] + b" ", keys_of(KEY)) is None
    assert opened(b"{}", keys_of(KEY)) is None
    assert opened(signed) == opened(b"{}") == b"{}"
    assert sign(b"{}", ()) == b"{}"


def test_a_key_that_could_be_guessed_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ConfigurationError, match="at least 16") as refused:
        Options.read({"signing_key": f"{KEY} short-key"})
    assert "short-key" not in str(refused.value)
    assert KEY not in repr(Options.read({"signing_key": KEY}))


def test_a_key_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", f"{KEY} {OTHER}")
    assert Options.read({"signing_key": "env:SOME_KEY"}).keys == (KEY.encode(), OTHER.encode())
    with pytest.raises(ConfigurationError, match="no such variable"):
        Options.read({"signing_key": "env:NO_SUCH_KEY"})


def test_unsigned_messages_are_not_delivered_but_kept(connect: Connect, queue: Queue) -> None:
    """Nor is one that was put back by somebody without the key; what its own worker puts back is."""
    publish(connect(), queue, "unsigned")
    publish(connect(signing_key=OTHER), queue, "with another key")
    publish(connect(signing_key=KEY), queue, "signed")
    connection = connect(signing_key=f"{KEY} 0123456789abcdef-next")
    (message,) = receive(connection, queue, 1)
    assert message.decode() == "signed"
    message.reject(requeue=True)
    (again,) = receive(connection, queue, 1)
    assert again.decode() == "signed"
    again.ack()
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.5)


def test_a_long_message_is_kept_unread(connect: Connect, queue: Queue) -> None:
    publish(connect(), queue, "x" * 5000, "short")
    messages = receive(connect(max_message_bytes=4000), queue, 1)
    assert [message.decode() for message in messages] == ["short"]


def test_a_meter_is_told_of_a_messages_life(connect: Connect, queue: Queue) -> None:
    class Recording:
        def __init__(self) -> None:
            self.told: list[tuple[str, str, int]] = []
            self.in_flight = 0

        def count(self, name: meter.Count, topic: str, amount: int) -> None:
            self.told.append((name, topic, amount))

        def change(self, name: meter.Level, topic: str, by: int) -> None:
            self.in_flight += by

        def time(self, name: meter.Timing, topic: str, seconds: float) -> None:
            assert 0 < seconds < 60

    recording = Recording()
    meter.use(recording)
    try:
        connection = connect()
        publish(connection, queue, "drop", "again")
        for message in receive(connection, queue, 2):
            message.reject(requeue=message.decode() == "again")
        assert recording.in_flight == 0
        receive(connection, queue, 1)[0].ack()
    finally:
        meter.use(None)
    counted = [(name, sum(n for told, _, n in recording.told if told == name)) for name in ("delivered", "redelivered")]
    assert counted == [("delivered", 3), ("redelivered", 1)]
    names = {name for name, topic, _ in recording.told if topic == queue.name}
    assert {"published", "delivered", "redelivered", "requeued", "acknowledged", "dead_lettered"} <= names


def test_a_worker_runs_nothing_of_what_is_none_of_its_tasks(rig: Rig) -> None:
    rig.start("one", "-Q", rig.queue)
    rig.wait_member("one")
    unknown = rig.app.signature("no.such.task").apply_async()
    rig.app.signature("trace", args=(1,)).apply_async(serializer="pickle")
    producer = Producer({"bootstrap.servers": rig.url.removeprefix("kafka://")})
    producer.produce(rig.queue, pickle.dumps({"body": 1}))
    deep = "[" * 5000 + "]" * 5000
    headers = {"task": "trace", "id": "deep", "root_id": "deep", "lang": "py"}
    info = {"exchange": "", "routing_key": rig.queue}
    properties = {"delivery_info": info, "delivery_mode": 2, "delivery_tag": "1"}
    about = {"content-type": "application/json", "content-encoding": "utf-8", "headers": headers}
    producer.produce(rig.queue, encode({"body": deep, "properties": properties, **about}))
    producer.flush(10)
    rig.trace.clone((7,)).delay()
    rig.wait_for(lambda: [number for number, _ in rig.traces("ended")] == [7])
    rig.wait_for(lambda: len(reasons(rig.app, rig.queue)) == 4)
    told = reasons(rig.app, rig.queue)
    assert sum("rejected by the application" in reason for reason in told) == 3
    assert sum("not JSON" in reason for reason in told) == 1
    assert unknown.id in json.dumps([letter.task_id for letter in dead(rig)])


def dead(rig: Rig) -> list[Any]:
    with operate.connected(rig.app) as operator:
        return operator.dead_letters([rig.queue])
